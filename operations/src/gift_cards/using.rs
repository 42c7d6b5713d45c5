//! What orders do with gift cards.

use domain::{Currency, Cx, GiftCardId, LocalDate, Money, Reference};
use sqlx::PgConnection;
use store::{StoreError, WriteTx};

use super::{
    error::{FindGiftCardError, UseGiftCardError},
    model::{self, CODE_LENGTH, CardRow, GiftCardState},
    sql,
};
use crate::{codes, organizations};

/// A card that can pay, kept from others until the transaction ends.
pub(crate) struct Usable {
    pub(crate) id: GiftCardId,
    /// The last characters of its code.
    pub(crate) ending: String,
    /// What is left on it.
    pub(crate) balance: Money,
}

/// What keeps two orders from spending the same money; a control takes it away.
pub(crate) const ONE_AT_A_TIME: &str = "gift_card.one_at_a_time";

/// The card of a code, if it can pay in the currency of what is open.
pub(crate) async fn find_usable(
    tx: &mut WriteTx<'_>,
    code: &str,
    open: Money,
) -> Result<Usable, UseGiftCardError> {
    let cx = tx.cx();
    let found = of_code(tx.conn(), code).await?;
    let card = if tx.lacks(ONE_AT_A_TIME) {
        found
    } else {
        sql::lock(tx.conn(), found.id).await?
    };
    let state = card.state(today(tx.conn(), cx).await?);
    if state != GiftCardState::Active {
        return Err(UseGiftCardError::NotActive {
            ending: card.ending,
            state,
        });
    }
    let balance = card.money(card.balance);
    if balance.currency != open.currency {
        return Err(UseGiftCardError::OtherCurrency { balance, open });
    }
    Ok(Usable {
        id: card.id,
        ending: card.ending,
        balance,
    })
}

/// Takes an amount from a card that is locked: as much as is open and there is on it, unless less is wanted.
pub(crate) async fn take(
    conn: &mut PgConnection,
    cx: &Cx,
    card: &Usable,
    wanted: Option<Money>,
    open: Money,
) -> Result<Money, UseGiftCardError> {
    let most = Money::new(card.balance.amount.min(open.amount), open.currency);
    let amount = wanted.unwrap_or(most);
    if amount.currency != most.currency || !(1..=most.amount).contains(&amount.amount) {
        return Err(UseGiftCardError::OutOfRange {
            given: amount,
            balance: card.balance,
            open,
        });
    }
    sql::take(conn, cx, card.id, amount.amount).await?;
    Ok(amount)
}

/// Puts amounts back on cards, by their ids. Blocked ones and those that are over get theirs, too: it is their holders' money.
pub(crate) async fn put_back(
    conn: &mut PgConnection,
    cx: &Cx,
    mut amounts: Vec<(GiftCardId, i64)>,
) -> sqlx::Result<()> {
    amounts.sort_unstable();
    for (id, amount) in amounts {
        sql::put_back(conn, cx, id, amount).await?;
    }
    Ok(())
}

/// Whether anybody may have a card that pays in a currency today.
pub(crate) async fn is_any_active(
    conn: &mut PgConnection,
    cx: &Cx,
    currency: Currency,
) -> Result<bool, StoreError> {
    let today = today(conn, cx).await?;
    Ok(sql::is_any_active(conn, currency, today).await?)
}

/// The day it is for the organization.
pub(super) async fn today(conn: &mut PgConnection, cx: &Cx) -> sqlx::Result<LocalDate> {
    let organization = organizations::current(conn).await?;
    Ok(model::today(cx, &organization.zone))
}

/// The card that is meant: by its id or its code.
pub(super) async fn resolve(
    conn: &mut PgConnection,
    reference: &Reference<GiftCardId>,
) -> Result<CardRow, FindGiftCardError> {
    match reference {
        Reference::Id(id) => sql::get(conn, *id).await?.ok_or(FindGiftCardError::Unknown),
        Reference::Name(code) => of_code(conn, code).await,
    }
}

async fn of_code(conn: &mut PgConnection, given: &str) -> Result<CardRow, FindGiftCardError> {
    let code = codes::parse(given, CODE_LENGTH).map_err(FindGiftCardError::Misread)?;
    let found = sql::of_hash(conn, model::hash(&code)).await?;
    found.ok_or(FindGiftCardError::Unknown)
}
