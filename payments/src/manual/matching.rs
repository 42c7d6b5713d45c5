//! Which line of a bank statement pays which open order.
//!
//! Money is put to an order by itself only when nothing speaks for another: the order's number stands in the line letter
//! for letter, the amount is exactly what is owed, no second order comes near, and no second line pays the same order.
//! Everything else is shown to a person with the reasons.

use std::collections::HashMap;

use domain::{Money, OrderId};

use super::statement::StatementLine;

/// An order that waits for money.
#[derive(Clone, PartialEq, Eq)]
pub struct OpenOrder {
    /// The order.
    pub id: OrderId,
    /// What people know it by.
    pub number: String,
    /// What is still owed.
    pub owed: Money,
    /// Who bought.
    pub buyer_name: String,
}

// Names are personal data: a debug print ends up in logs.
impl std::fmt::Debug for OpenOrder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OpenOrder({})", self.id)
    }
}

/// What speaks for an order, or against it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reason {
    /// The number stands there as a word.
    Number,
    /// The number stands there, with spaces or hyphens inside, or grown together with its neighbours.
    ScatteredNumber,
    /// Something stands there that is the number but for one slip: a letter wrong, missing, too many, or two swapped.
    AlmostNumber,
    /// It is exactly what is owed.
    ExactAmount,
    /// It is less than what is owed.
    TooLittle(Money),
    /// It is more than what is owed.
    TooMuch(Money),
    /// Who paid is called like who bought, to this degree (up to 1).
    Name(f64),
}

/// An order that a line may pay.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The order.
    pub order_id: OrderId,
    /// How much speaks for it, from 0 to 1. For sorting and showing: what is accepted is decided by the reasons.
    pub score: f64,
    /// What speaks for it, and against.
    pub reasons: Vec<Reason>,
}

impl Candidate {
    fn has(&self, reason: Reason) -> bool {
        self.reasons.contains(&reason)
    }

    fn names_the_order(&self) -> bool {
        let named = [
            Reason::Number,
            Reason::ScatteredNumber,
            Reason::AlmostNumber,
        ];
        named.iter().any(|reason| self.has(*reason))
    }

    fn is_certain(&self) -> bool {
        (self.has(Reason::Number) || self.has(Reason::ScatteredNumber))
            && self.has(Reason::ExactAmount)
    }
}

/// What is to be done with a line.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It pays this order, without doubt.
    Accepted(Candidate),
    /// It may pay one of these; a person decides. The likeliest first.
    Unclear(Vec<Candidate>),
    /// It pays nothing we know of, or is money that was sent.
    Nothing,
}

/// A line and what is to be done with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Match {
    /// The line's row in the file.
    pub row: usize,
    /// What is to be done.
    pub verdict: Verdict,
}

/// At most so many candidates are shown for a line.
const MOST_SHOWN: usize = 5;
/// A name less alike than this says nothing: two strangers' names reach a half.
const ALIKE: f64 = 0.75;

/// Says for every line what is to be done with it, one for each line, in their order.
pub fn match_statement(lines: &[StatementLine], orders: &[OpenOrder]) -> Vec<Match> {
    let wanted: Vec<Wanted> = orders.iter().map(Wanted::new).collect();
    let mut verdicts: Vec<Verdict> = lines.iter().map(|line| verdict(line, &wanted)).collect();
    // Two lines for one order: somebody paid twice, or one of them is meant for another.
    let mut payers: HashMap<OrderId, u32> = HashMap::new();
    for verdict in &verdicts {
        if let Verdict::Accepted(candidate) = verdict {
            *payers.entry(candidate.order_id).or_default() += 1;
        }
    }
    for verdict in &mut verdicts {
        if let Verdict::Accepted(candidate) = verdict
            && payers[&candidate.order_id] > 1
        {
            *verdict = Verdict::Unclear(vec![candidate.clone()]);
        }
    }
    let rows = lines.iter().map(|line| line.row);
    let matches = rows.zip(verdicts);
    matches
        .map(|(row, verdict)| Match { row, verdict })
        .collect()
}

