//! How many there are: a ticket type's own limit and those it shares with others, as the organizer wants them.

use std::collections::HashSet;

use domain::{CapacityPoolId, Name, fault::Candidate};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::WriteTx;

use super::{errors::SaveTicketTypeError, model::Offer, save_ticket_type::SaveTicketType};
use crate::inventory::{self, NewPool, Pool, PoolResized, Sharer};

/// A limit that a ticket type shares with others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct PoolRequest {
    /// Its name.
    pub name: Name,
    /// Its places; required when it is new.
    #[schemars(range(min = 1))]
    pub capacity: Option<i32>,
}

/// Which limit of its own is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Own {
    /// Nothing was said.
    Keep,
    /// So many.
    Limited(i32),
    /// None.
    Unlimited,
}

/// Which limits are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Limits {
    own: Own,
    /// All that it shares.
    shared: Option<Vec<PoolRequest>>,
}

impl Limits {
    /// What a command says about the limits.
    pub(super) fn of(command: &SaveTicketType) -> Result<Self, SaveTicketTypeError> {
        let pools = command.pools.as_deref().unwrap_or_default();
        let given = [
            ("quantity", command.quantity),
            ("min_per_order", command.min_per_order),
            ("max_per_order", command.max_per_order),
        ];
        let given = given
            .into_iter()
            .chain(pools.iter().map(|pool| ("pools[].capacity", pool.capacity)));
        for (field, given) in given {
            if let Some(given) = given.filter(|given| *given < 1) {
                return Err(SaveTicketTypeError::NotPositive { field, given });
            }
        }
        let mut names = HashSet::new();
        for pool in pools {
            if !names.insert(pool.name.as_str().to_lowercase()) {
                return Err(SaveTicketTypeError::PoolTwice(pool.name.clone()));
            }
        }
        if command.unlimited {
            if command.quantity.is_some() || !pools.is_empty() {
                return Err(SaveTicketTypeError::QuantityAmbiguous);
            }
            return Ok(Self {
                own: Own::Unlimited,
                shared: Some(Vec::new()),
            });
        }
        Ok(Self {
            own: command.quantity.map_or(Own::Keep, Own::Limited),
            shared: command.pools.clone(),
        })
    }

    /// Whether nothing was said.
    pub(super) fn are_kept(&self) -> bool {
        self.own == Own::Keep && self.shared.as_ref().is_none_or(Vec::is_empty)
    }

    /// Gives a ticket type, whose event is locked, the limits that are wanted: makes and resizes its own pool and
    /// those it shares. `before` is what it was, if it is not new. Once it is written, [`settle`] lets it draw on them.
    pub(super) async fn place(
        self,
        tx: &mut WriteTx<'_>,
        offer: &mut Offer,
        before: Option<&Offer>,
    ) -> Result<(), SaveTicketTypeError> {
        let cx = tx.cx();
        let loses_last = self.own == Own::Keep
            && offer.capacity.is_none()
            && (self.shared.as_ref())
                .is_some_and(|wanted| wanted.is_empty() && !offer.shared.is_empty());
        if loses_last {
            return Err(SaveTicketTypeError::QuantityMissing(offer.name.clone()));
        }
        let capacity = match self.own {
            Own::Keep => offer.capacity,
            Own::Limited(capacity) => Some(capacity),
            Own::Unlimited => None,
        };
        match before {
            None => {
                offer.capacity = capacity;
                let pool = NewPool {
                    id: offer.pool_id,
                    event_id: offer.event_id,
                    name: None,
                    capacity: offer.capacity,
                };
                inventory::insert(tx.conn(), cx, &pool).await?;
            }
            Some(before) => {
                let resized = resize(tx, offer, &before.own(), capacity, "quantity").await?;
                offer.capacity = resized.capacity;
            }
        }
        let Some(wanted) = self.shared else {
            return Ok(());
        };
        let known = inventory::shared(tx.conn(), offer.event_id).await?;
        offer.shared = Vec::new();
        for request in wanted {
            let same = |pool: &&Pool| {
                let known = pool
                    .name
                    .as_ref()
                    .map(|known| known.as_str().to_lowercase());
                known == Some(request.name.as_str().to_lowercase())
            };
            let pool = match (known.iter().find(same), request.capacity) {
                (Some(pool), None) => pool.clone(),
                (Some(pool), capacity) => {
                    resize(tx, offer, pool, capacity, "pools[].capacity").await?
                }
                (None, Some(capacity)) => add(tx, offer, request.name, capacity).await?,
                (None, None) => {
                    return Err(SaveTicketTypeError::PoolNotFound(
                        request.name,
                        candidates(&known),
                    ));
                }
            };
            offer.shared.push(pool);
        }
        Ok(())
    }
}

