-- Ticket types whose price the buyer chooses, such as donations: the price is the least, this the most.
alter table ticket_type add column most_amount bigint constraint ticket_type_most_amount_positive check (most_amount > 0);