/// An order, ready for being looked for in many lines.
struct Wanted<'a> {
    order: &'a OpenOrder,
    number: String,
    letters: Vec<char>,
    /// The number in three. One slip leaves one of them as it is, and most texts hold none of them.
    thirds: [String; 3],
    buyer: String,
}

impl<'a> Wanted<'a> {
    fn new(order: &'a OpenOrder) -> Self {
        let number = order.number.to_uppercase();
        let letters: Vec<char> = number.chars().collect();
        let cut = |third: usize| third * letters.len() / 3;
        let thirds = [0, 1, 2].map(|third| letters[cut(third)..cut(third + 1)].iter().collect());
        Self {
            order,
            thirds,
            buyer: sorted(&order.buyer_name),
            number,
            letters,
        }
    }
}

fn verdict(line: &StatementLine, wanted: &[Wanted]) -> Verdict {
    if line.amount.amount <= 0 {
        return Verdict::Nothing;
    }
    let text = Text::new(&line.purpose);
    let payer = sorted(&line.counterparty);
    let mut found: Vec<Candidate> = wanted
        .iter()
        .filter(|wanted| wanted.order.owed.currency == line.amount.currency)
        .filter_map(|wanted| candidate(line.amount, &text, &payer, wanted))
        .collect();
    // Ids break ties, so that the order in which orders are given changes nothing.
    found.sort_by(|a, b| {
        b.score
            .total_cmp(&a.score)
            .then(a.order_id.cmp(&b.order_id))
    });
    let Some(best) = found.first() else {
        return Verdict::Nothing;
    };
    let rivals = found.iter().skip(1).any(Candidate::names_the_order);
    if best.is_certain() && !rivals {
        return Verdict::Accepted(best.clone());
    }
    found.truncate(MOST_SHOWN);
    Verdict::Unclear(found)
}

/// What speaks for an order; nothing if neither its number nor the amount does: a name alone says too little.
fn candidate(paid: Money, text: &Text, payer: &str, wanted: &Wanted) -> Option<Candidate> {
    let owed = wanted.order.owed;
    let named = text.find(wanted);
    let gap = paid.amount - owed.amount;
    if named.is_none() && gap != 0 {
        return None;
    }
    let by = Money::new(gap.abs(), owed.currency);
    let amount = match gap {
        0 => Reason::ExactAmount,
        ..0 => Reason::TooLittle(by),
        _ => Reason::TooMuch(by),
    };
    let alike = likeness(payer, &wanted.buyer);
    let name = (alike >= ALIKE).then_some(Reason::Name(alike));
    let reasons: Vec<Reason> = named.into_iter().chain([amount]).chain(name).collect();
    Some(Candidate {
        order_id: wanted.order.id,
        score: reasons.iter().map(weight).sum(),
        reasons,
    })
}

fn weight(reason: &Reason) -> f64 {
    match reason {
        Reason::Number => 0.6,
        Reason::ScatteredNumber => 0.55,
        Reason::AlmostNumber => 0.4,
        Reason::ExactAmount => 0.25,
        Reason::TooLittle(_) | Reason::TooMuch(_) => 0.0,
        Reason::Name(alike) => 0.15 * alike,
    }
}

/// What somebody wrote as the purpose, ready for looking numbers up in.
struct Text {
    /// Its words: letters and digits, in capitals.
    words: Vec<String>,
    /// All of them in a row.
    joined: String,
    letters: Vec<char>,
}

