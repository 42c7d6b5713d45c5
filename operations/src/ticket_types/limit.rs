//! How many there are: the pool that a ticket type sells from, as the organizer wants it.

use domain::{CapacityPoolId, Name, fault::Candidate};
use store::WriteTx;

use super::{errors::SaveTicketTypeError, model::Offer, save_ticket_type::SaveTicketType, sql};
use crate::inventory::{self, NewPool, Pool, PoolResized};

/// Which limit is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Limit {
    /// Nothing was said.
    Keep,
    /// One of its own; none means unlimited.
    Own(Option<i32>),
    /// One that other ticket types share; with its capacity, if that was given.
    Shared(Name, Option<i32>),
}

impl Limit {
    /// What a command says about the limit.
    pub(super) fn of(command: &SaveTicketType) -> Result<Self, SaveTicketTypeError> {
        let numbers = [
            ("quantity", command.quantity),
            ("pool_capacity", command.pool_capacity),
            ("min_per_order", command.min_per_order),
            ("max_per_order", command.max_per_order),
        ];
        for (field, given) in numbers {
            if let Some(given) = given.filter(|given| *given < 1) {
                return Err(SaveTicketTypeError::NotPositive { field, given });
            }
        }
        let (pool, capacity) = (command.pool.clone(), command.pool_capacity);
        match (command.quantity, pool, capacity, command.unlimited) {
            (None, None, None, false) => Ok(Self::Keep),
            (Some(quantity), None, None, false) => Ok(Self::Own(Some(quantity))),
            (None, None, None, true) => Ok(Self::Own(None)),
            (None, Some(pool), capacity, false) => Ok(Self::Shared(pool, capacity)),
            _ => Err(SaveTicketTypeError::QuantityAmbiguous),
        }
    }
}

/// A ticket type's limit in words, with its capacity: for the audit trail.
pub(super) fn in_words(offer: &Offer) -> String {
    match (&offer.pool_name, offer.capacity) {
        (Some(pool), Some(capacity)) => format!("from the pool {:?} of {capacity}", pool.as_str()),
        (Some(pool), None) => format!("from the unlimited pool {:?}", pool.as_str()),
        (None, Some(capacity)) => format!("{capacity} of them"),
        (None, None) => "unlimited".to_owned(),
    }
}

/// Gives a ticket type, whose event is locked, the limit that is wanted: resizes its pool, makes a new one, or
/// puts it into a shared one. `before` is what it was, if it is not new.
pub(super) async fn place(
    tx: &mut WriteTx<'_>,
    offer: &mut Offer,
    before: Option<&Offer>,
    wanted: Limit,
) -> Result<(), SaveTicketTypeError> {
    match wanted {
        Limit::Keep => Ok(()),
        Limit::Own(capacity) => match before {
            Some(before) if before.pool_name.is_none() => {
                resize(tx, offer, &before.pool(), capacity, "quantity").await
            }
            _ => {
                may_leave(tx, before).await?;
                add(tx, offer, None, capacity).await
            }
        },
        Limit::Shared(name, capacity) => {
            let pools = inventory::shared(tx.conn(), offer.event_id).await?;
            let same = |pool: &&Pool| {
                let known = pool
                    .name
                    .as_ref()
                    .map(|known| known.as_str().to_lowercase());
                known == Some(name.as_str().to_lowercase())
            };
            match (pools.iter().find(same), capacity) {
                (Some(pool), capacity) => {
                    if before.is_none_or(|before| before.pool_id != pool.id) {
                        may_leave(tx, before).await?;
                        offer.pool_id = pool.id;
                        offer.pool_name.clone_from(&pool.name);
                        offer.capacity = pool.capacity;
                    }
                    let capacity = capacity.or(pool.capacity);
                    resize(tx, offer, pool, capacity, "pool_capacity").await
                }
                (None, Some(capacity)) => {
                    may_leave(tx, before).await?;
                    add(tx, offer, Some(name), Some(capacity)).await
                }
                (None, None) => Err(SaveTicketTypeError::PoolNotFound(name, candidates(&pools))),
            }
        }
    }
}

/// Removes the pool that a ticket type has left, if nothing refers to it.
pub(super) async fn left_behind(
    tx: &mut WriteTx<'_>,
    before: &Offer,
    after: &Offer,
) -> Result<(), SaveTicketTypeError> {
    if before.pool_id != after.pool_id {
        inventory::remove_unused(tx.conn(), before.pool_id).await?;
    }
    Ok(())
}

/// Refuses when something was sold or is held from the present limit: counters stay with their pool.
async fn may_leave(
    tx: &mut WriteTx<'_>,
    before: Option<&Offer>,
) -> Result<(), SaveTicketTypeError> {
    let Some(before) = before else { return Ok(()) };
    let taken = sql::taken(tx.conn(), before.event_id).await?;
    let taken = taken.get(&before.id).copied().unwrap_or_default();
    match taken.held.saturating_add(taken.sold) {
        0 => Ok(()),
        taken => Err(SaveTicketTypeError::PoolFixed {
            name: before.name.clone(),
            taken,
        }),
    }
}

async fn add(
    tx: &mut WriteTx<'_>,
    offer: &mut Offer,
    name: Option<Name>,
    capacity: Option<i32>,
) -> Result<(), SaveTicketTypeError> {
    let cx = tx.cx();
    let pool = NewPool {
        id: cx.new_id::<CapacityPoolId>(),
        event_id: offer.event_id,
        name: name.as_ref(),
        capacity,
    };
    inventory::insert(tx.conn(), cx, &pool).await?;
    offer.pool_id = pool.id;
    offer.capacity = capacity;
    offer.pool_name = name;
    Ok(())
}

async fn resize(
    tx: &mut WriteTx<'_>,
    offer: &mut Offer,
    pool: &Pool,
    capacity: Option<i32>,
    field: &'static str,
) -> Result<(), SaveTicketTypeError> {
    if pool.capacity == capacity {
        return Ok(());
    }
    if !inventory::resize(tx.conn(), pool.id, capacity).await? {
        return Err(SaveTicketTypeError::BelowTaken {
            field,
            capacity: capacity.unwrap_or_default(),
            sold: pool.sold_count,
            held: pool.held_count,
        });
    }
    offer.capacity = capacity;
    let name = pool.name.as_ref().unwrap_or(&offer.name);
    tx.also(&PoolResized {
        pool_id: pool.id,
        event_id: offer.event_id,
        name: name.to_string(),
        before: pool.capacity,
        after: capacity,
    });
    Ok(())
}

fn candidates(pools: &[Pool]) -> Vec<Candidate> {
    let named = pools.iter().filter_map(|pool| {
        Some(Candidate {
            id: pool.id.to_string(),
            name: pool.name.as_ref()?.to_string(),
        })
    });
    named.collect()
}
