//! `save_promo_code`: a code makes tickets cheaper or unlocks hidden ones, or does so differently.

use domain::{
    Cx, EventId, LocalTime, Money, Name, Patch, Permission, PromoCodeId, Reference, TicketTypeId,
    time::Fold,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::{ResultExt as _, WriteTx};

use super::{
    changes::PromoCodeSaved,
    errors::SavePromoCodeError,
    model::{self, CodeRow, PromoCode},
    sql,
    terms::{self, Wanted},
    warnings,
};
use crate::{
    App, Effect, Operation,
    events::{self, Event, EventStatus},
    field_change::{FieldChange, differing},
    ticket_types::{self, Offer},
};

/// Add a promo code to an event, or change one by naming it in `promo_code`: percent or money off each ticket, one price,
/// or hidden ticket types for those who have it. When changing, fields left out stay as they are, and holds and orders
/// keep their price. An order has one code. Tell the organizer the `warnings`. `create_promo_codes` makes many at once.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SavePromoCode {
    /// Event: id, slug or exact title.
    pub event: Reference<EventId>,
    /// The promo code to change: id or text. Leave out to add one.
    pub promo_code: Option<Reference<PromoCodeId>>,
    /// What buyers type: 4 to 32 letters A to Z, digits and hyphens; case does not matter. Required for a new one.
    pub code: Option<Name>,
    /// Percent off each ticket.
    #[schemars(range(min = 1, max = 100))]
    pub percent_off: Option<i32>,
    /// Money off each ticket, in the event's currency.
    pub amount_off: Option<Money>,
    /// The price of each ticket, in the event's currency; what costs less stays cheaper.
    pub fixed_price: Option<Money>,
    /// Whether buyers who have it can buy hidden ticket types.
    pub unlocks_hidden: Option<bool>,
    /// All ticket types it applies to: ids or exact names; every one when left out or empty.
    pub ticket_types: Option<Vec<Reference<TicketTypeId>>>,
    /// How often it can be used, whatever the number of tickets of each order; 0 for no limit.
    #[serde(default, deserialize_with = "domain::text::count_patch")]
    pub max_uses: Patch<i32>,
    /// From when: local time at the event.
    #[serde(default)]
    pub valid_from: Patch<LocalTime>,
    /// Until when: local time at the event.
    #[serde(default)]
    pub valid_until: Patch<LocalTime>,
    /// Which one, when clocks go back and a time happens twice.
    pub fold: Option<Fold>,
}

impl SavePromoCode {
    /// A promo code of an event with nothing said about it yet.
    pub fn of(event: Reference<EventId>) -> Self {
        Self {
            event,
            promo_code: None,
            code: None,
            percent_off: None,
            amount_off: None,
            fixed_price: None,
            unlocks_hidden: None,
            ticket_types: None,
            max_uses: Patch::Keep,
            valid_from: Patch::Keep,
            valid_until: Patch::Keep,
            fold: None,
        }
    }
}

/// The promo code and what the organizer should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SavedPromoCode {
    /// The promo code.
    pub promo_code: PromoCode,
    /// What the organizer should know, such as tickets that cost nothing with it.
    pub warnings: Vec<String>,
}

impl Operation for SavePromoCode {
    const NAME: &'static str = "save_promo_code";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::EventsWrite;
    type Output = SavedPromoCode;
    type Error = SavePromoCodeError;

