-- The most tickets of a type that one buyer may have, over all their orders of the event.
alter table ticket_type add column max_per_buyer integer
    constraint ticket_type_max_per_buyer_positive check (max_per_buyer > 0);
create index orders_by_buyer on orders (organization_id, event_id, lower(buyer_email)) where status in ('pending', 'paid');

-- Keeps buyers, by their addresses in lower case, from ordering anything else of an event until the transaction ends; in the
-- order of the keys, so that nobody waits for somebody who waits for them.
create function lock_buyers(event uuid, buyers text[]) returns void language plpgsql as $$
begin
    perform pg_advisory_xact_lock(key) from (
        select hashtextextended('buyer ' || event || ' ' || buyer, 0) as key from unnest(buyers) as buyer order by 1
    ) as keys;
end $$;
