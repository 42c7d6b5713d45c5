//! What calls cost: a table as data, with the dates from which prices hold and bands by the prompt's length.

use serde::Deserialize;

use crate::{ChatRequest, ModelId, Usage};

/// A table of prices.
#[derive(Debug, Clone, Default)]
pub struct Prices {
    prices: Vec<Price>,
    unmetered: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Price {
    model: String,
    /// The first day, as `2026-10-07`.
    from: String,
    #[serde(default)]
    over_prompt_tokens: u64,
    input: u64,
    output: u64,
    cache_read: u64,
    cache_write_5m: u64,
    cache_write_1h: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(default)]
    price: Vec<Price>,
}

/// A table that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the prices cannot be read: {0}")]
pub struct PricesError(#[from] toml::de::Error);

/// How many characters a token has at least, in text that models read: a cautious guess for what is not counted yet.
const CHARACTERS: u64 = 3;

impl Prices {
    /// The table that comes with the program.
    pub fn builtin() -> Self {
        Self::default()
            .with(include_str!("../prices.toml"))
            .expect("a test reads it")
    }

    /// The same with more prices, in the form of `llm/prices.toml`. Of two for one model and day the later counts.
    pub fn with(mut self, table: &str) -> Result<Self, PricesError> {
        let table: Table = toml::from_str(table)?;
        self.prices.extend(table.price);
        Ok(self)
    }

    /// The same with a model that costs nothing, such as one of the organizer's own machine.
    #[must_use]
    pub fn with_unmetered(mut self, model: &ModelId) -> Self {
        self.unmetered.push(model.to_string());
        self
    }

    /// What a call cost, in millionths of a US dollar, rounded up; nothing when the price is not known.
    pub fn cost(&self, model: &ModelId, today: &str, usage: &Usage) -> Option<i64> {
        if self.unmetered.contains(&model.to_string()) {
            return Some(0);
        }
        let prompt = usage.input + usage.cache_read + usage.cache_write_5m + usage.cache_write_1h;
        let price = self.price(model, today, prompt)?;
        let parts = [
            (usage.input, price.input),
            (usage.output, price.output),
            (usage.cache_read, price.cache_read),
            (usage.cache_write_5m, price.cache_write_5m),
            (usage.cache_write_1h, price.cache_write_1h),
        ];
        let total: u128 = parts
            .iter()
            .map(|(tokens, price)| u128::from(*tokens) * u128::from(*price))
            .sum();
        i64::try_from(total.div_ceil(1_000_000)).ok()
    }

    /// The most a call may cost, before it is made: all of the prompt is written to the cache, all that may be is written.
    pub fn worst(&self, model: &ModelId, today: &str, request: &ChatRequest) -> Option<i64> {
        let characters = serde_json::to_string(request).map_or(0, |json| json.chars().count());
        let prompt = (characters as u64).div_ceil(CHARACTERS);
        let usage = Usage {
            output: u64::from(request.max_tokens),
            cache_write_5m: prompt,
            ..Usage::default()
        };
        self.cost(model, today, &usage)
    }

    fn price(&self, model: &ModelId, today: &str, prompt: u64) -> Option<&Price> {
        let name = model.to_string();
        let fits = |price: &&Price| {
            price.model == name
                && price.from.as_str() <= today
                && price.over_prompt_tokens <= prompt
        };
        let all = self.prices.iter().filter(fits);
        // Of equals the last counts: what the organizer adds stands behind what comes with the program.
        all.max_by_key(|price| (price.from.as_str(), price.over_prompt_tokens))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(name: &str) -> ModelId {
        name.parse().unwrap()
    }

    #[test]
    fn the_day_and_the_prompts_length_decide() {
        let prices = Prices::builtin();
        let sonnet = model("anthropic/claude-sonnet-5-5");
        let read = Usage {
            cache_read: 1_000_000,
            ..Usage::default()
        };
        assert_eq!(prices.cost(&sonnet, "2026-10-06", &read), Some(200_000));
        assert_eq!(prices.cost(&sonnet, "2026-10-07", &read), Some(100_000));
        assert_eq!(prices.cost(&sonnet, "2026-08-01", &read), None);
        let haiku = model("anthropic/claude-haiku-5-5");
        let call = |input| Usage {
            input,
            output: 1_000,
            ..Usage::default()
        };
        assert_eq!(
            prices.cost(&haiku, "2026-11-23", &call(99_999)),
            Some(10_500)
        );
        assert_eq!(
            prices.cost(&haiku, "2026-11-23", &call(100_000)),
            Some(52_500)
        );
    }

    #[test]
    fn a_price_of_ones_own_counts_and_an_unknown_one_is_unknown() {
        let own = "[[price]]\nmodel = 'x/y'\nfrom = '2026-01-01'\ninput = 1\noutput = 0\ncache_read = 0\ncache_write_5m = 0\ncache_write_1h = 0";
        let prices = Prices::builtin().with(own).unwrap();
        let one = Usage {
            input: 1,
            ..Usage::default()
        };
        assert_eq!(
            prices.cost(&model("x/y"), "2026-11-23", &one),
            Some(1),
            "rounded up"
        );
        assert_eq!(prices.cost(&model("x/z"), "2026-11-23", &one), None);
        let free = prices.with_unmetered(&model("local/smol"));
        assert_eq!(free.cost(&model("local/smol"), "2026-11-23", &one), Some(0));
        assert!(Prices::default().with("[[price]]\nmodel = 1").is_err());
    }

    #[test]
    fn the_worst_is_at_least_what_it_comes_to() {
        let request = ChatRequest {
            messages: vec![crate::Message::user("x".repeat(9_000))],
            max_tokens: 1_000,
            ..ChatRequest::default()
        };
        let prices = Prices::builtin();
        let sonnet = model("anthropic/claude-sonnet-5-5");
        let real = Usage {
            input: 2_250,
            output: 1_000,
            ..Usage::default()
        };
        let worst = prices.worst(&sonnet, "2026-11-23", &request).unwrap();
        assert!(worst >= prices.cost(&sonnet, "2026-11-23", &real).unwrap());
    }
}
