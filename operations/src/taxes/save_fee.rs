//! `save_fee`: something that is charged beside tickets.

use domain::{Cx, EventId, FeeId, Money, Name, Patch, Permission, Reference, TaxRate, TaxRuleId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::ResultExt as _;

use super::{
    changes::FeeSaved,
    errors::TaxError,
    model::{Fee, FeePer},
    sql::{self, StoredFee},
};
use crate::{
    App, Effect, Operation,
    events::{self, Event},
    lookup::{Hit, the_one},
};

/// Charge buyers a fee beside the tickets, or change one: for an event, or for all events. Orders and holds keep theirs.
/// What costs nothing has no fee unless `charges_free`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct SaveFee {
    /// The fee to change: id or exact name; a new one when absent.
    pub fee: Option<Reference<FeeId>>,
    /// Event: id, slug or exact title; all events in its currency when absent.
    pub event: Option<Reference<EventId>>,
    /// What buyers read.
    pub name: Option<Name>,
    /// What it is charged for: once an order unless said.
    pub per: Option<FeePer>,
    /// How much, if it is fixed. With tax or without, as the event's prices are.
    pub amount: Option<Money>,
    /// How many percent of the tickets' price, otherwise.
    pub percent: Option<TaxRate>,
    /// Charge it for what is free too.
    pub charges_free: Option<bool>,
    /// Its tax rule: id or exact name; the organization's default for a new fee.
    #[serde(default)]
    pub tax_rule: Patch<Reference<TaxRuleId>>,
    /// Put it away.
    #[serde(default)]
    pub archived: bool,
}

impl Operation for SaveFee {
    const NAME: &'static str = "save_fee";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::EventsWrite;
    type Output = Fee;
    type Error = TaxError;

    async fn run(self, app: &App, cx: &Cx) -> Result<Fee, TaxError> {
        let mut tx = app.store().write(cx).await?;
        let event = match &self.event {
            Some(reference) => Some(events::lock(tx.conn(), cx, reference).await?),
            None => None,
        };
        let event_id = event.as_ref().map(|event| event.id);
        let before = match &self.fee {
            Some(reference) => {
                let fees = sql::fees(tx.conn(), event_id).await?;
                Some(find(fees, event_id, reference)?)
            }
            None => None,
        };
        let rule = match &self.tax_rule {
            Patch::Set(reference) => {
                let rule = sql::resolve_rule(tx.conn(), reference).await?;
                Some((rule.id, rule.name))
            }
            Patch::Remove => None,
            Patch::Keep => match &before {
                None => sql::defaults(tx.conn()).await?.rule,
                Some(before) => before.tax_rule_id.zip(before.fee.tax_rule.clone()),
            },
        };
        let fee = self.onto(cx, event.as_ref(), before.as_ref(), rule.as_ref())?;
        if !self.archived && before.is_some_and(|before| before.fee == fee) {
            return Ok(tx.unchanged(fee).await?);
        }
        let stored = StoredFee {
            event_id,
            tax_rule_id: rule.map(|(id, _)| id),
            fee: fee.clone(),
        };
        let written = sql::save_fee(tx.conn(), cx, &stored, self.archived).await;
        written.on_constraint("fee_name_key", || TaxError::NameTaken {
            what: "fee",
            name: fee.name.clone(),
        })?;
        let change = FeeSaved {
            fee_id: fee.id,
            fee: in_words(&fee),
            event_title: event.map(|event| event.title),
            is_archived: self.archived,
        };
        Ok(tx.commit(change, fee).await?)
    }
}

/// `Service, 1.50 EUR per order`.
pub(super) fn in_words(fee: &Fee) -> String {
    let much = match (fee.amount, fee.percent) {
        (Some(amount), _) => amount.to_string(),
        (None, percent) => format!("{} %", percent.unwrap_or_default()),
    };
    format!("{}, {much} per {}", fee.name, fee.per)
}

/// The fee that is to be changed: of the event, or of all events when none was named.
fn find(
    fees: Vec<StoredFee>,
    event_id: Option<EventId>,
    reference: &Reference<FeeId>,
) -> Result<StoredFee, TaxError> {
    let own = fees.into_iter().filter(|fee| fee.event_id == event_id);
    let own: Vec<StoredFee> = own.collect();
    let hits = own.iter().map(|stored| Hit {
        id: stored.fee.id,
        label: stored.fee.name.clone(),
        exact: match reference {
            Reference::Id(id) => stored.fee.id == *id,
            Reference::Name(name) => stored.fee.name.to_lowercase() == name.to_lowercase(),
        },
    });
    let id = the_one("fee", &reference.to_string(), &hits.collect::<Vec<_>>())?;
    let mut own = own.into_iter();
    Ok(own
        .find(|stored| stored.fee.id == id)
        .expect("the hit came from this list"))
}

