//! The demonstration's venues, events and ticket types.

use anyhow::{Context as _, Result};
use domain::{Cx, EventId, Money, Patch, TicketTypeId, Timestamp};
use operations::{
    App, events::CreateEvent, lifecycle::PublishEvent, ticket_types::SaveTicketType,
    venues::SaveVenue,
};

use super::at;

/// An event on sale, and how its story goes.
pub(super) struct Show {
    pub(super) event_id: EventId,
    pub(super) starts_at: Timestamp,
    /// When sales opened.
    pub(super) opened_at: Timestamp,
    /// Orders it gets by the time it starts.
    pub(super) demand: u32,
    /// Its ticket types, with how often each is chosen.
    pub(super) types: Vec<(TicketTypeId, f64)>,
    pub(super) seed: u64,
}

struct Plan {
    title: &'static str,
    venue: &'static str,
    /// Days from now; negative for events that are over.
    day: i64,
    time: &'static str,
    /// Days on sale.
    on_sale: i64,
    demand: u32,
    summary: &'static str,
    /// Name, price in minor units, quantity, share.
    types: &'static [(&'static str, i64, i32, f64)],
}

const VENUES: &[(&str, &str, &str, &str, &str, i32)] = &[
    (
        "Harbour Hall",
        "Am Sandtorkai 12",
        "Hamburg",
        "DE",
        "Europe/Berlin",
        1400,
    ),
    (
        "Lindenhof",
        "Lindenstraße 4",
        "Leipzig",
        "DE",
        "Europe/Berlin",
        700,
    ),
    (
        "Brooklyn Loft",
        "58 Water Street",
        "New York",
        "US",
        "America/New_York",
        900,
    ),
];

const PLANS: &[Plan] = &[
    Plan {
        title: "Winter Lights Opening",
        venue: "Harbour Hall",
        day: -190,
        time: "19:30",
        on_sale: 75,
        demand: 620,
        summary: "Four choirs, one hall, no microphones.",
        types: &[
            ("Standard", 2_800, 1_000, 0.7),
            ("Student", 1_400, 200, 0.2),
            ("Front rows", 4_900, 120, 0.1),
        ],
    },
    Plan {
        title: "Makers' Market",
        venue: "Lindenhof",
        day: -96,
        time: "10:00",
        on_sale: 50,
        demand: 380,
        summary: "Ninety stalls, workshops for children, coffee all day.",
        types: &[
            ("Day ticket", 900, 600, 0.85),
            ("Workshop pass", 3_500, 80, 0.15),
        ],
    },
    Plan {
        title: "Jazz on the Roof",
        venue: "Brooklyn Loft",
        day: -30,
        time: "20:00",
        on_sale: 60,
        demand: 420,
        summary: "Two sets under the sky, or inside if it rains.",
        types: &[
            ("General admission", 4_500, 750, 0.8),
            ("Table for two, per seat", 8_000, 100, 0.2),
        ],
    },
    Plan {
        title: "Night of Short Films",
        venue: "Lindenhof",
        day: 9,
        time: "20:15",
        on_sale: 55,
        demand: 420,
        summary: "Eleven films, three of them first shown here.",
        types: &[("Regular", 1_600, 480, 0.75), ("Reduced", 1_000, 160, 0.25)],
    },
    Plan {
        title: "Advent Concert",
        venue: "Harbour Hall",
        day: 27,
        time: "17:00",
        on_sale: 90,
        demand: 760,
        summary: "Bach, Arvo Pärt and something to sing along.",
        types: &[
            ("Standard", 3_200, 1_000, 0.65),
            ("Student", 1_600, 250, 0.2),
            ("Front rows", 5_600, 140, 0.15),
        ],
    },
    Plan {
        title: "Loft Comedy Night",
        venue: "Brooklyn Loft",
        day: 44,
        time: "21:00",
        on_sale: 70,
        demand: 640,
        summary: "Five comedians, one of them famous by spring.",
        types: &[("General admission", 3_000, 800, 1.0)],
    },
    Plan {
        title: "Founders' Breakfast",
        venue: "Lindenhof",
        day: 76,
        time: "08:30",
        on_sale: 120,
        demand: 260,
        summary: "Short talks, long tables.",
        types: &[
            ("Early bird", 1_900, 120, 0.4),
            ("Regular", 2_900, 300, 0.6),
        ],
    },
    Plan {
        title: "Harbour Summer Festival",
        venue: "Harbour Hall",
        day: 162,
        time: "15:00",
        on_sale: 190,
        demand: 900,
        summary: "A day and a night at the water.",
        types: &[("Day", 5_900, 900, 0.6), ("Day and night", 8_900, 400, 0.4)],
    },
];

/// Makes venues, events and ticket types, each at the time at which it would have been made.
pub(super) async fn create(app: &App, owner: &Cx, now: Timestamp) -> Result<Vec<Show>> {
    let first = at(owner, now.plus_seconds(-300 * DAY));
    for (name, address, city, country, zone, capacity) in VENUES {
        let text = |text: &str| Patch::Set(text.parse().expect("a short text"));
        let venue = SaveVenue {
            name: Some(name.parse().expect("a short name")),
            address: text(address),
            city: text(city),
            country: text(country),
            zone: Some(zone.parse().expect("a zone")),
            capacity: Patch::Set(*capacity),
            ..SaveVenue::default()
        };
        app.run(&first, venue).await?;
    }
    let mut shows = Vec::new();
    for (seed, plan) in (1..).zip(PLANS) {
        shows.push(
            stage(app, owner, now, plan, seed)
                .await
                .with_context(|| format!("{:?}", plan.title))?,
        );
    }
    Ok(shows)
}

const DAY: i64 = 24 * 3600;

async fn stage(app: &App, owner: &Cx, now: Timestamp, plan: &Plan, seed: u64) -> Result<Show> {
    let us = plan.venue == "Brooklyn Loft";
    let zone = if us {
        "America/New_York"
    } else {
        "Europe/Berlin"
    }
    .parse()
    .expect("a zone");
    let day = now.plus_seconds(plan.day * DAY).in_zone(&zone).to_string();
    let date = day.split('T').next().unwrap_or_default();
    let create = CreateEvent {
        title: plan.title.parse()?,
        starts: format!("{date}T{}", plan.time).parse()?,
        ends: None,
        zone: None,
        fold: None,
        venue: Some(plan.venue.parse()?),
        online_url: None,
        format: None,
        summary: Some(plan.summary.parse()?),
        description: Some(
            format!(
                "## About\n\n{}\n\nDoors open an hour before the start.",
                plan.summary
            )
            .parse()?,
        ),
        currency: Some(if us { "USD" } else { "EUR" }.parse()?),
        slug: None,
    };
    let opened_at = now
        .plus_seconds((plan.day - plan.on_sale) * DAY)
        .min(now.plus_seconds(-DAY));
    let cx = at(owner, opened_at.plus_seconds(-2 * DAY));
    let event = app.run(&cx, create).await?.event;
    let mut types = Vec::new();
    for (name, price, quantity, share) in plan.types {
        let save = SaveTicketType {
            name: Some(name.parse()?),
            price: Some(Money::new(*price, event.currency)),
            quantity: Some(*quantity),
            ..SaveTicketType::of(event.id.into())
        };
        types.push((app.run(&cx, save).await?.ticket_type.id, *share));
    }
    app.run(
        &at(owner, opened_at),
        PublishEvent {
            event: event.id.into(),
        },
    )
    .await?;
    let starts_at = event.starts_at;
    Ok(Show {
        event_id: event.id,
        starts_at,
        opened_at,
        demand: plan.demand,
        types,
        seed,
    })
}
