-- Erasing an event's personal data: what people typed beside money may hold names, too.

grant update (reference) on payment to eventos_app;
grant update (reason) on refund to eventos_app;

-- Whether a text, such as a run's step as JSON, is about one of some ids or names one of some addresses. Ids have a form
-- that can be picked out; addresses (in lower case) are looked for only where there is any.
create function mentions(value text, ids text[], addresses text[]) returns boolean
language sql immutable parallel safe
return exists (
        select from regexp_matches(value, '(?:evt|msg|ord|srv|tkt)_[0-9a-f]{32}', 'g') as found (id)
        where found.id[1] = any(ids))
    or strpos(value, '@') > 0 and exists (
        select from unnest(addresses) as address where strpos(lower(value), address) > 0);