    async fn run(self, app: &App, cx: &Cx) -> Result<SavedPromoCode, SavePromoCodeError> {
        let mut tx = app.store().write(cx).await?;
        // Locked: nobody holds or orders until the commit.
        let event = events::lock(tx.conn(), cx, &self.event).await?;
        terms::check_open(&event)?;
        let offers = ticket_types::offers(tx.conn(), event.id).await?;
        let before = match &self.promo_code {
            Some(reference) => Some(sql::resolve(tx.conn(), event.id, reference).await?),
            None => None,
        };
        let row = self.onto(cx, before.clone(), &event, &offers)?;
        let changed = before.as_ref().map(|before| differences(before, &row));
        let warnings = warnings::all(&event, &offers, &row);
        let answer = SavedPromoCode {
            promo_code: row.seen(cx),
            warnings,
        };
        if changed.as_ref().is_some_and(Vec::is_empty) {
            return Ok(tx.unchanged(answer).await?);
        }
        let change = PromoCodeSaved {
            promo_code_id: row.id,
            event_id: event.id,
            event_title: event.title.clone(),
            code: row.code.clone(),
            says: row.says(),
            is_new: changed.is_none(),
            changed: changed.unwrap_or_default(),
            makes_free: terms::makes_free(&row, &offers),
            is_published: event.status == EventStatus::Published,
            made_lately: terms::made_lately(tx.conn(), event.id, cx.now).await?,
        };
        write(&mut tx, before.as_ref(), &row).await?;
        Ok(tx.commit(change, answer).await?)
    }
}

async fn write(
    tx: &mut WriteTx<'_>,
    before: Option<&CodeRow>,
    row: &CodeRow,
) -> Result<(), SavePromoCodeError> {
    let cx = tx.cx();
    let Some(before) = before else {
        let inserted = sql::insert(tx.conn(), cx, std::slice::from_ref(row)).await;
        return inserted.on_constraint("promo_code_code_key", || {
            SavePromoCodeError::CodeTaken(row.code.clone())
        });
    };
    sql::update(tx.conn(), cx, row).await?;
    if before.ticket_type_ids != row.ticket_type_ids {
        sql::set_ticket_types(tx.conn(), cx, row).await?;
    }
    Ok(())
}

impl SavePromoCode {
    /// The promo code as it is to be.
    fn onto(
        &self,
        cx: &Cx,
        before: Option<CodeRow>,
        event: &Event,
        offers: &[Offer],
    ) -> Result<CodeRow, SavePromoCodeError> {
        let code = self.code.as_ref().map(checked).transpose()?;
        let mut row = match (before, code) {
            (Some(before), Some(code)) if before.code != code => {
                return Err(SavePromoCodeError::CodeFixed(before.code));
            }
            (Some(before), _) => CodeRow {
                version: before.version + 1,
                ..before
            },
            (None, Some(code)) => terms::blank(cx.new_id(), code, event, cx.now),
            (None, None) => return Err(SavePromoCodeError::CodeMissing),
        };
        let wanted = Wanted {
            percent_off: self.percent_off,
            amount_off: self.amount_off,
            fixed_price: self.fixed_price,
            unlocks_hidden: self.unlocks_hidden,
            ticket_types: self.ticket_types.as_deref(),
            valid_from: &self.valid_from,
            valid_until: &self.valid_until,
            fold: self.fold,
        };
        wanted.onto(&mut row, cx.now, event, offers)?;
        if let Patch::Set(given) = self.max_uses {
            if given < 1 {
                return Err(SavePromoCodeError::MaxUsesOutOfRange(given));
            }
            if given < row.held_count.saturating_add(row.used_count) {
                return Err(SavePromoCodeError::MaxUsesBelowTaken {
                    given,
                    used: row.used_count,
                    held: row.held_count,
                });
            }
        }
        row.max_uses = self.max_uses.clone().apply(row.max_uses);
        Ok(row)
    }
}

/// The text of a code in its normal form, if it can be one.
fn checked(given: &Name) -> Result<String, SavePromoCodeError> {
    let code = model::normal(given.as_str());
    if model::has_form(&code) && model::LENGTH.contains(&code.len()) {
        return Ok(code);
    }
    Err(SavePromoCodeError::CodeMalformed {
        given: given.to_string(),
    })
}

