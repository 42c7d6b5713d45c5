//! Parameters as Stripe takes them: form-encoded, with brackets for what is inside of something.

use std::collections::BTreeMap;

use super::error::ApiError;

/// How deep and how many: more is no honest request.
const DEEPEST: usize = 6;
const MOST: usize = 1_000;

/// Parameters as a tree: `a[b][c]=1`, `a[0]=1`, `a[]=1`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Params {
    text: Option<String>,
    inside: BTreeMap<String, Params>,
}

impl Params {
    /// Reads a query or a form.
    pub(super) fn read(encoded: &[u8]) -> Result<Self, ApiError> {
        let mut root = Self::default();
        for (number, (name, value)) in form_urlencoded::parse(encoded).enumerate() {
            let path = path(&name).filter(|path| path.len() <= DEEPEST && number < MOST);
            let path = path.ok_or_else(|| {
                ApiError::invalid(
                    "parameter_invalid",
                    &name,
                    format!("Invalid parameter: {name}"),
                )
            })?;
            let mut at = &mut root;
            for part in path {
                let part = if part.is_empty() {
                    at.inside.len().to_string()
                } else {
                    part
                };
                at = at.inside.entry(part).or_default();
            }
            at.text = Some(value.into_owned());
        }
        Ok(root)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        self.inside.get(name)
    }

    /// The text of a parameter; what is empty counts as absent, as with Stripe.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?
            .text
            .as_deref()
            .filter(|text| !text.is_empty())
    }

    pub(super) fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.text(name).ok_or_else(|| ApiError::missing(name))
    }

    /// A whole number that is not negative.
    pub(super) fn number(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let number = |text: &str| {
            let number = text.parse().ok().filter(|number| *number >= 0);
            number.ok_or_else(|| {
                let message = format!("Invalid integer: {text}");
                ApiError::invalid("parameter_invalid_integer", name, message)
            })
        };
        self.text(name).map(number).transpose()
    }

    /// The members of a list, in the order of their numbers.
    pub(super) fn list(&self, name: &str) -> Vec<&Self> {
        let members = self.get(name).map(|list| &list.inside);
        let mut members: Vec<_> = members.into_iter().flatten().collect();
        members.sort_by_key(|(number, _)| number.parse::<usize>().unwrap_or(usize::MAX));
        members.into_iter().map(|(_, member)| member).collect()
    }

    pub(super) fn texts(&self, name: &str) -> Vec<&str> {
        let members = self.list(name).into_iter();
        members
            .filter_map(|member| member.text.as_deref())
            .collect()
    }

    /// Names and texts, as metadata are.
    pub(super) fn map(&self, name: &str) -> BTreeMap<String, String> {
        let inside = self.get(name).map(|map| &map.inside);
        let texts = inside.into_iter().flatten();
        texts
            .filter_map(|(name, value)| Some((name.clone(), value.text.clone()?)))
            .collect()
    }

    /// Refuses what the interface does not have, as Stripe does.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), ApiError> {
        let stranger = self
            .inside
            .keys()
            .find(|name| !known.contains(&name.as_str()));
        stranger.map_or(Ok(()), |name| {
            let message = format!("Received unknown parameter: {name}");
            Err(ApiError::invalid("parameter_unknown", name, message))
        })
    }
}

/// The parts of `a[b][]`; `None` if the brackets do not fit.
fn path(name: &str) -> Option<Vec<String>> {
    let (first, mut rest) = name.split_at(name.find('[').unwrap_or(name.len()));
    let mut parts = vec![first.to_owned()];
    while !rest.is_empty() {
        let (part, behind) = rest.strip_prefix('[')?.split_once(']')?;
        parts.push(part.to_owned());
        rest = behind;
    }
    (!first.is_empty()).then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Params {
        Params::read(text.as_bytes()).unwrap()
    }

    #[test]
    fn reads_nested_brackets() {
        let params = read(
            "line_items[1][quantity]=3&line_items[0][price_data][currency]=eur&metadata[a%20b]=c&mode=&expand[]=x&expand[]=y",
        );
        let items = params.list("line_items");
        assert_eq!(items[1].number("quantity"), Ok(Some(3)));
        assert_eq!(
            items[0].get("price_data").unwrap().text("currency"),
            Some("eur")
        );
        assert_eq!(params.map("metadata")["a b"], "c");
        assert_eq!(params.texts("expand"), ["x", "y"]);
        assert_eq!(params.text("mode"), None);
        assert!(params.required("mode").is_err());
        let many: Vec<String> = (0..11).map(|i| format!("a[{i}]={i}")).collect();
        assert_eq!(read(&many.join("&")).texts("a")[10], "10");
    }

    #[test]
    fn refuses_what_stripe_refuses() {
        for bad in [
            "a[=1",
            "a]b[=1",
            "[a]=1",
            "a[b]c=1",
            "a[b][c][d][e][f][g]=1",
        ] {
            assert!(Params::read(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(read("amount=-1").number("amount").is_err());
        assert!(read("amount=1.5").number("amount").is_err());
        assert!(read("amount=1&x=2").only(&["amount"]).is_err());
    }
}
