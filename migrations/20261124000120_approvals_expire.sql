-- Approvals end by themselves, and runs that ended long ago are forgotten.

create index approval_pending on approval (expires_at) where status = 'pending';
grant select (run_id) on approval to eventos_system;

-- The role's policies show it no younger ones: what was done or not wanted for 90 days, what gave up for a year.
create policy forget on workflow_run for delete to eventos_system
    using (finished_at < now() - case status when 'dead' then interval '365 days' else interval '90 days' end);
grant delete on workflow_run to eventos_system;
create policy forget on workflow_fire for delete to eventos_system
    using (due_at < now() - interval '90 days');
grant delete on workflow_fire to eventos_system;
