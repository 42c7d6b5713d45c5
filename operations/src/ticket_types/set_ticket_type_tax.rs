//! `set_ticket_type_tax`: which tax a ticket type has.

use domain::{
    Cx, EventId, Facts, Fault, FaultKind, FaultSpec, Patch, Permission, Reference, TaxRuleId,
    TicketTypeId,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;

use super::{
    Left,
    changes::TicketTypeUpdated,
    model::{self, TicketType},
    sql,
};
use crate::{
    App, Effect, Operation, events, faults::NOTHING_GIVEN, field_change::differing,
    lookup::LookupError, taxes,
};

/// Give a ticket type a tax rule of `list_tax_rules`, or none. Orders and holds keep what they were charged. Whether the
/// price has the tax in it, the event says: `save_tax_settings`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SetTicketTypeTax {
    /// Event: id, slug or exact title.
    pub event: Reference<EventId>,
    /// Ticket type: id or exact name.
    pub ticket_type: Reference<TicketTypeId>,
    /// Tax rule: id or exact name; an empty text for none.
    #[serde(default)]
    pub tax_rule: Patch<Reference<TaxRuleId>>,
}

impl Operation for SetTicketTypeTax {
    const NAME: &'static str = "set_ticket_type_tax";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::EventsWrite;
    type Output = TicketType;
    type Error = SetTicketTypeTaxError;

    async fn run(self, app: &App, cx: &Cx) -> Result<TicketType, SetTicketTypeTaxError> {
        let mut tx = app.store().write(cx).await?;
        // Whoever sells shares the event, so no basket has a price of before and a tax of after.
        let event = events::lock(tx.conn(), cx, &self.event).await?;
        let offers = sql::offers(tx.conn(), event.id).await?;
        let mut offer = model::find(&offers, &self.ticket_type)?.clone();
        let rule = match &self.tax_rule {
            Patch::Keep => return Err(SetTicketTypeTaxError::NothingGiven),
            Patch::Remove => None,
            Patch::Set(reference) => Some(taxes::resolve_rule(tx.conn(), reference).await?),
        };
        if rule.is_some() && offer.price_amount == 0 && offer.most_amount.is_none() {
            return Err(SetTicketTypeTaxError::Free(offer.name.to_string()));
        }
        let before = offer.tax.take().map(|tax| tax.name);
        let after = rule.as_ref().map(|rule| rule.name.clone());
        let changed = differing([("tax rule", before, after)]);
        let rule_id = rule.map(|rule| rule.id);
        if !changed.is_empty() {
            sql::set_tax(tx.conn(), cx, offer.id, rule_id).await?;
        }
        let offers = sql::offers(tx.conn(), event.id).await?;
        let saved = model::find(&offers, &offer.id.into())?;
        let answer = saved.seen(cx, &event, &Left::of(cx, &event, &offers));
        if changed.is_empty() {
            return Ok(tx.unchanged(answer).await?);
        }
        let change = TicketTypeUpdated {
            ticket_type_id: offer.id,
            event_id: event.id,
            name: offer.name.to_string(),
            changed,
            sold_count: offer.sold_count,
        };
        Ok(tx.commit(change, answer).await?)
    }
}

/// How `set_ticket_type_tax` refuses.
#[derive(Debug, thiserror::Error)]
pub enum SetTicketTypeTaxError {
    /// No rule was given, nor none.
    #[error("no tax rule was given")]
    NothingGiven,
    /// There is nothing to tax.
    #[error("{0:?} is free, so there is nothing to tax")]
    Free(String),
    /// Something was not found.
    #[error(transparent)]
    Lookup(#[from] LookupError),
}

const FREE: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "free_has_no_tax",
    "Ask whether the right ticket type is meant; give it a price with save_ticket_type first if it is.",
);

impl Fault for SetTicketTypeTaxError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![NOTHING_GIVEN, FREE];
        specs.extend(LookupError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::NothingGiven => NOTHING_GIVEN.at("tax_rule"),
            Self::Free(_) => FREE.at("ticket_type"),
            Self::Lookup(error) => error.facts(),
        }
    }
}

impl From<StoreError> for SetTicketTypeTaxError {
    fn from(error: StoreError) -> Self {
        Self::Lookup(error.into())
    }
}

impl From<sqlx::Error> for SetTicketTypeTaxError {
    fn from(error: sqlx::Error) -> Self {
        Self::Lookup(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        taxes::SaveTaxRule,
        testing::{Scene, assert_refused, buying, order_with, promo, selling, vat},
    };

    fn setting(event: EventId, ticket_type: &str, rule: &str) -> SetTicketTypeTax {
        SetTicketTypeTax {
            event: event.into(),
            ticket_type: ticket_type.parse().unwrap(),
            tax_rule: Patch::Set(rule.parse().unwrap()),
        }
    }

    #[tokio::test]
    async fn what_is_sold_from_then_on_has_the_tax_and_orders_keep_theirs() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2499, 20).await;
        let before = scene.order(event.id, 1).await;
        assert!(before.taxes.is_empty());
        scene.taxed(event.id, "VAT", "19").await;
        let summary = scene.changes().await.pop().unwrap().summary;
        assert_eq!(
            summary,
            "Changes the ticket type \"Regular\": tax rule from nothing to \"VAT\""
        );
        let order = scene.order(event.id, 2).await;
        let tax = &order.taxes[0];
        assert_eq!(
            (tax.net.amount, tax.tax.amount, tax.gross.amount),
            (4200, 798, 4998)
        );
        let raised = SaveTaxRule {
            tax_rule: Some("VAT".parse().unwrap()),
            rate: Some("25".parse().unwrap()),
            ..SaveTaxRule::default()
        };
        scene.run(raised).await.unwrap();
        let get = crate::orders::GetOrder {
            order: order.order.id.into(),
        };
        assert_eq!(scene.run(get).await.unwrap().taxes, order.taxes);
        assert_eq!(
            scene.order(event.id, 2).await.taxes[0].rate.to_string(),
            "25"
        );
        // A code makes the price lower, and the tax is worked out of that.
        scene.run(promo(event.id, "HALF", 50, None)).await.unwrap();
        let half = order_with(buying(event.id, "Regular", 2), "HALF");
        let half = scene.run(half).await.unwrap().order;
        assert_eq!(
            (half.order.total.amount, half.taxes[0].tax.amount),
            (2500, 500)
        );
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn what_is_odd_is_refused() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let (event, _) = scene.on_sale(2500, 20).await;
        scene.run(selling(event.id, "Free", 0, 5)).await.unwrap();
        scene.run(vat("VAT", "19")).await.unwrap();
        assert_refused(
            scene.run(setting(event.id, "Free", "VAT")).await,
            "free_has_no_tax",
        );
        assert_refused(
            scene.run(setting(event.id, "Regular", "GST")).await,
            "not_found",
        );
        assert_refused(
            scene.run(setting(event.id, "Regal", "VAT")).await,
            "not_found",
        );
        let keep = SetTicketTypeTax {
            tax_rule: Patch::Keep,
            ..setting(event.id, "Regular", "VAT")
        };
        assert_refused(scene.run(keep).await, "nothing_given");
        let theirs = scene
            .app
            .run(&other, setting(event.id, "Regular", "VAT"))
            .await;
        assert_refused(theirs, "not_found");
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 20).await;
        scene.run(vat("VAT", "19")).await.unwrap();
        scene
            .assert_idempotent(setting(event.id, "Regular", "VAT"))
            .await;
    }
}
