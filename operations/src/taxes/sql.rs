//! Every query on `tax_rule`, `taxation`, `event_taxation` and `fee`.

use domain::{Cx, EventId, FeeId, Money, PriceTax, Reference, TaxRate, TaxRounding, TaxRuleId};
use sqlx::{PgConnection, types::Json};

use super::{
    charge::Pricing,
    model::{Fee, FeePer, FeeRow, TaxRule},
};
use crate::lookup::{Hit, LookupError, the_one};

/// How an event charges.
pub(crate) async fn pricing(conn: &mut PgConnection, event_id: EventId) -> sqlx::Result<Pricing> {
    let row = sqlx::query!(
        r#"select t.prices as "prices: PriceTax", t.rounding as "rounding: TaxRounding",
             coalesce((select jsonb_agg(jsonb_build_object('id', f.id, 'name', f.name, 'per', f.per, 'amount', f.amount,
                 'percent', f.percent, 'charges_free', f.charges_free, 'tax_name', r.name, 'tax_code', r.code,
                 'tax_rate', r.rate) order by f.created_at, f.id)
               from fee f join event e on e.id = t.event_id left join tax_rule r on r.id = f.tax_rule_id
               where (f.event_id = e.id or f.event_id is null) and f.archived_at is null
                 and (f.currency is null or f.currency = e.currency)), '[]') as "fees!: Json<Vec<FeeRow>>"
           from event_taxation t where t.event_id = $1"#,
        event_id as _
    )
    .fetch_one(conn)
    .await?;
    Ok(Pricing {
        prices: row.prices,
        rounding: row.rounding,
        fees: row.fees.0,
    })
}

/// Lets an event charge as another one does, whose fees it gets too.
pub(crate) async fn copy(
    conn: &mut PgConnection,
    cx: &Cx,
    from: EventId,
    to: EventId,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update event_taxation set prices = source.prices, rounding = source.rounding
         from event_taxation source where source.event_id = $1 and event_taxation.event_id = $2",
        from as _,
        to as _
    )
    .execute(&mut *conn)
    .await?;
    let fees = sqlx::query_scalar!(
        "select id from fee where event_id = $1 and archived_at is null order by created_at, id",
        from as _
    )
    .fetch_all(&mut *conn)
    .await?;
    for fee in fees {
        sqlx::query!(
            "insert into fee (organization_id, id, event_id, name, per, amount, currency, percent, charges_free, tax_rule_id,
               created_at, updated_at)
             select organization_id, $2, $3, name, per, amount, currency, percent, charges_free, tax_rule_id, $4, $4
             from fee where id = $1",
            fee as _,
            cx.new_id::<FeeId>() as _,
            to as _,
            cx.now as _,
        )
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}

/// Selects tax rules as [`TaxRule`]; the text behind it starts with `where`.
macro_rules! select_rules {
    ($rest:literal $(, $argument:expr)* $(,)?) => {
        sqlx::query!(
            r#"select tax_rule.id as "id: TaxRuleId", tax_rule.name, tax_rule.code, tax_rule.rate,
                 tax_rule.archived_at is not null as "is_archived!",
                 (select count(*) from ticket_type where tax_rule_id = tax_rule.id and archived_at is null)
                   + (select count(*) from fee where tax_rule_id = tax_rule.id and archived_at is null) as "used_by!"
               from tax_rule "# + $rest
            $(, $argument)*
        )
        .map(|row| TaxRule {
            id: row.id,
            name: row.name,
            rate: TaxRate::from_thousandths(row.rate),
            code: row.code,
            used_by: row.used_by,
            is_archived: row.is_archived,
        })
    };
}

/// The rules of the organization, by name.
pub(super) async fn rules(
    conn: &mut PgConnection,
    with_archived: bool,
) -> sqlx::Result<Vec<TaxRule>> {
    select_rules!(
        "where archived_at is null or $1 order by archived_at is not null, lower(name), id",
        with_archived
    )
    .fetch_all(conn)
    .await
}

/// The rule a caller means, by id or exact name, among those that are not archived.
pub(crate) async fn resolve_rule(
    conn: &mut PgConnection,
    reference: &Reference<TaxRuleId>,
) -> Result<TaxRule, LookupError> {
    let rules = rules(conn, false).await?;
    let hits = rules.iter().map(|rule| Hit {
        id: rule.id,
        label: rule.name.clone(),
        exact: match reference {
            Reference::Id(id) => rule.id == *id,
            Reference::Name(name) => rule.name.to_lowercase() == name.to_lowercase(),
        },
    });
    let given = reference.to_string();
    let id = the_one("tax rule", &given, &hits.collect::<Vec<_>>())?;
    let mut rules = rules.into_iter();
    Ok(rules
        .find(|rule| rule.id == id)
        .expect("the hit came from this list"))
}

