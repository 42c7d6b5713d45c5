-- Tickets of an order are called off or become others: fewer of a line are left, down to none, so that void tickets still
-- say what they were bought as.
alter table order_item
    drop constraint order_item_quantity_positive,
    add constraint order_item_quantity_not_negative check (quantity >= 0);
grant update (quantity, attendees) on order_item to eventos_app;
