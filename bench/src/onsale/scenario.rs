//! What is for sale, and to whom: the scenarios, by the letters they have in the project's plan.

use serde_json::{Value, json};

/// A way to sell out, or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scenario {
    /// A: fewer places than buyers.
    SellsOut,
    /// B: as many places, in twenty ticket types with a limit each.
    Types,
    /// C: as many places, shared by three ticket types.
    Shared,
    /// E: places for all, but a promo code of which there are fewer uses than buyers, and without which it costs.
    LastUse,
    /// F: places for all.
    Unlimited,
    /// F without the coalescer: each in a transaction of its own.
    Alone,
    /// I: as A, while every place is in a cart whose time has just run out.
    Storm,
}

/// Places where there are fewer than buyers.
pub(crate) const PLACES: i64 = 1_000;
/// Uses of the promo code.
pub(crate) const USES: i64 = 500;
const TYPES: i64 = 20;

impl Scenario {
    pub(crate) const ALL: [Self; 7] = [
        Self::SellsOut,
        Self::Types,
        Self::Shared,
        Self::LastUse,
        Self::Unlimited,
        Self::Alone,
        Self::Storm,
    ];

    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::SellsOut => "**A**: sells out",
            Self::Types => "**B**: twenty types sell out",
            Self::Shared => "**C**: three types share what sells out",
            Self::LastUse => "**E**: the last uses of a promo code",
            Self::Unlimited => "**F**: places for all",
            Self::Alone => "F, each in a transaction of its own (before)",
            Self::Storm => "**I**: sells out of carts that ran out",
        }
    }

    /// How many orders there can be, if not one for each buyer.
    pub(crate) fn most(self) -> Option<i64> {
        match self {
            Self::SellsOut | Self::Types | Self::Shared | Self::Storm => Some(PLACES),
            Self::LastUse => Some(USES),
            Self::Unlimited | Self::Alone => None,
        }
    }

    /// How many may share a transaction.
    pub(crate) fn most_together(self) -> &'static str {
        match self {
            Self::Alone => "1",
            _ => "64",
        }
    }

    /// The operations that put it on sale, without the event.
    pub(crate) fn set_up(self) -> Vec<(&'static str, Value)> {
        let save = "save_ticket_type";
        let free = |name: &str| json!({"name": name, "price": {"amount": 0, "currency": "EUR"}});
        let with = |mut kind: Value, field: &str, value: Value| {
            kind[field] = value;
            (save, kind)
        };
        match self {
            Self::SellsOut | Self::Storm => vec![with(free("Regular"), "quantity", PLACES.into())],
            Self::Unlimited | Self::Alone => {
                vec![with(free("Regular"), "unlimited", true.into())]
            }
            Self::Types => {
                let each = PLACES / TYPES;
                let kind = |name: String| with(free(&name), "quantity", each.into());
                self.names().into_iter().map(kind).collect()
            }
            Self::Shared => {
                let kind = |name: String| {
                    let hall = json!([{"name": "Hall", "capacity": PLACES}]);
                    with(free(&name), "pools", hall)
                };
                self.names().into_iter().map(kind).collect()
            }
            Self::LastUse => {
                let mut dear = free("Regular");
                dear["price"]["amount"] = 2500.into();
                let code = json!({"code": "LAST", "percent_off": 100, "max_uses": USES});
                vec![
                    with(dear, "unlimited", true.into()),
                    ("save_promo_code", code),
                ]
            }
        }
    }

    /// What buyers put into their carts, one after the other.
    pub(crate) fn wanted(self) -> Vec<String> {
        let one = |name: String| {
            let mut wanted = json!({"items": [{"ticket_type": name, "quantity": 1}]});
            if self == Self::LastUse {
                wanted["promo_code"] = "LAST".into();
            }
            wanted.to_string()
        };
        self.names().into_iter().map(one).collect()
    }

    fn names(self) -> Vec<String> {
        let count = match self {
            Self::Types => TYPES,
            Self::Shared => 3,
            _ => return vec!["Regular".to_owned()],
        };
        (1..=count).map(|number| format!("Type {number}")).collect()
    }
}