/// A ticket type's limits in words, with their capacities: for the audit trail.
pub(super) fn in_words(offer: &Offer) -> String {
    let own = offer.capacity.map(|own| format!("{own} of them"));
    let shared = offer.shared.iter().map(|pool| match pool.capacity {
        Some(capacity) => format!("from the pool {:?} of {capacity}", pool.label()),
        None => format!("from the unlimited pool {:?}", pool.label()),
    });
    let limits: Vec<String> = own.into_iter().chain(shared).collect();
    if limits.is_empty() {
        "unlimited".to_owned()
    } else {
        limits.join(", ")
    }
}

/// Which pools a ticket type shares, in words.
pub(super) fn shared_in_words(offer: &Offer) -> Option<String> {
    let names: Vec<&str> = offer.shared.iter().map(Pool::label).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// Lets a ticket type that was written draw on the pools it shares now, and no longer on those it shared before.
/// What was taken of it counts there from now on.
pub(super) async fn settle(
    tx: &mut WriteTx<'_>,
    before: Option<&Offer>,
    after: &Offer,
) -> Result<(), SaveTicketTypeError> {
    let sharer = Sharer {
        event_id: after.event_id,
        ticket_type_id: after.id,
        held: after.held_count,
        sold: after.sold_count,
    };
    let cx = tx.cx();
    let before = before
        .map(|before| before.shared.as_slice())
        .unwrap_or_default();
    let is_in = |pools: &[Pool], id: CapacityPoolId| pools.iter().any(|pool| pool.id == id);
    for pool in after.shared.iter().filter(|pool| !is_in(before, pool.id)) {
        let joined = inventory::join(tx.conn(), cx, &sharer, pool.id).await?;
        joined.map_err(|shortage| SaveTicketTypeError::PoolFull {
            pool: pool.label().to_owned(),
            taken: sharer.held.saturating_add(sharer.sold),
            left: shortage.left,
        })?;
    }
    for pool in before.iter().filter(|pool| !is_in(&after.shared, pool.id)) {
        inventory::leave(tx.conn(), &sharer, pool.id).await?;
    }
    Ok(())
}

async fn add(
    tx: &mut WriteTx<'_>,
    offer: &Offer,
    name: Name,
    capacity: i32,
) -> Result<Pool, SaveTicketTypeError> {
    let cx = tx.cx();
    let pool = NewPool {
        id: cx.new_id::<CapacityPoolId>(),
        event_id: offer.event_id,
        name: Some(&name),
        capacity: Some(capacity),
    };
    inventory::insert(tx.conn(), cx, &pool).await?;
    Ok(Pool {
        id: pool.id,
        capacity: Some(capacity),
        name: Some(name),
        held_count: 0,
        sold_count: 0,
        blocked_count: 0,
        is_stopped: false,
    })
}

/// The pool with another capacity.
async fn resize(
    tx: &mut WriteTx<'_>,
    offer: &Offer,
    pool: &Pool,
    capacity: Option<i32>,
    field: &'static str,
) -> Result<Pool, SaveTicketTypeError> {
    let resized = Pool {
        capacity,
        ..pool.clone()
    };
    if pool.capacity == capacity {
        return Ok(resized);
    }
    if !inventory::resize(tx.conn(), pool.id, capacity).await? {
        return Err(SaveTicketTypeError::BelowTaken {
            field,
            capacity: capacity.unwrap_or_default(),
            sold: pool.sold_count,
            held: pool.held_count,
        });
    }
    let name = pool.name.as_ref().unwrap_or(&offer.name);
    tx.also(&PoolResized {
        pool_id: pool.id,
        event_id: offer.event_id,
        name: name.to_string(),
        before: pool.capacity,
        after: capacity,
    });
    Ok(resized)
}

fn candidates(pools: &[Pool]) -> Vec<Candidate> {
    let named = pools.iter().map(|pool| Candidate {
        id: pool.id.to_string(),
        name: pool.label().to_owned(),
    });
    named.collect()
}
