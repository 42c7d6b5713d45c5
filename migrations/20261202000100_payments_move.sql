-- When an order is split, a part of its money goes with the tickets: a payment below zero on the one order and the same above
-- zero on the other, so that sums by event, by day and by way stay what they were.
alter table payment
    -- The payment that it is a part of: on the order that it leaves the one of that order, on the other the one that came in.
    add column moved_from uuid,
    add constraint payment_moved_fkey foreign key (organization_id, moved_from) references payment (organization_id, id),
    drop constraint payment_amount_positive,
    add constraint payment_amount_positive check (case when moved_from is null then amount > 0 else amount <> 0 end),
    drop constraint payment_reference_by_method,
    add constraint payment_reference_by_method
        check ((method = 'stripe' and moved_from is null) = (processor_reference is not null)),
    drop constraint payment_gift_card_by_method,
    add constraint payment_gift_card_by_method
        check ((method = 'gift_card' and moved_from is null) = (gift_card_id is not null));
create index payment_moved on payment (organization_id, moved_from) where moved_from is not null;