fn differences(before: &CodeRow, after: &CodeRow) -> Vec<FieldChange> {
    let uses = |row: &CodeRow| row.max_uses.map(|uses| uses.to_string());
    // A time that the clock shows twice may change from the one to the other.
    let from = |row: &CodeRow| {
        if before.valid_from_local == after.valid_from_local {
            return row.valid_from_at.map(|at| at.to_string());
        }
        row.valid_from_local.map(LocalTime::readable)
    };
    let until = |row: &CodeRow| {
        if before.valid_until_local == after.valid_until_local {
            return row.valid_until_at.map(|at| at.to_string());
        }
        row.valid_until_local.map(LocalTime::readable)
    };
    differing([
        ("effect", Some(before.says()), Some(after.says())),
        ("max_uses", uses(before), uses(after)),
        ("valid_from", from(before), from(after)),
        ("valid_until", until(before), until(after)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        events::StatusMove,
        permission::Role,
        promo_codes::{ArchivePromoCode, CreatePromoCodes, ListPromoCodes, PromoCodeState},
        testing::{
            Scene, assert_refused, buying, eur, holding, new_event, order_with, promo, selling,
            with_code,
        },
        ticket_types::{SaveTicketType, Visibility},
    };

    fn blank(event: EventId) -> SavePromoCode {
        SavePromoCode::of(event.into())
    }

    fn changing(event: EventId, code: &str) -> SavePromoCode {
        SavePromoCode {
            promo_code: Some(code.parse().unwrap()),
            ..blank(event)
        }
    }

    #[tokio::test]
    async fn adds_and_changes_a_code_and_records_it() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        let wanted = SavePromoCode {
            valid_until: Patch::Set("2027-02-01T18:00".parse().unwrap()),
            ..promo(event.id, "spring-20", 20, Some(50))
        };
        let saved = scene.run(wanted).await.unwrap();
        let code = saved.promo_code;
        assert_eq!(
            (code.code.as_str(), code.says.as_str()),
            ("SPRING-20", "20 % off")
        );
        assert_eq!(
            (code.max_uses, code.left, code.state),
            (Some(50), Some(50), PromoCodeState::Active)
        );
        assert_eq!(
            saved.warnings,
            [
                "People mistake 0 for O and 1 for I: read \"SPRING-20\" to them letter by letter, or choose another."
            ]
        );
        let change = scene.changes().await.pop().unwrap();
        assert_eq!(change.kind, "promo_code.saved");
        assert_eq!(
            change.summary,
            "Adds the promo code \"SPRING-20\" to \"Spring Gala\": 20 % off"
        );
        let change = SavePromoCode {
            amount_off: Some(Money::new(500, eur())),
            max_uses: Patch::Remove,
            ticket_types: Some(vec!["regular".parse().unwrap()]),
            ..changing(event.id, "spring-20")
        };
        let code = scene.run(change).await.unwrap().promo_code;
        assert_eq!(code.says, "5.00 EUR off each ticket Regular");
        assert_eq!(
            (code.percent_off, code.max_uses, code.version),
            (None, None, 2)
        );
        let change = scene.changes().await.pop().unwrap();
        assert_eq!(
            change.summary,
            "Changes the promo code \"SPRING-20\" of \"Spring Gala\": effect from \"20 % off\" to \
             \"5.00 EUR off each ticket Regular\"; max_uses from \"50\" to nothing"
        );
        let count = scene.changes().await.len();
        scene.run(changing(event.id, "SPRING-20")).await.unwrap();
        assert_eq!(scene.changes().await.len(), count, "nothing changed");
        let listed = scene
            .run(ListPromoCodes::of(event.id.into()))
            .await
            .unwrap()
            .items;
        assert_eq!(listed, [code]);
    }

    #[tokio::test]
    async fn refuses_what_is_no_code() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        scene.run(promo(event.id, "TAKEN", 10, None)).await.unwrap();
        let money = |amount, currency: &str| Some(Money::new(amount, currency.parse().unwrap()));
        let amount = |amount_off| SavePromoCode {
            percent_off: None,
            amount_off,
            ..promo(event.id, "MINUS", 1, None)
        };
        let at = |local: &str| Patch::Set(local.parse().unwrap());
        let over = SavePromoCode {
            valid_until: at("2027-01-11T10:00"),
            ..promo(event.id, "OVER", 10, None)
        };
        let reversed = SavePromoCode {
            valid_from: at("2027-01-20T10:00"),
            valid_until: at("2027-01-19T10:00"),
            ..promo(event.id, "OVER", 10, None)
        };
        let skipped = SavePromoCode {
            valid_until: at("2027-03-28T02:30"),
            ..promo(event.id, "OVER", 10, None)
        };
        let unknown = SavePromoCode {
            ticket_types: Some(vec!["Regulr".parse().unwrap()]),
            ..promo(event.id, "TYPES", 10, None)
        };
        let two = SavePromoCode {
            amount_off: money(100, "EUR"),
            ..promo(event.id, "STACKED", 10, None)
        };
        let nothing = SavePromoCode {
            code: Some("NOTHING".parse().unwrap()),
            ..blank(event.id)
        };
        let nameless = SavePromoCode {
            percent_off: Some(5),
            ..blank(event.id)
        };
        let renamed = SavePromoCode {
            code: Some("OTHER".parse().unwrap()),
            ..changing(event.id, "TAKEN")
        };
        for (command, code) in [
            (promo(event.id, "taken", 10, None), "promo_code_taken"),
            (promo(event.id, "ABC", 10, None), "promo_code_malformed"),
            (
                promo(event.id, &"A".repeat(33), 10, None),
                "promo_code_malformed",
            ),
            (
                promo(event.id, "TWO WORDS", 10, None),
                "promo_code_malformed",
            ),
            (promo(event.id, "FRÜH", 10, None), "promo_code_malformed"),
            (promo(event.id, "PERCENT", 0, None), "percent_out_of_range"),
            (
                promo(event.id, "PERCENT", 101, None),
                "percent_out_of_range",
            ),
            (promo(event.id, "PERCENT", -5, None), "percent_out_of_range"),
            (
                promo(event.id, "USES", 5, Some(-1)),
                "max_uses_out_of_range",
            ),
            (amount(money(0, "EUR")), "promo_amount_out_of_range"),
            (amount(money(-100, "EUR")), "promo_amount_out_of_range"),
            (amount(money(i64::MAX, "EUR")), "promo_amount_out_of_range"),
            (amount(money(100, "USD")), "currency_differs"),
            (over, "promo_validity_over"),
            (reversed, "promo_validity_reversed"),
            (skipped, "time_does_not_exist"),
            (unknown, "not_found"),
            (two, "promo_effect_ambiguous"),
            (nothing, "promo_effect_missing"),
            (nameless, "promo_code_missing"),
            (renamed, "promo_code_fixed"),
            (changing(event.id, "NEVER"), "not_found"),
        ] {
            assert_refused(scene.run(command).await, code);
        }
        assert_eq!(
            scene
                .database
                .count("select count(*) from promo_code")
                .await,
            1
        );
        scene.move_event(event.id, StatusMove::Cancel(None)).await;
        assert_refused(
            scene.run(promo(event.id, "LATE", 10, None)).await,
            "event_closed",
        );
    }

    #[tokio::test]
    async fn a_time_that_the_clock_shows_twice_is_asked_about() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        let until = |fold| SavePromoCode {
            valid_until: Patch::Set("2027-10-31T02:30".parse().unwrap()),
            fold,
            ..changing(event.id, "TWICE")
        };
        scene.run(promo(event.id, "TWICE", 10, None)).await.unwrap();
        assert_refused(scene.run(until(None)).await, "time_happens_twice");
        for (fold, instant) in [(Fold::Earlier, "00:30"), (Fold::Later, "01:30")] {
            scene.run(until(Some(fold))).await.unwrap();
            let count = format!(
                "select count(*) from promo_code where valid_until_at = '2027-10-31 {instant}+00'"
            );
            assert_eq!(scene.database.count(&count).await, 1, "{instant}");
        }
    }

    #[tokio::test]
    async fn keeps_as_many_uses_as_there_were() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        scene
            .run(promo(event.id, "THRICE", 10, Some(3)))
            .await
            .unwrap();
        scene
            .run(with_code(holding(event.id, 4), "THRICE"))
            .await
            .unwrap();
        let order = order_with(buying(event.id, "Regular", 1), "THRICE");
        scene.run(order.clone()).await.unwrap();
        let to = |uses| SavePromoCode {
            max_uses: Patch::Set(uses),
            ..changing(event.id, "THRICE")
        };
        let refused = scene.run(to(1)).await;
        let told = "1 uses are too few: 1 orders have it and 1 people are buying with it";
        assert_eq!(refused.as_ref().unwrap_err().to_string(), told);
        assert_refused(refused, "max_uses_below_taken");
        let code = scene.run(to(2)).await.unwrap().promo_code;
        assert_eq!((code.state, code.left), (PromoCodeState::UsedUp, Some(0)));
        assert_refused(scene.run(order.clone()).await, "promo_code_used_up");
        scene.run(to(3)).await.unwrap();
        scene.run(order).await.unwrap();
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn others_can_do_nothing_with_codes() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        scene.run(promo(event.id, "MINE", 10, None)).await.unwrap();
        let archive = ArchivePromoCode {
            event: event.id.into(),
            promo_code: "MINE".parse().unwrap(),
        };
        let other = scene.other_organization().await;
        let viewer = scene.as_role(Role::Viewer);
        for (cx, code) in [(&other, "not_found"), (&viewer, "forbidden")] {
            let app = &scene.app;
            assert_refused(app.run(cx, promo(event.id, "THEIRS", 10, None)).await, code);
            assert_refused(
                app.run(
                    cx,
                    CreatePromoCodes::of(event.id.into(), "THEIRS".parse().unwrap(), 3),
                )
                .await,
                code,
            );
            assert_refused(app.run(cx, ListPromoCodes::of(event.id.into())).await, code);
            assert_refused(app.run(cx, archive.clone()).await, code);
        }
        // Nor can another organization's code be used.
        let theirs = scene.app.run(&other, new_event("Theirs")).await;
        let theirs = theirs.unwrap().event;
        scene
            .app
            .run(&other, selling(theirs.id, "Regular", 100, 5))
            .await
            .unwrap();
        scene
            .app
            .run(&other, promo(theirs.id, "SECRET", 100, None))
            .await
            .unwrap();
        let refused = scene.run(with_code(holding(event.id, 1), "SECRET")).await;
        assert_refused(refused, "promo_code_unknown");
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        scene
            .assert_idempotent(promo(event.id, "ONCE", 10, None))
            .await;
    }

    #[tokio::test]
    async fn warns_of_what_is_allowed_and_hardly_meant() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        let hidden = SaveTicketType {
            visibility: Some(Visibility::Hidden),
            ..selling(event.id, "Guests", 1000, 5)
        };
        scene.run(hidden).await.unwrap();
        let wanted = SavePromoCode {
            percent_off: None,
            fixed_price: Some(Money::new(1000, eur())),
            ticket_types: Some(vec!["Guests".parse().unwrap()]),
            valid_until: Patch::Set("2027-03-01T12:00".parse().unwrap()),
            ..promo(event.id, "LATE", 10, None)
        };
        assert_eq!(
            scene.run(wanted).await.unwrap().warnings,
            [
                "\"Guests\" costs 10.00 EUR with it as without it.",
                "\"Guests\" is hidden, and buyers cannot have it with this code: set `unlocks_hidden`.",
                "It ends on Mon 1 Mar 2027, 12:00, but nothing is sold once the event is over, on Thu 4 Feb 2027, 22:00.",
            ]
        );
    }
}
