//! `save_tax_settings`: whether prices have the tax in them, and where it is rounded.

use domain::{Cx, EventId, Patch, Permission, PriceTax, Reference, TaxRounding, TaxRuleId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::{ResultExt as _, WriteTx};

use super::{
    changes::TaxSettingsSaved,
    errors::TaxError,
    model::TaxSettings,
    sql::{self, Defaults},
};
use crate::{App, Effect, Operation, events};

/// Say whether prices include tax or tax is added to them, and where it is rounded: for an event, until its first order, or
/// without one for events and ticket types that are made from now on.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct SaveTaxSettings {
    /// Event: id, slug or exact title; new events when absent.
    pub event: Option<Reference<EventId>>,
    /// Whether prices have the tax in them.
    pub prices: Option<PriceTax>,
    /// Where tax is rounded; by line unless an accountant says otherwise.
    pub rounding: Option<TaxRounding>,
    /// The rule of new ticket types: id or exact name. Not of an event.
    #[serde(default)]
    pub default_rule: Patch<Reference<TaxRuleId>>,
}

impl Operation for SaveTaxSettings {
    const NAME: &'static str = "save_tax_settings";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::OrganizationWrite;
    type Output = TaxSettings;
    type Error = TaxError;

    async fn run(self, app: &App, cx: &Cx) -> Result<TaxSettings, TaxError> {
        if self.prices.is_none() && self.rounding.is_none() && self.default_rule.is_keep() {
            return Err(TaxError::NothingGiven);
        }
        if self.event.is_some() && !self.default_rule.is_keep() {
            return Err(TaxError::RuleOfEvent);
        }
        let mut tx = app.store().write(cx).await?;
        let (before, after, event_title) = match &self.event {
            Some(event) => self.of_event(&mut tx, event).await?,
            None => self.of_organization(&mut tx).await?,
        };
        if before == after {
            return Ok(tx.unchanged(after).await?);
        }
        let change = TaxSettingsSaved {
            organization_id: cx.organization_id,
            event_title,
            prices: after.prices.to_string(),
            rounding: after.rounding.to_string(),
            default_rule: after.default_rule.clone(),
        };
        Ok(tx.commit(change, after).await?)
    }
}

fn settings(prices: PriceTax, rounding: TaxRounding, rule: Option<String>) -> TaxSettings {
    TaxSettings {
        prices,
        rounding,
        default_rule: rule,
    }
}

impl SaveTaxSettings {
    /// Saves how one event charges: the settings before and after, and its title.
    async fn of_event(
        &self,
        tx: &mut WriteTx<'_>,
        reference: &Reference<EventId>,
    ) -> Result<(TaxSettings, TaxSettings, Option<String>), TaxError> {
        let cx = tx.cx();
        let event = events::lock(tx.conn(), cx, reference).await?;
        let pricing = sql::pricing(tx.conn(), event.id).await?;
        let before = settings(pricing.prices, pricing.rounding, None);
        let after = self.onto(&before);
        let saved = sql::save_of_event(tx.conn(), event.id, after.prices, after.rounding).await;
        saved.on_constraint("event_taxation_frozen", || TaxError::Frozen {
            title: event.title.clone(),
        })?;
        Ok((before, after, Some(event.title)))
    }

    /// Saves what new events and ticket types start with.
    async fn of_organization(
        &self,
        tx: &mut WriteTx<'_>,
    ) -> Result<(TaxSettings, TaxSettings, Option<String>), TaxError> {
        let stored = sql::defaults(tx.conn()).await?;
        let name = stored.rule.as_ref().map(|(_, name)| name.clone());
        let before = settings(stored.prices, stored.rounding, name);
        let rule = match &self.default_rule {
            Patch::Keep => stored.rule,
            Patch::Remove => None,
            Patch::Set(reference) => {
                let rule = sql::resolve_rule(tx.conn(), reference).await?;
                Some((rule.id, rule.name))
            }
        };
        let mut after = self.onto(&before);
        after.default_rule = rule.as_ref().map(|(_, name)| name.clone());
        let defaults = Defaults {
            prices: after.prices,
            rounding: after.rounding,
            rule,
        };
        let cx = tx.cx();
        sql::save_defaults(tx.conn(), cx, &defaults).await?;
        Ok((before, after, None))
    }

    fn onto(&self, before: &TaxSettings) -> TaxSettings {
        TaxSettings {
            prices: self.prices.unwrap_or(before.prices),
            rounding: self.rounding.unwrap_or(before.rounding),
            default_rule: before.default_rule.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        taxes::ListTaxRules,
        testing::{Scene, assert_refused, selling, vat},
    };

    fn of_event(event: EventId, prices: PriceTax) -> SaveTaxSettings {
        SaveTaxSettings {
            event: Some(event.into()),
            prices: Some(prices),
            ..SaveTaxSettings::default()
        }
    }

    #[tokio::test]
    async fn new_events_and_ticket_types_take_the_organizations_way() {
        let scene = Scene::new().await;
        let before = scene.published("Before").await;
        scene.run(vat("Sales tax", "8.875")).await.unwrap();
        let ours = SaveTaxSettings {
            prices: Some(PriceTax::Added),
            rounding: Some(TaxRounding::NetSum),
            default_rule: Patch::Set("Sales tax".parse().unwrap()),
            event: None,
        };
        let saved = scene.run(ours).await.unwrap();
        assert_eq!(saved.default_rule.as_deref(), Some("Sales tax"));
        let after = scene.published("After").await;
        let way = async |event: EventId| {
            let list = ListTaxRules {
                event: Some(event.into()),
                archived: false,
            };
            scene.run(list).await.unwrap().settings.prices
        };
        assert_eq!(way(before.id).await, PriceTax::Included);
        assert_eq!(way(after.id).await, PriceTax::Added);
        let type_of = selling(after.id, "Regular", 1000, 5);
        scene.run(type_of).await.unwrap();
        let order = scene.order(after.id, 2).await;
        assert_eq!(order.order.total.amount, 2178);
        assert_eq!(order.taxes[0].tax.amount, 178);
    }

    #[tokio::test]
    async fn an_event_with_orders_keeps_its_way() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        scene
            .run(of_event(event.id, PriceTax::Added))
            .await
            .unwrap();
        let summary = scene.changes().await.pop().unwrap().summary;
        assert!(summary.contains("added to prices"), "{summary}");
        scene.order(event.id, 1).await;
        let back = of_event(event.id, PriceTax::Included);
        assert_refused(scene.run(back).await, "taxation_frozen");
        // What is so already is no change.
        scene
            .run(of_event(event.id, PriceTax::Added))
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn what_is_odd_is_refused() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        let nothing = SaveTaxSettings::default();
        assert_refused(scene.run(nothing).await, "nothing_given");
        let rule = SaveTaxSettings {
            default_rule: Patch::Set("VAT".parse().unwrap()),
            ..of_event(event.id, PriceTax::Added)
        };
        assert_refused(scene.run(rule.clone()).await, "default_rule_of_event");
        let unknown = SaveTaxSettings {
            event: None,
            ..rule
        };
        assert_refused(scene.run(unknown).await, "not_found");
        let theirs = scene
            .app
            .run(&other, of_event(event.id, PriceTax::Added))
            .await;
        assert_refused(theirs, "not_found");
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        let command = SaveTaxSettings {
            prices: Some(PriceTax::Added),
            ..SaveTaxSettings::default()
        };
        scene.assert_idempotent(command).await;
    }
}