impl SaveFee {
    /// The fee as it is wanted.
    fn onto(
        &self,
        cx: &Cx,
        event: Option<&Event>,
        before: Option<&StoredFee>,
        rule: Option<&(TaxRuleId, String)>,
    ) -> Result<Fee, TaxError> {
        let before = before.map(|stored| &stored.fee);
        let (amount, percent) = match (self.amount, self.percent) {
            (Some(_), Some(_)) => return Err(TaxError::AmountOrPercent),
            (None, None) => match before {
                None => return Err(TaxError::AmountOrPercent),
                Some(before) => (before.amount, before.percent),
            },
            given => given,
        };
        if let Some(amount) = amount.filter(|amount| amount.amount <= 0) {
            return Err(TaxError::NoFee(amount.to_string()));
        }
        if percent == Some(TaxRate::ZERO) {
            return Err(TaxError::NoFee("0 %".to_owned()));
        }
        if let (Some(given), Some(event)) = (amount, event)
            && given.currency != event.currency
        {
            return Err(TaxError::Currency {
                given,
                currency: event.currency,
            });
        }
        let charges_free = self
            .charges_free
            .or(before.map(|before| before.charges_free));
        let charges_free = charges_free.unwrap_or_default();
        if charges_free && percent.is_some() {
            return Err(TaxError::PercentOfFree);
        }
        let name = self.name.as_ref().map(ToString::to_string);
        let name = name.or_else(|| before.map(|before| before.name.clone()));
        Ok(Fee {
            id: before.map_or_else(|| cx.new_id::<FeeId>(), |before| before.id),
            name: name.ok_or(TaxError::Incomplete {
                what: "fee",
                needs: "a name",
            })?,
            of_all_events: event.is_none(),
            per: (self.per.or(before.map(|before| before.per))).unwrap_or(FeePer::Order),
            amount,
            percent,
            charges_free,
            tax_rule: rule.map(|(_, name)| name.clone()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        taxes::ListFees,
        testing::{Scene, assert_refused, eur, fee, ordering},
    };

    #[tokio::test]
    async fn what_is_held_is_what_is_ordered_whatever_happens_to_the_fee() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        scene.taxed(event.id, "VAT", "19").await;
        let service = SaveFee {
            tax_rule: Patch::Set("VAT".parse().unwrap()),
            ..fee(event.id, "Service", 150)
        };
        scene.run(service).await.unwrap();
        let hold = scene.hold(event.id, 2).await;
        assert_eq!(hold.total.amount, 5150);
        assert_eq!(
            (hold.fees[0].name.as_str(), hold.fees[0].amount.amount),
            ("Service", 150)
        );
        let dearer = SaveFee {
            fee: Some("service".parse().unwrap()),
            event: Some(event.id.into()),
            amount: Some(Money::new(900, eur())),
            ..SaveFee::default()
        };
        scene.run(dearer).await.unwrap();
        let order = scene.run(ordering(&hold)).await.unwrap().order;
        assert_eq!(
            (order.order.total.amount, order.fees[0].amount.amount),
            (5150, 150)
        );
        assert_eq!(order.taxes[0].tax.amount, 822);
        let fresh = scene.order(event.id, 2).await;
        assert_eq!(fresh.order.total.amount, 5900);
        let away = SaveFee {
            fee: Some("Service".parse().unwrap()),
            event: Some(event.id.into()),
            archived: true,
            ..SaveFee::default()
        };
        scene.run(away).await.unwrap();
        assert_eq!(scene.order(event.id, 2).await.order.total.amount, 5000);
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn a_fee_of_all_events_is_charged_where_its_currency_is() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        let all = SaveFee {
            event: None,
            per: Some(FeePer::Ticket),
            ..fee(event.id, "Donation", 100)
        };
        assert!(scene.run(all.clone()).await.unwrap().of_all_events);
        let yen = SaveFee {
            name: Some("Yen".parse().unwrap()),
            amount: Some(Money::new(100, "JPY".parse().unwrap())),
            ..all
        };
        scene.run(yen).await.unwrap();
        assert_eq!(scene.order(event.id, 2).await.order.total.amount, 5200);
    }

    #[tokio::test]
    async fn what_is_odd_is_refused() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        let good = fee(event.id, "Service", 150);
        scene.run(good.clone()).await.unwrap();
        assert_refused(scene.run(good.clone()).await, "name_taken");
        let named = |name: &str| SaveFee {
            name: Some(name.parse().unwrap()),
            ..good.clone()
        };
        let both = SaveFee {
            percent: Some("3".parse().unwrap()),
            ..named("Both")
        };
        assert_refused(scene.run(both).await, "fee_amount_or_percent");
        let negative = SaveFee {
            amount: Some(Money::new(-5, eur())),
            ..named("Less")
        };
        assert_refused(scene.run(negative).await, "fee_not_positive");
        let yen = SaveFee {
            amount: Some(Money::new(5, "JPY".parse().unwrap())),
            ..named("Yen")
        };
        assert_refused(scene.run(yen).await, "currency_differs");
        let of_free = SaveFee {
            amount: None,
            percent: Some("3".parse().unwrap()),
            charges_free: Some(true),
            ..named("Free")
        };
        assert_refused(scene.run(of_free).await, "percent_of_free");
        let nameless = SaveFee {
            name: None,
            ..good.clone()
        };
        assert_refused(scene.run(nameless).await, "tax_or_fee_incomplete");
        let unknown = SaveFee {
            fee: Some("Tip".parse().unwrap()),
            ..good.clone()
        };
        assert_refused(scene.run(unknown).await, "not_found");
        let ruled = SaveFee {
            tax_rule: Patch::Set("VAT".parse().unwrap()),
            ..named("Ruled")
        };
        assert_refused(scene.run(ruled).await, "not_found");
        assert_refused(scene.app.run(&other, good).await, "not_found");
        let listed = scene.app.run(&other, ListFees::default()).await.unwrap();
        assert!(listed.fees.is_empty());
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        scene.assert_idempotent(fee(event.id, "Service", 150)).await;
    }
}
