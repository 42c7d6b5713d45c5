//! A seat map in a few words: what a model can write in a chat, and what it reads again.

use std::collections::{HashMap, HashSet};

use domain::Name;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    errors::PlanError,
    labels,
    model::{SeatKind, SeatRow},
};

/// The most seats of a map.
pub(super) const MOST_SEATS: usize = 20_000;
/// The most sections of a map.
pub(super) const MOST_SECTIONS: usize = 200;

/// A part of the house, such as the stalls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct SectionPlan {
    /// What it is called.
    pub name: Name,
    /// Its rows, from the front to the back.
    pub rows: Vec<RowPlan>,
}

/// A row, or several that are alike.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct RowPlan {
    /// `A`, or several that are alike: `A-F`, `1-9`, `A,C`.
    pub row: String,
    /// Its seats from left to right: `1-20`; every other number: `1-19/2`; with an aisle: `1-10 | 11-20`.
    pub seats: String,
    /// Those for wheelchair users: `1,20`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accessible: Option<String>,
    /// Those for who comes with them, each beside one: `2,19`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub companion: Option<String>,
}

/// A seat to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Planned {
    pub(super) section: usize,
    pub(super) row: String,
    pub(super) row_position: i32,
    pub(super) label: String,
    pub(super) position: i32,
    pub(super) kind: SeatKind,
    /// Of a companion seat: which of all planned seats is its accessible neighbour.
    pub(super) companion_of: Option<usize>,
}

/// The seats of sections, in their order.
pub(super) fn seats(sections: &[SectionPlan]) -> Result<Vec<Planned>, PlanError> {
    if sections.is_empty() || sections.len() > MOST_SECTIONS {
        return Err(PlanError::SectionCount(sections.len()));
    }
    let mut names = HashSet::new();
    let mut planned = Vec::new();
    for (index, section) in sections.iter().enumerate() {
        if !names.insert(section.name.as_str().to_lowercase()) {
            return Err(PlanError::SectionTwice(section.name.to_string()));
        }
        if section.rows.is_empty() {
            return Err(PlanError::NoRows(section.name.to_string()));
        }
        let mut rows = HashSet::new();
        for plan in &section.rows {
            for row in labels::rows(&plan.row)? {
                if !rows.insert(row.to_lowercase()) {
                    return Err(PlanError::RowTwice {
                        section: section.name.to_string(),
                        row,
                    });
                }
                let position = i32::try_from(rows.len()).unwrap_or(i32::MAX);
                add_row(&mut planned, index, plan, &row, position)?;
            }
        }
    }
    Ok(planned)
}

fn add_row(
    planned: &mut Vec<Planned>,
    section: usize,
    plan: &RowPlan,
    row: &str,
    row_position: i32,
) -> Result<(), PlanError> {
    let first = planned.len();
    let mut by_label = HashMap::new();
    for (label, position) in labels::seats(&plan.seats)? {
        if planned.len() == MOST_SEATS {
            return Err(PlanError::TooManySeats);
        }
        let index = planned.len();
        if by_label.insert(label.to_lowercase(), index).is_some() {
            return Err(PlanError::SeatTwice {
                row: row.to_owned(),
                seat: label,
            });
        }
        planned.push(Planned {
            section,
            row: row.to_owned(),
            row_position,
            label,
            position,
            kind: SeatKind::Standard,
            companion_of: None,
        });
    }
    let kinds = [
        (SeatKind::Accessible, &plan.accessible),
        (SeatKind::Companion, &plan.companion),
    ];
    for (kind, given) in kinds {
        for (label, _) in given.as_deref().map_or(Ok(Vec::new()), labels::seats)? {
            let index = by_label.get(&label.to_lowercase());
            let seat = index.and_then(|index| planned.get_mut(*index));
            match seat {
                None => {
                    return Err(PlanError::NotInRow {
                        row: row.to_owned(),
                        seat: label,
                    });
                }
                Some(seat) if seat.kind != SeatKind::Standard => {
                    return Err(PlanError::TwoKinds {
                        row: row.to_owned(),
                        seat: label,
                    });
                }
                Some(seat) => seat.kind = kind,
            }
        }
    }
    join_companions(planned, first)
}

/// Gives the companion seats of the row that begins at `first` their accessible neighbours.
fn join_companions(planned: &mut [Planned], first: usize) -> Result<(), PlanError> {
    for index in first..planned.len() {
        if planned[index].kind != SeatKind::Companion {
            continue;
        }
        let is_beside = |other: &usize| {
            let (seat, other) = (&planned[index], &planned[*other]);
            other.kind == SeatKind::Accessible && (other.position - seat.position).abs() == 1
        };
        let beside = [
            index.checked_sub(1).filter(|at| *at >= first),
            Some(index + 1),
        ];
        let beside = beside
            .into_iter()
            .flatten()
            .filter(|at| *at < planned.len());
        let neighbour = beside.into_iter().find(is_beside);
        if neighbour.is_none() {
            return Err(PlanError::NoNeighbour {
                row: planned[index].row.clone(),
                seat: planned[index].label.clone(),
            });
        }
        planned[index].companion_of = neighbour;
    }
    Ok(())
}

