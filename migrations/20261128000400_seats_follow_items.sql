-- Of an order that is not paid yet fewer are wanted than were: the seats behind go back on sale. Once there are tickets,
-- each has its own seat, which follows it.
create function seats_follow_item() returns trigger language plpgsql as $$
begin
    delete from seat_claim where id in (
        select claim.id from seat_claim claim join seat on seat.id = claim.seat_id
        join seat_section section on section.id = seat.section_id
        where claim.order_id = new.order_id and claim.ticket_type_id = new.ticket_type_id
          and claim.status = 'live' and claim.ticket_id is null
        order by section.position desc, seat.row_position desc, seat.position desc
        limit old.quantity - new.quantity);
    return null;
end $$;
create trigger seats_follow after update of quantity on order_item for each row
    when (new.quantity < old.quantity) execute function seats_follow_item();
