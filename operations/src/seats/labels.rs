//! Labels of rows and seats in words: `A-F`, `1-20`, `1-19/2`, `1-10 | 11-20`.

use super::{errors::PlanError, plan::MOST_SEATS};

/// The longest label.
const LONGEST: usize = 8;

fn label(text: &str) -> Result<String, PlanError> {
    let is_label = !text.is_empty()
        && text.len() <= LONGEST
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_label {
        return Ok(text.to_owned());
    }
    Err(PlanError::NotALabel(text.to_owned()))
}

/// The rows of `A-F`, `1-9` or `A, C`.
pub(super) fn rows(text: &str) -> Result<Vec<String>, PlanError> {
    let mut rows = Vec::new();
    for item in text.split(',').map(str::trim) {
        let Some((from, to)) = item.split_once('-') else {
            rows.push(label(item)?);
            continue;
        };
        match (from.trim().as_bytes(), to.trim().as_bytes()) {
            ([from], [to]) if from.is_ascii_alphabetic() && to.is_ascii_alphabetic() => {
                if from >= to || from.is_ascii_uppercase() != to.is_ascii_uppercase() {
                    return Err(PlanError::BadRange(item.to_owned()));
                }
                rows.extend((*from..=*to).map(|letter| char::from(letter).to_string()));
            }
            _ => rows.extend(numbers(item)?),
        }
    }
    Ok(rows)
}

/// The seats of `1-10 | 11-20`, each with its position; an aisle takes one.
pub(super) fn seats(text: &str) -> Result<Vec<(String, i32)>, PlanError> {
    let mut seats = Vec::new();
    let mut position = 0;
    for block in text.split('|') {
        for item in block.split(',').map(str::trim) {
            let labels = if item.contains('-') {
                numbers(item)?
            } else {
                vec![label(item)?]
            };
            for label in labels {
                position += 1;
                seats.push((label, position));
            }
        }
        position += 1;
    }
    Ok(seats)
}

/// The numbers of `1-20` or `1-19/2`.
fn numbers(item: &str) -> Result<Vec<String>, PlanError> {
    let bad = || PlanError::BadRange(item.to_owned());
    let (range, step) = match item.split_once('/') {
        Some((range, step)) => (range, step.trim().parse().map_err(|_| bad())?),
        None => (item, 1),
    };
    let (from, to) = range.split_once('-').ok_or_else(bad)?;
    let number = |text: &str| text.trim().parse::<u32>().map_err(|_| bad());
    let (from, to): (u32, u32) = (number(from)?, number(to)?);
    if from >= to || step == 0 {
        return Err(bad());
    }
    let count = usize::try_from((to - from) / step).unwrap_or(usize::MAX);
    if count >= MOST_SEATS {
        return Err(PlanError::TooManySeats);
    }
    let numbers = (from..=to).step_by(usize::try_from(step).unwrap_or(1));
    Ok(numbers.map(|number| number.to_string()).collect())
}

/// `1-10 | 11-20`: the seats of a row with its aisles.
pub(super) fn with_aisles(seats: &[(&str, i32)]) -> String {
    let blocks = seats.chunk_by(|a, b| a.1 + 1 == b.1);
    let block = |block: &[(&str, i32)]| {
        let labels: Vec<&str> = block.iter().map(|(label, _)| *label).collect();
        joined(&labels)
    };
    blocks.map(block).collect::<Vec<_>>().join(" | ")
}

/// `1-4, 7, 9A`: labels in their order.
pub(super) fn joined(labels: &[&str]) -> String {
    let mut words = Vec::new();
    let mut rest = labels;
    while let [first, ..] = rest {
        let (count, step) = run(rest);
        words.push(match (count, step) {
            (1, _) => (*first).to_owned(),
            (_, 1) => format!("{first}-{}", rest[count - 1]),
            (_, step) => format!("{first}-{}/{step}", rest[count - 1]),
        });
        rest = &rest[count..];
    }
    words.join(", ")
}

/// How many labels at the beginning are numbers that rise by the same step of one or two.
fn run(labels: &[&str]) -> (usize, u32) {
    // "01" would be read as "1".
    let number = |label: &&str| {
        label
            .parse::<u32>()
            .ok()
            .filter(|n| n.to_string() == **label)
    };
    for (step, fewest) in [(1, 2), (2, 3)] {
        let follows = |pair: &[&str]| match (number(&pair[0]), number(&pair[1])) {
            (Some(a), Some(b)) => a.checked_add(step) == Some(b),
            _ => false,
        };
        let count = 1 + labels.windows(2).take_while(|pair| follows(pair)).count();
        if count >= fewest {
            return (count, step);
        }
    }
    (1, 1)
}

/// `A-F, H`: the names of rows that are alike.
pub(super) fn row_names(labels: &[&str]) -> String {
    let letter = |label: &&str| match label.as_bytes() {
        [letter] if letter.is_ascii_alphabetic() => Some(*letter),
        _ => None,
    };
    let follows =
        |a: &&str, b: &&str| matches!((letter(a), letter(b)), (Some(a), Some(b)) if a + 1 == b);
    let mut words = Vec::new();
    let mut numbers: Vec<&str> = Vec::new();
    for group in labels.chunk_by(|a, b| follows(a, b)) {
        match group {
            [only] if letter(only).is_none() => numbers.push(only),
            _ => {
                words.extend((!numbers.is_empty()).then(|| joined(&numbers)));
                numbers.clear();
                words.push(match group {
                    [only] => (*only).to_owned(),
                    [first, .., last] => format!("{first}-{last}"),
                    [] => String::new(),
                });
            }
        }
    }
    words.extend((!numbers.is_empty()).then(|| joined(&numbers)));
    words.join(", ")
}

/// A seat or several in words: section, row and seats of `Stalls A 12` or `Stalls A 12-15, 17`.
pub(super) fn split(text: &str) -> Option<(String, String, Vec<String>)> {
    let text = text.trim();
    // What comes after the row may have spaces of its own behind commas.
    let text = text.replace(", ", ",");
    let (rest, seats_text) = text.rsplit_once(char::is_whitespace)?;
    let (section, row) = rest.trim().rsplit_once(char::is_whitespace)?;
    let labels = seats(seats_text).ok()?.into_iter().map(|(label, _)| label);
    Some((section.trim().to_owned(), row.to_owned(), labels.collect()))
}