/// The plan of seats, which come in the order of the house. Rows that follow each other and are alike are one.
pub(super) fn of(seats: &[SeatRow]) -> Vec<SectionPlan> {
    let mut sections = Vec::new();
    for section in seats.chunk_by(|a, b| a.section_id == b.section_id) {
        let rows = rows_of(section, |seats| {
            let places = seats
                .iter()
                .map(|seat| (seat.label.as_str(), seat.position));
            labels::with_aisles(&places.collect::<Vec<_>>())
        });
        if let Ok(name) = section[0].section.parse() {
            sections.push(SectionPlan { name, rows });
        }
    }
    sections
}

/// The rows of one section, their seats in words.
pub(super) fn rows_of(section: &[SeatRow], words: impl Fn(&[SeatRow]) -> String) -> Vec<RowPlan> {
    let mut rows: Vec<(Vec<&str>, RowPlan)> = Vec::new();
    for row in section.chunk_by(|a, b| a.row_position == b.row_position) {
        let of_kind = |kind| {
            let seats = row.iter().filter(|seat| seat.kind == kind);
            let labels: Vec<&str> = seats.map(|seat| seat.label.as_str()).collect();
            (!labels.is_empty()).then(|| labels::joined(&labels))
        };
        let plan = RowPlan {
            row: String::new(),
            seats: words(row),
            accessible: of_kind(SeatKind::Accessible),
            companion: of_kind(SeatKind::Companion),
        };
        let label = row[0].row_label.as_str();
        match rows.last_mut() {
            Some((labels, last)) if *last == plan => labels.push(label),
            _ => rows.push((vec![label], plan)),
        }
    }
    let named = rows.into_iter().map(|(labels, plan)| RowPlan {
        row: labels::row_names(&labels),
        ..plan
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(name: &str, rows: Vec<RowPlan>) -> SectionPlan {
        SectionPlan {
            name: name.parse().unwrap(),
            rows,
        }
    }

    fn row(row: &str, seats: &str) -> RowPlan {
        RowPlan {
            row: row.to_owned(),
            seats: seats.to_owned(),
            ..RowPlan::default()
        }
    }

    /// The planned seats as the database gives them back.
    fn rows(sections: &[SectionPlan]) -> Vec<SeatRow> {
        let planned = seats(sections).unwrap();
        let ids: Vec<domain::SeatSectionId> = (0..sections.len() as u128)
            .map(|at| uuid::Uuid::from_u128(at).into())
            .collect();
        let of = |seat: Planned| SeatRow {
            id: uuid::Uuid::nil().into(),
            section_id: ids[seat.section],
            section: sections[seat.section].name.to_string(),
            section_position: 0,
            row_label: seat.row,
            row_position: seat.row_position,
            label: seat.label,
            position: seat.position,
            kind: seat.kind,
            is_taken: false,
            is_blocked: false,
        };
        planned.into_iter().map(of).collect()
    }

    #[test]
    fn what_was_written_is_read_again() {
        let special = RowPlan {
            accessible: Some("1, 20".to_owned()),
            companion: Some("2, 19".to_owned()),
            ..row("A", "1-20")
        };
        let plan = vec![
            section(
                "Stalls",
                vec![special, row("B-F", "1-10 | 11-20"), row("G, J", "1-19/2")],
            ),
            section("Boxes", vec![row("1-3", "1-4"), row("7", "1-2, 4A")]),
        ];
        assert_eq!(of(&rows(&plan)), plan);
        let count = |plan: &[SectionPlan]| seats(plan).unwrap().len();
        assert_eq!(count(&plan), 20 + 5 * 20 + 2 * 10 + 12 + 3);
    }

    #[test]
    fn companions_belong_to_a_neighbour() {
        let special = |companion: &str| RowPlan {
            accessible: Some("1".to_owned()),
            companion: Some(companion.to_owned()),
            ..row("A", "1 | 2-5")
        };
        let beside = RowPlan {
            seats: "1-5".to_owned(),
            ..special("2")
        };
        let planned = seats(&[section("Stalls", vec![row("Z", "1-2"), beside])]).unwrap();
        assert_eq!(planned[3].companion_of, Some(2));
        for (companion, code) in [
            ("2", "no accessible seat"),
            ("1", "two kinds"),
            ("9", "no seat"),
        ] {
            let refused = seats(&[section("Stalls", vec![special(companion)])]).unwrap_err();
            assert!(refused.to_string().contains(code), "{refused}");
        }
    }

    #[test]
    fn refuses_what_cannot_be_a_house() {
        let one = |row| vec![section("Stalls", vec![row])];
        let cases = [
            (Vec::new(), "1 to 200 sections"),
            (vec![section("Stalls", vec![])], "no rows"),
            (one(row("A", "20-1")), "20-1"),
            (one(row("A", "1-5, 5")), "seat 5"),
            (one(row("A", "")), "\"\""),
            (one(row("A", "1-")), "1-"),
            (one(row("A", "1-9/0")), "1-9/0"),
            (one(row("F-A", "1-5")), "F-A"),
            (one(row("A,a", "1-5")), "row a"),
            (one(row("A 1", "1-5")), "A 1"),
            (one(row("A", "1-999999")), "20000"),
            (one(row("1-999999", "1")), "20000"),
            (one(row("A-Z", "1-1000")), "20000"),
            (
                [one(row("A", "1")), one(row("A", "1"))].concat(),
                "two sections",
            ),
        ];
        for (plan, words) in cases {
            let refused = seats(&plan).unwrap_err().to_string();
            assert!(refused.contains(words), "{refused}");
        }
    }
}
