//! `create_promo_codes`: many codes that nobody guesses, each for one use.

use domain::{
    Cx, EventId, LocalTime, Money, Name, Patch, Permission, PromoCodeId, Reference, TicketTypeId,
    time::Fold,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::ResultExt as _;

use super::{
    changes::PromoCodesCreated,
    errors::SavePromoCodeError,
    model::{self, CodeRow},
    sql,
    terms::{self, Wanted},
    warnings,
};
use crate::{
    App, Effect, Operation, codes,
    events::{self, EventStatus},
    ticket_types,
};

/// The most codes of one call.
const MOST: i64 = 1_000;

/// Random characters of each: with the last for the checksum they have 55 random bits.
const RANDOM: usize = 12;

/// Make 1 to 1000 promo codes at once, each for one use, that nobody guesses: for newsletters, partners or press. All of
/// them are made or none. Hand each to one person; for a code that many share use `save_promo_code`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CreatePromoCodes {
    /// Event: id, slug or exact title.
    pub event: Reference<EventId>,
    /// How many.
    #[schemars(range(min = 1, max = 1000))]
    pub count: i64,
    /// What each begins with, such as `PRESS`: 1 to 16 letters A to Z, digits and hyphens.
    pub prefix: Name,
    /// Percent off each ticket.
    #[schemars(range(min = 1, max = 100))]
    pub percent_off: Option<i32>,
    /// Money off each ticket, in the event's currency.
    pub amount_off: Option<Money>,
    /// The price of each ticket, in the event's currency; what costs less stays cheaper.
    pub fixed_price: Option<Money>,
    /// Whether buyers who have one can buy hidden ticket types.
    pub unlocks_hidden: Option<bool>,
    /// All ticket types they apply to: ids or exact names; every one when left out.
    pub ticket_types: Option<Vec<Reference<TicketTypeId>>>,
    /// From when: local time at the event.
    #[serde(default)]
    pub valid_from: Patch<LocalTime>,
    /// Until when: local time at the event.
    #[serde(default)]
    pub valid_until: Patch<LocalTime>,
    /// Which one, when clocks go back and a time happens twice.
    pub fold: Option<Fold>,
}

impl CreatePromoCodes {
    /// So many codes of an event with nothing said about what they do.
    pub fn of(event: Reference<EventId>, prefix: Name, count: i64) -> Self {
        Self {
            event,
            count,
            prefix,
            percent_off: None,
            amount_off: None,
            fixed_price: None,
            unlocks_hidden: None,
            ticket_types: None,
            valid_from: Patch::Keep,
            valid_until: Patch::Keep,
            fold: None,
        }
    }
}

/// The new codes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CreatedPromoCodes {
    /// How many there are.
    pub count: usize,
    /// What each does, as people say it.
    pub says: String,
    /// The codes, one per line of a list to hand out. Keep them where only those who hand them out see them.
    pub codes: Vec<String>,
    /// How to get more.
    pub more: String,
    /// What the organizer should know, such as tickets that cost nothing with them.
    pub warnings: Vec<String>,
}

impl Operation for CreatePromoCodes {
    const NAME: &'static str = "create_promo_codes";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::EventsWrite;
    type Output = CreatedPromoCodes;
    type Error = SavePromoCodeError;

    async fn run(self, app: &App, cx: &Cx) -> Result<CreatedPromoCodes, SavePromoCodeError> {
        if !(1..=MOST).contains(&self.count) {
            return Err(SavePromoCodeError::CountOutOfRange(self.count));
        }
        let prefix = self.checked_prefix()?;
        let mut tx = app.store().write(cx).await?;
        let event = events::lock(tx.conn(), cx, &self.event).await?;
        terms::check_open(&event)?;
        let offers = ticket_types::offers(tx.conn(), event.id).await?;
        let mut first = terms::blank(cx.new_id(), String::new(), &event, cx.now);
        first.max_uses = Some(1);
        self.wanted().onto(&mut first, cx.now, &event, &offers)?;
        let rows: Vec<CodeRow> = (0..self.count)
            .map(|_| CodeRow {
                id: cx.new_id::<PromoCodeId>(),
                code: format!("{prefix}-{}", codes::generate(cx, RANDOM)),
                ..first.clone()
            })
            .collect();
        let change = PromoCodesCreated {
            event_id: event.id,
            event_title: event.title.clone(),
            count: self.count,
            prefix,
            says: first.says(),
            makes_free: terms::makes_free(&first, &offers),
            is_published: event.status == EventStatus::Published,
            made_lately: terms::made_lately(tx.conn(), event.id, cx.now).await?,
        };
        // In 55 bits nobody meets another; if they do, none is made and the call can be repeated.
        let inserted = sql::insert(tx.conn(), cx, &rows).await;
        inserted.on_constraint("promo_code_code_key", || {
            SavePromoCodeError::CodeTaken(change.prefix.clone())
        })?;
        let answer = CreatedPromoCodes {
            count: rows.len(),
            says: first.says(),
            codes: rows.into_iter().map(|row| row.code).collect(),
            more: format!(
                "Call create_promo_codes again for more; one call makes at most {MOST}. list_promo_codes shows them all."
            ),
            warnings: warnings::all(&event, &offers, &first),
        };
        Ok(tx.commit(change, answer).await?)
    }
}

