-- A pool whose counters differ from what its rows add up to sells nothing until somebody has looked.

alter table capacity_pool add column stopped_at timestamptz;
