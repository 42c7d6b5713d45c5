//! `list_tax_rules`: the rates of tax, and how they are charged.

use domain::{Cx, EventId, Permission, Reference};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    model::{TaxRule, TaxSettings},
    sql,
};
use crate::{App, Effect, Operation, events, lookup::LookupError};

/// The organization's tax rules, and how new events charge tax; with an event, how that one does.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct ListTaxRules {
    /// Event: id, slug or exact title.
    pub event: Option<Reference<EventId>>,
    /// With rules that were put away.
    #[serde(default)]
    pub archived: bool,
}

/// Tax rules by name, and how tax is charged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaxRules {
    /// The rules.
    pub rules: Vec<TaxRule>,
    /// How tax is charged by the event, or by new ones.
    pub settings: TaxSettings,
}

impl Operation for ListTaxRules {
    const NAME: &'static str = "list_tax_rules";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Permission = Permission::OrganizationRead;
    type Output = TaxRules;
    type Error = LookupError;

    async fn run(self, app: &App, cx: &Cx) -> Result<TaxRules, LookupError> {
        let mut tx = app.store().read(cx).await?;
        let rules = sql::rules(tx.conn(), self.archived).await?;
        let settings = match &self.event {
            None => {
                let defaults = sql::defaults(tx.conn()).await?;
                TaxSettings {
                    prices: defaults.prices,
                    rounding: defaults.rounding,
                    default_rule: defaults.rule.map(|(_, name)| name),
                }
            }
            Some(reference) => {
                let event = events::resolve(tx.conn(), cx, reference).await?;
                let pricing = sql::pricing(tx.conn(), event.id).await?;
                TaxSettings {
                    prices: pricing.prices,
                    rounding: pricing.rounding,
                    default_rule: None,
                }
            }
        };
        Ok(TaxRules { rules, settings })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Scene, assert_refused, vat};

    #[tokio::test]
    async fn rules_are_the_organizations_own_and_put_away_ones_are_asked_for() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        for (name, rate) in [("VAT", "19"), ("reduced VAT", "7")] {
            scene.run(vat(name, rate)).await.unwrap();
        }
        let away = crate::taxes::SaveTaxRule {
            tax_rule: Some("VAT".parse().unwrap()),
            archived: true,
            ..Default::default()
        };
        scene.run(away).await.unwrap();
        let names = |listed: TaxRules| listed.rules.into_iter().map(|r| r.name).collect::<Vec<_>>();
        let list = ListTaxRules::default();
        assert_eq!(
            names(scene.run(list.clone()).await.unwrap()),
            ["reduced VAT"]
        );
        let all = ListTaxRules {
            archived: true,
            ..list.clone()
        };
        assert_eq!(names(scene.run(all).await.unwrap()), ["reduced VAT", "VAT"]);
        let theirs = scene.app.run(&other, list).await.unwrap();
        assert_eq!(names(theirs), [""; 0]);
        let of_event = ListTaxRules {
            event: Some("nowhere".parse().unwrap()),
            archived: false,
        };
        assert_refused(scene.run(of_event).await, "not_found");
    }
}
