//! What the simulated Stripe tells of what happened, and when: webhooks are planned here and sent by `deliver`.

use std::time::Duration;

use domain::Timestamp;
use serde_json::Value;
use tokio::time::Instant;

use super::{
    shapes,
    state::{State, seconds},
};

/// Between two things told about one action.
const SPACING: Duration = Duration::from_millis(15);

/// Something that was told, or is to be.
#[derive(Debug, Clone)]
pub(super) struct Notice {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) created: i64,
    pub(super) body: Value,
    pub(super) delivered: bool,
}

/// A webhook that is due.
#[derive(Debug, Clone)]
pub(super) struct Delivery {
    pub(super) notice: usize,
    pub(super) due: Instant,
    pub(super) tries: u32,
}

/// What a request says about itself, for what is told of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked {
    pub(super) request_id: Option<String>,
    pub(super) key: Option<String>,
}

/// Things to tell: what happened, and to which object.
pub(super) type Told = Vec<(&'static str, Value)>;

impl State {
    /// Keeps what there is to tell, and plans its webhooks.
    pub(super) fn tell(&mut self, told: Told, asked: &Asked, now: Timestamp) {
        let webhooks = self.webhooks.clone();
        let is_told = webhooks.url.is_some() && !webhooks.lost;
        let start = Instant::now() + Duration::from_millis(webhooks.delay_ms);
        let count = u32::try_from(told.len()).unwrap_or(u32::MAX);
        for (place, (kind, object)) in (0..count).zip(told) {
            let id = self.new_id("evt_3", 23);
            self.notices.push(Notice {
                body: shapes::notice(&id, kind, seconds(now), &object, asked, is_told),
                id,
                kind: kind.to_owned(),
                created: seconds(now),
                delivered: false,
            });
            let place = if webhooks.reversed {
                count - 1 - place
            } else {
                place
            };
            for copy in 0..webhooks.copies {
                if is_told {
                    self.queue.push(Delivery {
                        notice: self.notices.len() - 1,
                        due: start + SPACING * (place + copy * count),
                        tries: 0,
                    });
                }
            }
        }
    }

    /// Takes out the first webhook that is due.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Delivery> {
        let places = self.queue.iter().enumerate();
        let due = places.filter(|(_, delivery)| delivery.due <= now);
        let (first, _) = due.min_by_key(|(_, delivery)| (delivery.due, delivery.notice))?;
        Some(self.queue.swap_remove(first))
    }

    /// When the next webhook is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.queue.iter().map(|delivery| delivery.due).min()
    }

    /// What came of a webhook: one that was not taken is tried again after a doubling pause, so many times.
    pub(super) fn settle(&mut self, mut delivery: Delivery, taken: bool) {
        if taken {
            let notice = &mut self.notices[delivery.notice];
            notice.delivered = true;
            notice.body["pending_webhooks"] = 0.into();
            return;
        }
        delivery.tries += 1;
        if delivery.tries < self.webhooks.tries {
            let pause = Duration::from_millis(self.webhooks.backoff_ms);
            delivery.due =
                Instant::now() + pause * 2_u32.saturating_pow(delivery.tries.min(16) - 1);
            self.queue.push(delivery);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::state::tests::{now, opened};

    #[test]
    fn webhooks_are_planned_backwards_and_twice_on_demand() {
        let mut state = State::new(now());
        state.webhooks.url = Some("http://127.0.0.1:1".to_owned());
        state.webhooks.reversed = true;
        state.webhooks.copies = 2;
        let id = opened(&mut state);
        state.pay(&id, now()).unwrap();
        let later = Instant::now() + Duration::from_mins(1);
        assert!(state.next_due() < Some(later));
        let due = std::iter::from_fn(|| state.take_due(later));
        let order: Vec<usize> = due.map(|delivery| delivery.notice).collect();
        assert_eq!(order, [3, 2, 1, 0, 3, 2, 1, 0]);
        assert_eq!(state.next_due(), None);
    }
}
