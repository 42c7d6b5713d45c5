//! `save_tax_rule`: a rate of tax that the organization charges.

use domain::{Cx, Name, Patch, Permission, Reference, TaxRate, TaxRuleId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::ResultExt as _;

use super::{changes::TaxRuleSaved, errors::TaxError, model::TaxRule, sql};
use crate::{App, Effect, Operation};

/// Add a tax rule such as "VAT 19 %", or change one. Orders and holds keep what they were charged; what is sold from then
/// on has the new rate. Ask for the rate, never guess it.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct SaveTaxRule {
    /// The rule to change: id or exact name; a new one when absent.
    pub tax_rule: Option<Reference<TaxRuleId>>,
    /// What it is called on invoices.
    pub name: Option<Name>,
    /// In percent, up to three decimals: 19 or 8.875.
    pub rate: Option<TaxRate>,
    /// What it is called in electronic invoices, such as S or E.
    #[serde(default)]
    pub code: Patch<String>,
    /// Put it away, when nothing has it any more.
    #[serde(default)]
    pub archived: bool,
}

impl Operation for SaveTaxRule {
    const NAME: &'static str = "save_tax_rule";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::OrganizationWrite;
    type Output = TaxRule;
    type Error = TaxError;

    async fn run(self, app: &App, cx: &Cx) -> Result<TaxRule, TaxError> {
        let mut tx = app.store().write(cx).await?;
        let before = match &self.tax_rule {
            Some(reference) => Some(sql::resolve_rule(tx.conn(), reference).await?),
            None => None,
        };
        let rule = self.onto(cx, before.as_ref())?;
        if before.as_ref() == Some(&rule) {
            return Ok(tx.unchanged(rule).await?);
        }
        let written = if before.is_none() {
            sql::insert_rule(tx.conn(), cx, &rule).await
        } else {
            let is_default = sql::default_rule(tx.conn()).await? == Some(rule.id);
            if rule.is_archived && (rule.used_by > 0 || is_default) {
                let (name, used_by) = (rule.name, rule.used_by);
                return Err(TaxError::InUse { name, used_by });
            }
            sql::update_rule(tx.conn(), cx, &rule).await
        };
        written.on_constraint("tax_rule_name_key", || TaxError::NameTaken {
            what: "tax rule",
            name: rule.name.clone(),
        })?;
        let change = TaxRuleSaved {
            tax_rule_id: rule.id,
            name: rule.name.clone(),
            rate: rule.rate.to_string(),
            rate_before: before
                .filter(|before| before.rate != rule.rate)
                .map(|before| before.rate.to_string()),
            is_archived: rule.is_archived,
        };
        Ok(tx.commit(change, rule).await?)
    }
}

impl SaveTaxRule {
    /// The rule as it is wanted.
    fn onto(&self, cx: &Cx, before: Option<&TaxRule>) -> Result<TaxRule, TaxError> {
        let name = self.name.as_ref().map(ToString::to_string);
        let code = match self.code.clone() {
            Patch::Set(code) => {
                let upper = code.trim().to_uppercase();
                let fits = (1..=10).contains(&upper.len())
                    && upper.bytes().all(|byte| byte.is_ascii_alphanumeric());
                Patch::Set(Some(upper).filter(|_| fits).ok_or(TaxError::Code(code))?)
            }
            other => other,
        };
        let Some(before) = before else {
            let lacks = |needs| TaxError::Incomplete {
                what: "tax rule",
                needs,
            };
            return Ok(TaxRule {
                id: cx.new_id::<TaxRuleId>(),
                name: name.ok_or_else(|| lacks("a name"))?,
                rate: self.rate.ok_or_else(|| lacks("a rate"))?,
                code: code.apply(None),
                used_by: 0,
                is_archived: false,
            });
        };
        if name.is_none() && self.rate.is_none() && code.is_keep() && !self.archived {
            return Err(TaxError::NothingGiven);
        }
        Ok(TaxRule {
            name: name.unwrap_or_else(|| before.name.clone()),
            rate: self.rate.unwrap_or(before.rate),
            code: code.apply(before.code.clone()),
            is_archived: self.archived,
            ..before.clone()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        taxes::ListTaxRules,
        testing::{Scene, assert_refused, vat},
    };

    #[tokio::test]
    async fn a_rule_is_added_changed_and_put_away() {
        let scene = Scene::new().await;
        let rule = scene.run(vat("VAT 19 %", "19")).await.unwrap();
        assert_eq!((rule.rate.to_string().as_str(), rule.used_by), ("19", 0));
        let change = SaveTaxRule {
            tax_rule: Some("vat 19 %".parse().unwrap()),
            name: Some("VAT".parse().unwrap()),
            rate: Some("20.5".parse().unwrap()),
            code: Patch::Set("s".to_owned()),
            archived: false,
        };
        let changed = scene.run(change.clone()).await.unwrap();
        assert_eq!(changed.code.as_deref(), Some("S"));
        let summary = scene.changes().await.pop().unwrap().summary;
        assert_eq!(
            summary,
            "Changes the tax rule \"VAT\" from 19 % to 20.5 %; orders keep what they were charged"
        );
        let away = SaveTaxRule {
            tax_rule: Some(rule.id.into()),
            archived: true,
            ..SaveTaxRule::default()
        };
        scene.run(away).await.unwrap();
        let list = scene.run(ListTaxRules::default()).await.unwrap();
        assert!(list.rules.is_empty());
        scene.run(vat("VAT", "19")).await.unwrap();
    }

    #[tokio::test]
    async fn what_is_odd_is_refused() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        scene.taxed(event.id, "VAT", "19").await;
        assert_refused(scene.run(vat("vat", "7")).await, "name_taken");
        let nameless = SaveTaxRule {
            rate: Some("7".parse().unwrap()),
            ..SaveTaxRule::default()
        };
        assert_refused(scene.run(nameless).await, "tax_or_fee_incomplete");
        let of = |reference: &str| SaveTaxRule {
            tax_rule: Some(reference.parse().unwrap()),
            ..SaveTaxRule::default()
        };
        assert_refused(scene.run(of("VAT")).await, "nothing_given");
        assert_refused(scene.run(of("GST")).await, "not_found");
        let away = SaveTaxRule {
            archived: true,
            ..of("VAT")
        };
        assert_refused(scene.run(away.clone()).await, "tax_rule_in_use");
        assert_refused(scene.app.run(&other, away).await, "not_found");
        let coded = SaveTaxRule {
            code: Patch::Set("§".to_owned()),
            ..vat("GST", "7")
        };
        assert_refused(scene.run(coded).await, "tax_code_malformed");
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        scene.assert_idempotent(vat("VAT", "19")).await;
    }
}
