-- Gift cards: money paid in advance that pays for orders of any event of the organization, in the card's currency.

create table gift_card (
    organization_id uuid not null constraint gift_card_organization_fkey references organization,
    id uuid constraint gift_card_pkey primary key,
    -- SHA-256 of the code. The code itself is kept nowhere: the server makes it from the id with its own key.
    code_hash bytea not null,
    -- The last characters of the code, to tell cards apart.
    ending text not null,
    currency text not null,
    issued_amount bigint not null constraint gift_card_issued_amount_positive check (issued_amount > 0),
    -- What is left: issued, less what paid for orders, and what came back from them.
    balance bigint not null constraint gift_card_balance_not_negative check (balance >= 0),
    -- The last day on which it can be used, such as 2027-12-31.
    valid_until text,
    is_blocked boolean not null default false,
    note text,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    version integer not null default 1,
    constraint gift_card_organization_key unique (organization_id, id),
    constraint gift_card_code_key unique (organization_id, code_hash),
    constraint gift_card_balance_within_issued check (balance <= issued_amount)
);
create index gift_card_by_age on gift_card (organization_id, created_at, id);
select protect('gift_card', 'select, insert, update');

alter table payment
    drop constraint payment_method_known,
    add constraint payment_method_known check (method in ('manual', 'stripe', 'gift_card')),
    drop constraint payment_reference_by_method,
    add constraint payment_reference_by_method check ((method = 'stripe') = (processor_reference is not null)),
    add column gift_card_id uuid,
    add constraint payment_gift_card_fkey foreign key (organization_id, gift_card_id) references gift_card (organization_id, id),
    add constraint payment_gift_card_by_method check ((method = 'gift_card') = (gift_card_id is not null));
create index payment_gift_card on payment (organization_id, gift_card_id) where gift_card_id is not null;

alter table refund
    drop constraint refund_method_known,
    add constraint refund_method_known check (method in ('manual', 'stripe', 'gift_card'));