impl CreatePromoCodes {
    fn wanted(&self) -> Wanted<'_> {
        Wanted {
            percent_off: self.percent_off,
            amount_off: self.amount_off,
            fixed_price: self.fixed_price,
            unlocks_hidden: self.unlocks_hidden,
            ticket_types: self.ticket_types.as_deref(),
            valid_from: &self.valid_from,
            valid_until: &self.valid_until,
            fold: self.fold,
        }
    }

    fn checked_prefix(&self) -> Result<String, SavePromoCodeError> {
        let prefix = model::normal(self.prefix.as_str());
        if model::has_form(&prefix) && (1..=16).contains(&prefix.len()) {
            return Ok(prefix);
        }
        Err(SavePromoCodeError::PrefixMalformed {
            given: self.prefix.to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::json;

    use super::*;
    use crate::{
        approvals::policy,
        permission::Role,
        promo_codes::SavePromoCode,
        testing::{Scene, assert_refused, eur, holding, promo, with_code},
    };

    fn batch(event: EventId, prefix: &str, count: i64) -> CreatePromoCodes {
        CreatePromoCodes {
            percent_off: Some(20),
            ..CreatePromoCodes::of(event.into(), prefix.parse().unwrap(), count)
        }
    }

    #[tokio::test]
    async fn a_thousand_codes_are_made_at_once_or_none() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        for count in [0, -1, 1001, 1_000_000] {
            assert_refused(
                scene.run(batch(event.id, "NEWS", count)).await,
                "promo_code_count",
            );
        }
        for prefix in ["TWO WORDS", "SEVENTEEN-LETTERS", "Ü"] {
            assert_refused(
                scene.run(batch(event.id, prefix, 1)).await,
                "promo_code_malformed",
            );
        }
        let made = scene.run(batch(event.id, "news", 1000)).await.unwrap();
        let different: HashSet<&String> = made.codes.iter().collect();
        assert_eq!((made.count, different.len()), (1000, 1000));
        assert!(made.more.contains("again"), "{}", made.more);
        for code in &made.codes {
            let random = code.strip_prefix("NEWS-").unwrap();
            assert!(
                random.len() == 12 && !random.contains(['0', 'O', '1', 'I']),
                "{code}"
            );
        }
        let change = scene.changes().await.pop().unwrap();
        assert_eq!(
            change.summary,
            "Makes 1000 promo codes \"NEWS-…\" for \"Spring Gala\": 20 % off"
        );
        let told = change.payload.to_string();
        assert!(
            made.codes.iter().all(|code| !told.contains(code)),
            "no code in the trail"
        );
        let one = &made.codes[7];
        scene
            .run(with_code(holding(event.id, 1), one))
            .await
            .unwrap();
        let again = with_code(holding(event.id, 1), one);
        assert_refused(scene.run(again).await, "promo_code_used_up");
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        scene.assert_idempotent(batch(event.id, "NEWS", 20)).await;
        let codes = "select count(*) from promo_code";
        assert_eq!(scene.database.count(codes).await, 20);
    }

    /// What a dry run of a command would need a person for.
    async fn asks<O: crate::Operation>(scene: &Scene, command: O) -> Option<&'static str> {
        let dry = scene.cx.in_mode(domain::context::Mode::DryRun);
        scene.app.run(&dry, command).await.unwrap();
        policy::verdict(O::NAME, &json!({}), &dry.recorded()).map(|reason| reason.code)
    }

    #[tokio::test]
    async fn free_tickets_and_many_codes_need_a_person() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        assert_eq!(
            asks(&scene, promo(event.id, "NEARLY", 99, None)).await,
            None
        );
        let free = promo(event.id, "FREE", 100, None);
        assert_eq!(asks(&scene, free).await, Some("gives_tickets_away"));
        let amount = |off| SavePromoCode {
            percent_off: None,
            amount_off: Some(Money::new(off, eur())),
            ..promo(event.id, "MINUS", 1, None)
        };
        assert_eq!(asks(&scene, amount(2499)).await, None);
        assert_eq!(asks(&scene, amount(2500)).await, Some("gives_tickets_away"));
        let fixed = SavePromoCode {
            percent_off: None,
            fixed_price: Some(Money::new(0, eur())),
            ..promo(event.id, "NOTHING", 1, None)
        };
        assert_eq!(asks(&scene, fixed).await, Some("gives_tickets_away"));
        let batch = |count| CreatePromoCodes {
            percent_off: Some(20),
            ..CreatePromoCodes::of(event.id.into(), "NEWS".parse().unwrap(), count)
        };
        assert_eq!(asks(&scene, batch(101)).await, Some("makes_many_codes"));
        assert_eq!(asks(&scene, batch(100)).await, None);
        scene.run(batch(60)).await.unwrap();
        assert_eq!(asks(&scene, batch(41)).await, Some("makes_many_codes"));
        assert_eq!(asks(&scene, batch(40)).await, None);
        let viewer = scene.as_role(Role::Viewer);
        assert_refused(scene.app.run(&viewer, batch(1)).await, "forbidden");
    }
}