/// Adds a rule. Violates `tax_rule_name_key` when there is one of that name.
pub(super) async fn insert_rule(
    conn: &mut PgConnection,
    cx: &Cx,
    rule: &TaxRule,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into tax_rule (organization_id, id, name, code, rate, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $6)",
        cx.organization_id as _,
        rule.id as _,
        rule.name,
        rule.code,
        rule.rate.thousandths(),
        cx.now as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes a rule. Violates `tax_rule_name_key` when there is another one of that name.
pub(super) async fn update_rule(
    conn: &mut PgConnection,
    cx: &Cx,
    rule: &TaxRule,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update tax_rule set name = $2, code = $3, rate = $4, archived_at = case when $5 then $6::timestamptz end,
           version = version + 1, updated_at = $6
         where id = $1",
        rule.id as _,
        rule.name,
        rule.code,
        rule.rate.thousandths(),
        rule.is_archived,
        cx.now as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// How new events charge, and the rule of new ticket types.
pub(super) struct Defaults {
    pub(super) prices: PriceTax,
    pub(super) rounding: TaxRounding,
    pub(super) rule: Option<(TaxRuleId, String)>,
}

/// How new events charge.
pub(super) async fn defaults(conn: &mut PgConnection) -> sqlx::Result<Defaults> {
    let row = sqlx::query!(
        r#"select t.prices as "prices: PriceTax", t.rounding as "rounding: TaxRounding",
             r.id as "rule_id?: TaxRuleId", r.name as "rule_name?"
           from taxation t left join tax_rule r on r.id = t.tax_rule_id"#
    )
    .fetch_optional(conn)
    .await?;
    let none = Defaults {
        prices: PriceTax::Included,
        rounding: TaxRounding::Line,
        rule: None,
    };
    Ok(row.map_or(none, |row| Defaults {
        prices: row.prices,
        rounding: row.rounding,
        rule: row.rule_id.zip(row.rule_name),
    }))
}

/// The rule that new ticket types have.
pub(crate) async fn default_rule(conn: &mut PgConnection) -> sqlx::Result<Option<TaxRuleId>> {
    Ok(defaults(conn).await?.rule.map(|(id, _)| id))
}

/// Writes how new events charge.
pub(super) async fn save_defaults(
    conn: &mut PgConnection,
    cx: &Cx,
    defaults: &Defaults,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into taxation (organization_id, prices, rounding, tax_rule_id) values ($1, $2, $3, $4)
         on conflict on constraint taxation_pkey
         do update set prices = excluded.prices, rounding = excluded.rounding, tax_rule_id = excluded.tax_rule_id",
        cx.organization_id as _,
        defaults.prices as _,
        defaults.rounding as _,
        defaults.rule.as_ref().map(|(id, _)| *id) as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes how an event charges that is locked. Violates `event_taxation_frozen` when it has orders.
pub(super) async fn save_of_event(
    conn: &mut PgConnection,
    event_id: EventId,
    prices: PriceTax,
    rounding: TaxRounding,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update event_taxation set prices = $2, rounding = $3 where event_id = $1",
        event_id as _,
        prices as _,
        rounding as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A fee with its rule's id, as it is written.
pub(super) struct StoredFee {
    pub(super) fee: Fee,
    pub(super) event_id: Option<EventId>,
    pub(super) tax_rule_id: Option<TaxRuleId>,
}

/// The fees of an event and of all events, those of all first.
pub(super) async fn fees(
    conn: &mut PgConnection,
    event_id: Option<EventId>,
) -> sqlx::Result<Vec<StoredFee>> {
    let rows = sqlx::query!(
        r#"select f.id as "id: FeeId", f.event_id as "event_id: EventId", f.name, f.per as "per: FeePer", f.amount,
             f.currency as "currency: domain::Currency", f.percent, f.charges_free,
             f.tax_rule_id as "tax_rule_id: TaxRuleId", r.name as "tax_rule?"
           from fee f left join tax_rule r on r.id = f.tax_rule_id
           where (f.event_id is null or f.event_id = $1) and f.archived_at is null
           order by f.event_id is not null, f.created_at, f.id"#,
        event_id as _
    )
    .fetch_all(conn)
    .await?;
    let fees = rows.into_iter().map(|row| StoredFee {
        fee: Fee {
            id: row.id,
            name: row.name,
            of_all_events: row.event_id.is_none(),
            per: row.per,
            amount: row.amount.zip(row.currency).map(|(a, c)| Money::new(a, c)),
            percent: row.percent.map(TaxRate::from_thousandths),
            charges_free: row.charges_free,
            tax_rule: row.tax_rule,
        },
        event_id: row.event_id,
        tax_rule_id: row.tax_rule_id,
    });
    Ok(fees.collect())
}

/// Adds a fee, or writes it anew. Violates `fee_name_key` when there is another one of that name.
pub(super) async fn save_fee(
    conn: &mut PgConnection,
    cx: &Cx,
    stored: &StoredFee,
    is_archived: bool,
) -> sqlx::Result<()> {
    let fee = &stored.fee;
    sqlx::query!(
        "insert into fee (organization_id, id, event_id, name, per, amount, currency, percent, charges_free, tax_rule_id,
           created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)
         on conflict on constraint fee_pkey do update set name = excluded.name, per = excluded.per,
           amount = excluded.amount, currency = excluded.currency, percent = excluded.percent,
           charges_free = excluded.charges_free, tax_rule_id = excluded.tax_rule_id, updated_at = excluded.updated_at,
           version = fee.version + 1, archived_at = case when $12 then excluded.updated_at end",
        cx.organization_id as _,
        fee.id as _,
        stored.event_id as _,
        fee.name,
        fee.per as _,
        fee.amount.map(|amount| amount.amount),
        fee.amount.map(|amount| amount.currency) as _,
        fee.percent.map(TaxRate::thousandths),
        fee.charges_free,
        stored.tax_rule_id as _,
        cx.now as _,
        is_archived,
    )
    .execute(conn)
    .await?;
    Ok(())
}