impl Text {
    fn new(text: &str) -> Self {
        let upper = text.to_uppercase();
        let words = upper
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty());
        let words: Vec<String> = words.map(str::to_owned).collect();
        let joined = words.concat();
        let letters = joined.chars().collect();
        Self {
            words,
            joined,
            letters,
        }
    }

    /// How an order's number stands in it.
    fn find(&self, wanted: &Wanted) -> Option<Reason> {
        let (number, length) = (&wanted.number, wanted.letters.len());
        if !wanted
            .thirds
            .iter()
            .any(|third| self.joined.contains(third))
        {
            return None;
        }
        if self.words.contains(number) {
            return Some(Reason::Number);
        }
        // Anything shorter stands in every other text by chance.
        if length < 5 {
            return None;
        }
        if self.joined.contains(number) {
            return Some(Reason::ScatteredNumber);
        }
        let slip = (length - 1..=length + 1).any(|width| {
            let mut windows = self.letters.windows(width);
            windows.any(|window| is_one_slip(window, &wanted.letters))
        });
        slip.then_some(Reason::AlmostNumber)
    }
}

/// Whether two texts differ by one letter wrong, missing or too many, or by two neighbours swapped.
fn is_one_slip(one: &[char], other: &[char]) -> bool {
    let alike = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    let (one, other) = (&one[alike..], &other[alike..]);
    let tail = one.iter().rev().zip(other.iter().rev());
    let alike = tail.take_while(|(a, b)| a == b).count();
    match (&one[..one.len() - alike], &other[..other.len() - alike]) {
        ([_], [] | [_]) | ([], [_]) => true,
        ([a, b], [c, d]) => a == d && b == c,
        _ => false,
    }
}

/// How alike two names are, from 0 to 1, both with their parts sorted.
fn likeness(one: &str, other: &str) -> f64 {
    if one.is_empty() || other.is_empty() {
        return 0.0;
    }
    strsim::normalized_damerau_levenshtein(one, other)
}

