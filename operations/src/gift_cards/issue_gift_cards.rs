//! `issue_gift_cards`: money that orders can be paid with.

use domain::{Cx, LocalDate, Money, Name, Permission};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    changes::GiftCardsIssued,
    error::GiftCardError,
    model::{self, CardRow, GiftCard},
    sql, using,
};
use crate::{App, Effect, Operation};

/// Issue gift cards: each pays for orders of any event until nothing is left on it. A person approves the amount. Their codes
/// are not in the answer: `get_gift_card` and `list_gift_cards` show them.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct IssueGiftCards {
    /// What is on each card.
    pub amount: Money,
    /// How many, 1 to 200; one when left out.
    pub count: Option<i32>,
    /// The last day on which they can be used, such as 2028-12-31; for ever when left out.
    pub valid_until: Option<LocalDate>,
    /// What they are for, such as whom they were sold to.
    pub note: Option<Name>,
}

/// The cards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IssuedGiftCards {
    /// Each of them, without its code.
    pub gift_cards: Vec<GiftCard>,
    /// What is on all of them.
    pub total: Money,
}

const COUNT: std::ops::RangeInclusive<i32> = 1..=200;

impl Operation for IssueGiftCards {
    const NAME: &'static str = "issue_gift_cards";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::PaymentsConfirm;
    type Output = IssuedGiftCards;
    type Error = GiftCardError;

    async fn run(self, app: &App, cx: &Cx) -> Result<IssuedGiftCards, GiftCardError> {
        let key = app.key().ok_or(GiftCardError::NoKey)?;
        let mut tx = app.store().write(cx).await?;
        let today = using::today(tx.conn(), cx).await?;
        if let Some(day) = self.valid_until.filter(|day| *day < today) {
            return Err(GiftCardError::ValidUntilPast(day));
        }
        let count = self.count.unwrap_or(1);
        if !COUNT.contains(&count) {
            return Err(GiftCardError::CountOutOfRange(count));
        }
        let total = self.amount.amount.checked_mul(count.into());
        let total = total.filter(|total| *total > 0);
        let total = total.ok_or(GiftCardError::AmountOutOfRange(self.amount))?;
        let rows: Vec<CardRow> = (0..count).map(|_| self.card(cx, key)).collect();
        sql::insert(tx.conn(), cx, &rows).await?;
        let total = Money::new(total, self.amount.currency);
        let change = GiftCardsIssued {
            gift_card_id: rows[0].id,
            count: rows.len(),
            amount: self.amount,
            total,
            valid_until: self.valid_until,
            note: rows[0].note.clone(),
        };
        let answer = IssuedGiftCards {
            gift_cards: rows.iter().map(|row| row.seen(today)).collect(),
            total,
        };
        Ok(tx.commit(change, answer).await?)
    }
}

impl IssueGiftCards {
    /// One card over an amount, without an end.
    pub fn of(amount: Money) -> Self {
        Self {
            amount,
            count: None,
            valid_until: None,
            note: None,
        }
    }

    fn card(&self, cx: &Cx, key: &[u8; 32]) -> CardRow {
        let id = cx.new_id();
        let code = model::code(key, id);
        CardRow {
            id,
            code_hash: model::hash(&code).to_vec(),
            ending: code[code.len() - 4..].to_owned(),
            currency: self.amount.currency,
            issued_amount: self.amount.amount,
            balance: self.amount.amount,
            valid_until: self.valid_until,
            is_blocked: false,
            note: self.note.as_ref().map(ToString::to_string),
            created_at: cx.now,
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::context::Mode;

    use super::*;
    use crate::{
        approvals::policy,
        gift_cards::{GetGiftCard, GiftCardState},
        testing::{Scene, assert_refused, eur},
    };

    #[tokio::test]
    async fn a_card_is_worth_what_is_on_it() {
        let scene = Scene::new().await;
        let command = IssueGiftCards {
            count: Some(3),
            valid_until: Some("2027-12-31".parse().unwrap()),
            note: Some("Choir members".parse().unwrap()),
            ..IssueGiftCards::of(Money::new(2500, eur()))
        };
        let issued = scene.run(command).await.unwrap();
        assert_eq!((issued.gift_cards.len(), issued.total.amount), (3, 7500));
        let card = &issued.gift_cards[1];
        assert_eq!(
            (card.state, card.balance),
            (GiftCardState::Active, card.issued)
        );
        assert_eq!(card.code, None);
        let change = scene.changes().await.pop().unwrap();
        assert_eq!(
            change.summary,
            "Issues 3 gift cards over 25.00 EUR each, 75.00 EUR together, valid until Fri 31 Dec 2027 (Choir members)"
        );
        let shown = scene.run(GetGiftCard::of(card.id.into())).await.unwrap();
        let code = shown.code.unwrap();
        assert!(code.ends_with(&card.ending) && code.len() == 19, "{code}");
        // Nobody who reads the database has it.
        let plain = code.replace('-', "");
        for table in ["gift_card", "change"] {
            let rows = format!("select row_to_json(t)::text as row from {table} t");
            let rows = scene.database.ask(&rows).await;
            assert!(!rows.to_string().contains(&plain), "{table}");
        }
    }

    #[tokio::test]
    async fn refuses_what_is_no_card() {
        let scene = Scene::new().await;
        let good = IssueGiftCards::of(Money::new(2500, eur()));
        for amount in [0, -2500] {
            let command = IssueGiftCards::of(Money::new(amount, eur()));
            assert_refused(scene.run(command).await, "gift_card_amount_out_of_range");
        }
        let most = IssueGiftCards {
            count: Some(200),
            ..IssueGiftCards::of(Money::new(i64::MAX / 2, eur()))
        };
        assert_refused(scene.run(most).await, "gift_card_amount_out_of_range");
        for count in [0, -1, 201] {
            let command = IssueGiftCards {
                count: Some(count),
                ..good.clone()
            };
            assert_refused(scene.run(command).await, "gift_card_count_out_of_range");
        }
        let past = IssueGiftCards {
            valid_until: Some("2027-01-10".parse().unwrap()),
            ..good.clone()
        };
        assert_refused(scene.run(past).await, "valid_until_past");
        let without_key = App::new(scene.app.store().clone(), crate::Options::unlimited());
        let refused = without_key.run(&scene.cx, good.clone()).await;
        assert_refused(refused, "no_sealing_key");
        let today = IssueGiftCards {
            valid_until: Some("2027-01-11".parse().unwrap()),
            ..good
        };
        scene.run(today).await.unwrap();
    }

    #[tokio::test]
    async fn a_person_decides_and_a_repeat_issues_nothing_more() {
        let scene = Scene::new().await;
        let command = IssueGiftCards::of(Money::new(2500, eur()));
        let dry = scene.cx.in_mode(Mode::DryRun);
        scene.app.run(&dry, command.clone()).await.unwrap();
        assert!(policy::may_ask("issue_gift_cards"));
        let input = serde_json::json!({});
        let reason = policy::verdict("issue_gift_cards", &input, &dry.recorded()).unwrap();
        assert_eq!(reason.code, "moves_money");
        scene.assert_idempotent(command).await;
    }
}
