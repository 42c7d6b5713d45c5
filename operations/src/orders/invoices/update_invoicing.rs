//! `update_invoicing`: who the organization is on invoices, and whether they are issued by themselves.

use domain::{Cx, LongText, Name, Permission};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    changes::InvoicingUpdated,
    error::InvoiceError,
    model::{Invoicing, Seller},
    sql,
};
use crate::{App, Effect, Operation};

/// Set up invoices: who sells, what numbers start with, and whether every order that is paid gets one by itself. What was
/// issued stays as it is.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct UpdateInvoicing {
    /// Whether an order that is paid gets its invoice by itself; so for a new set-up unless said.
    pub is_on: Option<bool>,
    /// The organization's name in law.
    pub legal_name: Option<Name>,
    /// Its address.
    pub address: Option<LongText>,
    /// Its tax number.
    pub tax_id: Option<Name>,
    /// What numbers of invoices start with; {year} is the year of issue, and `{year}-` is the default.
    pub invoice_prefix: Option<String>,
    /// What numbers of credit notes start with; `C{year}-` by default.
    pub credit_prefix: Option<String>,
}

/// A prefix, if it is one.
fn prefix(given: &str) -> Result<String, InvoiceError> {
    let bare = given.trim().replace("{year}", "");
    let fits = !given.trim().is_empty()
        && given.trim().len() <= 20
        && bare
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-/".contains(&byte));
    if fits {
        Ok(given.trim().to_owned())
    } else {
        Err(InvoiceError::Prefix(given.to_owned()))
    }
}

impl Operation for UpdateInvoicing {
    const NAME: &'static str = "update_invoicing";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::OrganizationWrite;
    type Output = Invoicing;
    type Error = InvoiceError;

    async fn run(self, app: &App, cx: &Cx) -> Result<Invoicing, InvoiceError> {
        let mut tx = app.store().write(cx).await?;
        let before = sql::invoicing(tx.conn()).await?;
        let after = self.onto(before.as_ref())?;
        if before.as_ref() == Some(&after) {
            return Ok(tx.unchanged(after).await?);
        }
        sql::save_invoicing(tx.conn(), cx, &after).await?;
        let change = InvoicingUpdated {
            organization_id: cx.organization_id,
            is_on: after.is_on,
            legal_name: after.seller.legal_name.clone(),
            tax_id: after.seller.tax_id.clone(),
            invoice_prefix: after.invoice_prefix.clone(),
            credit_prefix: after.credit_prefix.clone(),
        };
        Ok(tx.commit(change, after).await?)
    }
}

impl UpdateInvoicing {
    /// The set-up as it is wanted.
    fn onto(&self, before: Option<&Invoicing>) -> Result<Invoicing, InvoiceError> {
        let texts = [&self.invoice_prefix, &self.credit_prefix];
        let names = [
            self.legal_name.is_some(),
            self.address.is_some(),
            self.tax_id.is_some(),
        ];
        if self.is_on.is_none() && !names.contains(&true) && texts.iter().all(|text| text.is_none())
        {
            return Err(InvoiceError::NothingGiven);
        }
        let text = |given: Option<String>, kept: Option<&String>, what| {
            given
                .or_else(|| kept.cloned())
                .ok_or(InvoiceError::NotSetUp(what))
        };
        let seller = before.map(|before| &before.seller);
        let given = |given: Option<&str>| given.map(ToOwned::to_owned);
        let seller = Seller {
            legal_name: text(
                given(self.legal_name.as_ref().map(Name::as_str)),
                seller.map(|seller| &seller.legal_name),
                "name in law",
            )?,
            address: text(
                given(self.address.as_ref().map(LongText::as_str)),
                seller.map(|seller| &seller.address),
                "address",
            )?,
            tax_id: text(
                given(self.tax_id.as_ref().map(Name::as_str)),
                seller.map(|seller| &seller.tax_id),
                "tax number",
            )?,
        };
        let kept = |given: &Option<String>, kept: Option<&String>, usual: &str| match given {
            Some(given) => prefix(given),
            None => Ok(kept.map_or_else(|| usual.to_owned(), Clone::clone)),
        };
        let invoice_prefix = before.map(|before| &before.invoice_prefix);
        let credit_prefix = before.map(|before| &before.credit_prefix);
        let after = Invoicing {
            is_on: self
                .is_on
                .unwrap_or(before.is_none_or(|before| before.is_on)),
            seller,
            invoice_prefix: kept(&self.invoice_prefix, invoice_prefix, "{year}-")?,
            credit_prefix: kept(&self.credit_prefix, credit_prefix, "C{year}-")?,
        };
        if after.invoice_prefix == after.credit_prefix {
            return Err(InvoiceError::SamePrefix(after.invoice_prefix));
        }
        Ok(after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Scene, assert_refused, invoicing};

    #[tokio::test]
    async fn what_is_left_out_stays() {
        let scene = Scene::new().await;
        let first = scene.run(invoicing()).await.unwrap();
        assert_eq!(
            (first.is_on, first.invoice_prefix.as_str()),
            (true, "{year}-")
        );
        let off = UpdateInvoicing {
            is_on: Some(false),
            ..UpdateInvoicing::default()
        };
        let second = scene.run(off).await.unwrap();
        assert_eq!((second.is_on, second.seller), (false, first.seller));
    }

    #[tokio::test]
    async fn what_is_odd_is_refused() {
        let scene = Scene::new().await;
        let nothing = UpdateInvoicing::default();
        assert_refused(scene.run(nothing).await, "nothing_given");
        let addressless = UpdateInvoicing {
            address: None,
            ..invoicing()
        };
        assert_refused(scene.run(addressless).await, "invoicing_not_set_up");
        let spaced = UpdateInvoicing {
            invoice_prefix: Some("no. ".to_owned()),
            ..invoicing()
        };
        assert_refused(scene.run(spaced).await, "invoice_prefix_malformed");
        let equal = UpdateInvoicing {
            credit_prefix: Some("{year}-".to_owned()),
            ..invoicing()
        };
        assert_refused(scene.run(equal).await, "invoice_prefixes_equal");
    }

    #[tokio::test]
    async fn another_organizations_set_up_stays_and_a_repeat_does_nothing() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        scene.assert_idempotent(invoicing()).await;
        let theirs = UpdateInvoicing {
            is_on: Some(false),
            ..UpdateInvoicing::default()
        };
        assert_refused(scene.app.run(&other, theirs).await, "invoicing_not_set_up");
    }
}