/// A name for comparing: without titles, umlauts spelled out, its parts in order.
fn sorted(name: &str) -> String {
    let folded = name.to_lowercase();
    let folded = [("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("ß", "ss")]
        .iter()
        .fold(folded, |name, (from, to)| name.replace(from, to));
    let mut parts: Vec<&str> = folded
        .split(|c: char| !c.is_alphanumeric())
        .filter(|part| {
            !part.is_empty()
                && !matches!(*part, "herr" | "frau" | "dr" | "prof" | "mr" | "mrs" | "ms")
        })
        .collect();
    parts.sort_unstable();
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn order(id: u128, number: &str, owed: i64, buyer_name: &str) -> OpenOrder {
        OpenOrder {
            id: OrderId::from(Uuid::from_u128(id)),
            number: number.to_owned(),
            owed: Money::new(owed, "EUR".parse().unwrap()),
            buyer_name: buyer_name.to_owned(),
        }
    }

    fn line(row: usize, amount: i64, purpose: &str, counterparty: &str) -> StatementLine {
        StatementLine {
            row,
            date: None,
            amount: Money::new(amount, "EUR".parse().unwrap()),
            purpose: purpose.to_owned(),
            counterparty: counterparty.to_owned(),
        }
    }

    fn orders() -> Vec<OpenOrder> {
        vec![
            order(1, "K7M2XQP", 3_600, "Ada Lovelace"),
            order(2, "R4TZ9WB", 3_600, "Grace Hopper"),
            order(3, "H8NC5DJ", 1_250, "Jürgen Groß"),
        ]
    }

    fn one(amount: i64, purpose: &str, counterparty: &str) -> Verdict {
        let lines = [line(1, amount, purpose, counterparty)];
        match_statement(&lines, &orders()).remove(0).verdict
    }

    fn accepted(verdict: &Verdict) -> Option<OrderId> {
        match verdict {
            Verdict::Accepted(candidate) => Some(candidate.order_id),
            _ => None,
        }
    }

    fn first(verdict: &Verdict) -> &Candidate {
        match verdict {
            Verdict::Accepted(candidate) => candidate,
            Verdict::Unclear(candidates) => &candidates[0],
            Verdict::Nothing => panic!("nothing was found"),
        }
    }

    #[test]
    fn a_number_and_the_exact_amount_are_accepted() {
        for purpose in [
            "K7M2XQP",
            "k7m2xqp",
            "Karten K7M2XQP danke",
            "K7M-2XQP",
            "K7 M2 XQP",
            "K7M2\nXQP",
            "Bestellung:K7M2XQP/Konzert",
            "NrK7M2XQPvom4.2.",
        ] {
            let verdict = one(3_600, purpose, "somebody else");
            assert_eq!(accepted(&verdict), Some(orders()[0].id), "{purpose}");
        }
    }

    #[test]
    fn whatever_leaves_a_doubt_is_shown() {
        // A wrong amount, a slip, no number, two numbers.
        for (amount, purpose, payer, reason) in [
            (
                3_500,
                "K7M2XQP",
                "",
                Reason::TooLittle(Money::new(100, "EUR".parse().unwrap())),
            ),
            (
                3_700,
                "K7M2XQP",
                "",
                Reason::TooMuch(Money::new(100, "EUR".parse().unwrap())),
            ),
            (3_600, "K7N2XQP", "Ada Lovelace", Reason::AlmostNumber),
            (3_600, "K72MXQP", "Ada Lovelace", Reason::AlmostNumber),
            (3_600, "K7M2XP", "Ada Lovelace", Reason::AlmostNumber),
            (3_600, "K7M22XQP", "Ada Lovelace", Reason::AlmostNumber),
            (3_600, "tickets", "Lovelace, Ada", Reason::Name(1.0)),
            (3_600, "K7M2XQP and R4TZ9WB", "Ada Lovelace", Reason::Number),
        ] {
            let verdict = one(amount, purpose, payer);
            assert_eq!(accepted(&verdict), None, "{purpose}");
            let best = first(&verdict);
            assert_eq!(best.order_id, orders()[0].id, "{purpose}");
            assert!(best.has(reason), "{purpose}: {:?}", best.reasons);
        }
        assert!(first(&one(1_250, "", "Herr Gross Juergen")).has(Reason::Name(1.0)));
    }

    #[test]
    fn what_pays_nothing_is_left_alone() {
        assert_eq!(one(9_999, "rent", "Charles Babbage"), Verdict::Nothing);
        assert_eq!(one(-3_600, "K7M2XQP", "Ada Lovelace"), Verdict::Nothing);
        let mut dollars = line(1, 3_600, "K7M2XQP", "Ada Lovelace");
        dollars.amount = Money::new(3_600, "USD".parse().unwrap());
        let matched = match_statement(&[dollars], &orders());
        assert_eq!(matched[0].verdict, Verdict::Nothing);
    }

    #[test]
    fn paying_twice_is_shown_twice() {
        let lines = [
            line(4, 3_600, "K7M2XQP", "Ada"),
            line(9, 3_600, "K7M2XQP", "Ada"),
        ];
        let matched = match_statement(&lines, &orders());
        assert_eq!((matched[0].row, matched[1].row), (4, 9));
        for one in matched {
            assert!(matches!(one.verdict, Verdict::Unclear(_)), "{one:?}");
        }
    }

    #[test]
    fn a_slip_between_two_numbers_is_nobodys() {
        let near = [
            order(1, "K7M2XQP", 3_600, "Ada"),
            order(2, "K7M2XQR", 3_600, "Bob"),
        ];
        // Right for one, one slip off the other: too near to be sure.
        let matched = match_statement(&[line(1, 3_600, "K7M2XQP", "Ada")], &near);
        assert_eq!(accepted(&matched[0].verdict), None);
        assert_eq!(first(&matched[0].verdict).order_id, near[0].id);
    }

    /// Numbers for the tests, the same in every run (SplitMix64).
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self, sides: usize) -> usize {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            usize::try_from((z ^ (z >> 31)) % u64::try_from(sides).unwrap()).unwrap()
        }

        fn number(&mut self) -> String {
            let alphabet = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
            (0..7)
                .map(|_| char::from(alphabet[self.roll(32)]))
                .collect()
        }
    }

    #[test]
    fn knows_a_slip() {
        let slip = |one: &str, other: &str| {
            let letters = |text: &str| text.chars().collect::<Vec<_>>();
            is_one_slip(&letters(one), &letters(other))
        };
        for (one, other) in [
            ("ABC", "ABD"),
            ("ABC", "AB"),
            ("ABC", "ABCC"),
            ("ABC", "BAC"),
            ("AAB", "AB"),
        ] {
            assert!(slip(one, other) && slip(other, one), "{one} {other}");
        }
        for (one, other) in [
            ("ABC", "ABC"),
            ("ABC", "CBA"),
            ("ABCD", "BADC"),
            ("ABC", "A"),
            ("ABCD", "BCDA"),
        ] {
            assert!(!slip(one, other) && !slip(other, one), "{one} {other}");
        }
    }

    #[test]
    fn holds_for_thousands_of_statements() {
        let mut dice = Dice(42);
        for _ in 0..2_000 {
            let mut orders: Vec<OpenOrder> = (0..12)
                .map(|id| {
                    order(
                        id,
                        &dice.number(),
                        100 + 50 * i64::try_from(dice.roll(4)).unwrap(),
                        "Ada Lovelace",
                    )
                })
                .collect();
            let wanted = orders[dice.roll(12)].clone();
            let separator = ["", " ", "-", ". "][dice.roll(4)];
            let at = 1 + dice.roll(6);
            let mut written = format!(
                "{}{separator}{}",
                &wanted.number[..at],
                &wanted.number[at..]
            );
            if dice.roll(2) == 0 {
                written = written.to_lowercase();
            }
            let slipped = dice.roll(3) == 0;
            if slipped {
                written = written
                    .replacen(|c: char| c.is_alphanumeric(), "#", 1)
                    .replace('#', "I");
            }
            let gap = i64::try_from(dice.roll(3)).unwrap() * 50;
            let one = line(
                1,
                wanted.owed.amount + gap,
                &format!("tickets, {written} thanks"),
                "G. Hopper",
            );
            let verdict = match_statement(std::slice::from_ref(&one), &orders)
                .remove(0)
                .verdict;
            // Found whenever it is there but for a slip; accepted exactly when it is there with the amount.
            let found = match &verdict {
                Verdict::Accepted(candidate) => candidate.order_id == wanted.id,
                Verdict::Unclear(all) => {
                    all.iter().any(|candidate| candidate.order_id == wanted.id)
                }
                Verdict::Nothing => false,
            };
            assert!(found, "{written}: {verdict:?}");
            let sure = accepted(&verdict);
            assert_eq!(
                sure.is_some(),
                !slipped && gap == 0,
                "{written}: {verdict:?}"
            );
            assert!(sure.is_none_or(|id| id == wanted.id));
            let all = match &verdict {
                Verdict::Accepted(candidate) => vec![candidate.clone()],
                Verdict::Unclear(all) => all.clone(),
                Verdict::Nothing => Vec::new(),
            };
            assert!(
                all.iter()
                    .all(|candidate| (0.0..=1.0).contains(&candidate.score))
            );
            // The order in which orders are given changes nothing.
            orders.reverse();
            assert_eq!(match_statement(&[one], &orders)[0].verdict, verdict);
        }
    }

    #[test]
    fn noise_is_never_accepted() {
        let mut dice = Dice(7);
        let orders: Vec<OpenOrder> = (0..50)
            .map(|id| order(id, &dice.number(), 2_500, "Ada Lovelace"))
            .collect();
        for _ in 0..200 {
            let purpose = format!("{} {}", dice.number(), dice.number());
            let verdict = match_statement(&[line(1, 2_500, &purpose, "Ada Lovelace")], &orders)
                .remove(0)
                .verdict;
            assert_eq!(accepted(&verdict), None, "{purpose}");
        }
    }
}
