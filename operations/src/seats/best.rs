//! The best available seats: which ones a group gets that names none. Pure, and the same for the same house.
//!
//! A group sits side by side if any row lets it. Better sections come first, as they were given; within a section whoever
//! would leave a single seat alone goes elsewhere if they can; then rows from the front, then the middle of the row. A
//! group that fits in no row sits in as few neighbouring rows as can be. Seats for wheelchair users and for who comes
//! with them are never given to others, not even the last ones: whoever wants one asks for it, or names it.

use std::cmp::Reverse;

use super::model::SeatKind;

/// A seat as far as the choice goes. The seats of a house come in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) section: i32,
    pub(super) row: i32,
    pub(super) position: i32,
    pub(super) kind: SeatKind,
    pub(super) is_free: bool,
}

/// What a group gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    /// Which of the places, in their order.
    pub(super) places: Vec<usize>,
    /// Whether the group does not sit side by side.
    pub(super) is_apart: bool,
}

/// Seats for a group, so many of them accessible; none if there are too few.
pub(super) fn choose(house: &[Place], count: usize, accessible: usize) -> Option<Choice> {
    let rows = rows(house);
    let found = if accessible == 0 {
        beside(&rows, house, count).or_else(|| apart(&rows, house, count))
    } else {
        with_company(&rows, house, count, accessible)
            .or_else(|| company_apart(&rows, house, count, accessible))
    };
    let mut choice = found?;
    choice.places.sort_unstable();
    Some(choice)
}

/// How many of a house a group could have that asks for no accessible seats.
pub(super) fn free(house: &[Place]) -> usize {
    house.iter().filter(|place| is_usable(place)).count()
}

fn is_usable(place: &Place) -> bool {
    place.is_free && place.kind == SeatKind::Standard
}

/// One row: where its places begin and end in the house, and its middle, twice.
#[derive(Debug, Clone, Copy)]
struct Row {
    first: usize,
    end: usize,
    middle: i32,
}

fn rows(house: &[Place]) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut first = 0;
    for row in house.chunk_by(|a, b| (a.section, a.row) == (b.section, b.row)) {
        rows.push(Row {
            first,
            end: first + row.len(),
            middle: row[0].position + row[row.len() - 1].position,
        });
        first += row.len();
    }
    rows
}

/// Places that can be used side by side: the first one, and how many.
type Run = (usize, usize);

fn runs(house: &[Place], row: Row) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for at in (row.first..row.end).filter(|at| is_usable(&house[*at])) {
        match runs.last_mut() {
            Some((first, count))
                if *first + *count == at && house[at - 1].position + 1 == house[at].position =>
            {
                *count += 1;
            }
            _ => runs.push((at, 1)),
        }
    }
    runs
}

/// How far the places from `first` on are from the middle of their row, twice.
fn from_middle(house: &[Place], row: Row, first: usize, count: usize) -> i32 {
    (house[first].position + house[first + count - 1].position - row.middle).abs()
}

/// How many seats would be left alone when `count` of a run are taken from `skipped` on.
fn left_alone(run: Run, skipped: usize, count: usize) -> usize {
    usize::from(skipped == 1) + usize::from(run.1 - skipped - count == 1)
}

/// The best window of a run: alone, from the middle, where.
fn window(house: &[Place], row: Row, run: Run, count: usize) -> Option<(usize, i32, usize)> {
    let windows = (0..=run.1.checked_sub(count)?).map(|skipped| {
        let first = run.0 + skipped;
        let alone = left_alone(run, skipped, count);
        (alone, from_middle(house, row, first, count), first)
    });
    windows.min()
}

/// A group side by side.
fn beside(rows: &[Row], house: &[Place], count: usize) -> Option<Choice> {
    let mut best = None;
    for row in rows {
        for run in runs(house, *row) {
            if let Some((alone, off, first)) = window(house, *row, run, count) {
                let place = &house[first];
                let key = (place.section, alone, place.row, off, first);
                best = Some(best.map_or(key, |best| key.min(best)));
            }
        }
    }
    best.map(|(.., first)| Choice {
        places: (first..first + count).collect(),
        is_apart: false,
    })
}

/// A group that fits in no row: in the best section that has enough, or else anywhere.
fn apart(rows: &[Row], house: &[Place], count: usize) -> Option<Choice> {
    let section = |row: &Row| house[row.first].section;
    let mut sections = rows.chunk_by(|a, b| section(a) == section(b));
    let places = sections
        .find_map(|rows| in_few_rows(rows, house, count))
        .or_else(|| in_few_rows(rows, house, count))?;
    Some(Choice {
        places,
        is_apart: true,
    })
}

/// As few neighbouring rows as hold so many, the foremost of those; in them the longest runs first.
fn in_few_rows(rows: &[Row], house: &[Place], count: usize) -> Option<Vec<usize>> {
    let free = |row: &Row| {
        (row.first..row.end)
            .filter(|at| is_usable(&house[*at]))
            .count()
    };
    let free: Vec<usize> = rows.iter().map(free).collect();
    let (mut sum, mut from) = (0, 0);
    let mut best: Option<(usize, usize)> = None;
    for to in 0..rows.len() {
        sum += free[to];
        while sum >= count {
            let span = (to - from, from);
            best = Some(best.map_or(span, |best| span.min(best)));
            sum -= free[from];
            from += 1;
        }
    }
    let (more, from) = best?;
    let of_row = |row: &Row| {
        runs(house, *row)
            .into_iter()
            .map(|run| (*row, run))
            .collect()
    };
    let mut found: Vec<(Row, Run)> = (rows[from..=from + more].iter())
        .flat_map(|row| -> Vec<(Row, Run)> { of_row(row) })
        .collect();
    // Stable: equal ones stay from the front to the back.
    found.sort_by_key(|(_, run)| Reverse(run.1));
    let mut places = Vec::new();
    for (row, run) in found {
        let part = run.1.min(count - places.len());
        if part == 0 {
            break;
        }
        let (.., first) = window(house, row, run, part)?;
        places.extend(first..first + part);
    }
    Some(places)
}

/// A group with exactly so many accessible seats, side by side; the more of the others are companion seats, the better.
fn with_company(rows: &[Row], house: &[Place], count: usize, accessible: usize) -> Option<Choice> {
    let mut best = None;
    for row in rows {
        for first in row.first..=row.end.checked_sub(count).unwrap_or(row.first) {
            let Some(group) = house[..row.end].get(first..first + count) else {
                continue;
            };
            let side_by_side = group
                .windows(2)
                .all(|two| two[0].position + 1 == two[1].position);
            let of = |kind| group.iter().filter(|place| place.kind == kind).count();
            if side_by_side
                && group.iter().all(|place| place.is_free)
                && of(SeatKind::Accessible) == accessible
            {
                let others = Reverse(of(SeatKind::Companion));
                let off = from_middle(house, *row, first, count);
                let key = (group[0].section, others, group[0].row, off, first);
                best = Some(best.map_or(key, |best| key.min(best)));
            }
        }
    }
    best.map(|(.., first)| Choice {
        places: (first..first + count).collect(),
        is_apart: false,
    })
}

/// The same group, when no row has it side by side: the foremost accessible seats, companion seats in their rows, and
/// for the rest what a group of its own would get.
fn company_apart(rows: &[Row], house: &[Place], count: usize, accessible: usize) -> Option<Choice> {
    let free = |kind| {
        let places = house.iter().enumerate();
        places.filter(move |(_, place)| place.is_free && place.kind == kind)
    };
    let mut places: Vec<usize> = free(SeatKind::Accessible)
        .map(|(at, _)| at)
        .take(accessible)
        .collect();
    if places.len() < accessible {
        return None;
    }
    let row = |place: &Place| (place.section, place.row);
    let beside: Vec<usize> = free(SeatKind::Companion)
        .filter(|(_, place)| places.iter().any(|at| row(&house[*at]) == row(place)))
        .map(|(at, _)| at)
        .take(count - accessible)
        .collect();
    places.extend(beside);
    let rest = count - places.len();
    if rest > 0 {
        let others = super::best::beside(rows, house, rest).or_else(|| apart(rows, house, rest))?;
        places.extend(others.places);
    }
    Some(Choice {
        places,
        is_apart: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of one section: `.` free, `x` taken, `a` accessible, `c` companion, a space an aisle; `/` the next section.
    fn house(rows: &[&str]) -> Vec<Place> {
        let mut house = Vec::new();
        let mut section = 0;
        for (row, text) in (0..).zip(rows) {
            if *text == "/" {
                section += 1;
                continue;
            }
            for (position, mark) in (0..).zip(text.chars()).filter(|(_, mark)| *mark != ' ') {
                house.push(Place {
                    section,
                    row,
                    position,
                    kind: match mark {
                        'a' => SeatKind::Accessible,
                        'c' => SeatKind::Companion,
                        _ => SeatKind::Standard,
                    },
                    is_free: mark != 'x',
                });
            }
        }
        house
    }

    /// Who gets what, shown as `o`, and whether they sit apart.
    fn shown(rows: &[&str], count: usize, accessible: usize) -> Option<(String, bool)> {
        let house = house(rows);
        let choice = choose(&house, count, accessible)?;
        let mut seats = (0..house.len()).map(|at| choice.places.contains(&at));
        let mut of = |mark| match mark {
            ' ' | '/' => mark,
            _ if seats.next() == Some(true) => 'o',
            _ => mark,
        };
        let rows = rows
            .iter()
            .map(|row| row.chars().map(&mut of).collect::<String>());
        Some((rows.collect::<Vec<_>>().join("\n"), choice.is_apart))
    }

    #[track_caller]
    fn assert_gets(rows: &[&str], count: usize, expected: &[&str], is_apart: bool) {
        assert_eq!(shown(rows, count, 0), Some((expected.join("\n"), is_apart)));
    }

    #[test]
    fn a_group_gets_the_middle_of_the_first_row_that_has_it_side_by_side() {
        assert_gets(&[".......", "......."], 3, &["..ooo..", "......."], false);
        assert_gets(&["..x.x..", "......."], 3, &["..x.x..", "..ooo.."], false);
        assert_gets(&["..x..", "/", "....."], 3, &["..x..", "/", "ooo.."], false);
        // An aisle is between people.
        assert_gets(&["... ...", "....."], 4, &["... ...", "oooo."], false);
    }

    #[test]
    fn nobody_is_left_alone_where_there_is_a_way() {
        assert_gets(
            &["x...x", "....."],
            2,
            &["x...x", "ooo..".replace("ooo", "oo.").as_str()],
            false,
        );
        assert_gets(&["....."], 2, &["oo..."], false);
        // In this section there is none; the next one would be worse.
        assert_gets(
            &["x...x", "/", "......"],
            2,
            &["xoo.x", "/", "......"],
            false,
        );
    }

    #[test]
    fn who_fits_in_no_row_sits_in_neighbouring_ones() {
        let rows = ["..xx", "x..x", "xxxx", "...."];
        assert_gets(&rows, 4, &["..xx", "x..x", "xxxx", "oooo"], false);
        assert_gets(&rows[..3], 4, &["ooxx", "xoox", "xxxx"], true);
        assert_gets(
            &["x.x", "/", "..x", "x.."],
            4,
            &["x.x", "/", "oox", "xoo"],
            true,
        );
        assert_gets(&["x.x", "/", "..x"], 3, &["xox", "/", "oox"], true);
        assert_eq!(shown(&["..x"], 3, 0), None);
    }

    #[test]
    fn accessible_seats_are_for_those_who_ask() {
        let rows = ["ac.ca", "xxxxx"];
        assert_eq!(shown(&rows, 2, 0), None);
        let side_by_side = |expected: &str| Some((format!("{expected}\nxxxxx"), false));
        assert_eq!(shown(&rows, 1, 1), side_by_side("oc.ca"));
        assert_eq!(shown(&rows, 2, 1), side_by_side("oo.ca"));
        assert_eq!(
            shown(&rows, 3, 1),
            side_by_side("ooo.a".replace('.', "c").as_str())
        );
        assert_eq!(
            shown(&["ac...", "xxxac"], 3, 2).map(|(_, apart)| apart),
            Some(true)
        );
        assert_eq!(shown(&rows, 4, 3), None);
    }

    /// A small generator of its own, so that a failure can be repeated.
    struct Dice(u64);

    impl Dice {
        fn below(&mut self, end: u64) -> u64 {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (self.0 >> 33) % end
        }

        fn house(&mut self) -> Vec<String> {
            let mark = |dice: &mut Self| match dice.below(12) {
                0..=4 => 'x',
                5 => 'a',
                6 => 'c',
                7 => ' ',
                _ => '.',
            };
            let row = |dice: &mut Self| {
                if dice.below(6) == 0 {
                    return "/".to_owned();
                }
                let length = 1 + dice.below(14);
                let row: String = (0..length).map(|_| mark(dice)).collect();
                format!(".{row}")
            };
            let rows = 1 + self.below(6);
            (0..rows).map(|_| row(self)).collect()
        }
    }

    /// How many usable seats are side by side at most, by looking at each seat.
    fn longest(house: &[Place]) -> usize {
        let mut longest = 0;
        let mut count = 0;
        for (at, place) in house.iter().enumerate() {
            let goes_on = at > 0 && {
                let before = &house[at - 1];
                (before.section, before.row, before.position + 1)
                    == (place.section, place.row, place.position)
            };
            count = match (is_usable(place), goes_on) {
                (false, _) => 0,
                (true, false) => 1,
                (true, true) => count + 1,
            };
            longest = longest.max(count);
        }
        longest
    }

    #[test]
    fn whatever_the_house_a_group_gets_free_seats_side_by_side_if_there_are_any() {
        let mut dice = Dice(20_261_128);
        let (mut together, mut split, mut none) = (0, 0, 0);
        for round in 0..20_000 {
            let rows = dice.house();
            let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
            let house = house(&rows);
            let count = 1 + usize::try_from(dice.below(8)).unwrap();
            let choice = choose(&house, count, 0);
            assert_eq!(choice, choose(&house, count, 0), "{round}");
            let Some(choice) = choice else {
                assert!(free(&house) < count, "{round}: {rows:?} has {count}");
                none += 1;
                continue;
            };
            let mut distinct = choice.places.clone();
            distinct.dedup();
            assert_eq!(
                (distinct.len(), choice.places.len()),
                (count, count),
                "{round}"
            );
            let chosen: Vec<&Place> = choice.places.iter().map(|at| &house[*at]).collect();
            assert!(chosen.iter().all(|place| is_usable(place)), "{round}");
            let beside = chosen.windows(2).all(|two| {
                (two[0].section, two[0].row, two[0].position + 1)
                    == (two[1].section, two[1].row, two[1].position)
            });
            assert_eq!(
                beside,
                longest(&house) >= count,
                "{round}: {rows:?} for {count}"
            );
            assert_eq!(choice.is_apart, !beside, "{round}: {rows:?} for {count}");
            if beside { together += 1 } else { split += 1 }
        }
        assert!(
            together > 1_000 && split > 1_000 && none > 1_000,
            "{together} {split} {none}"
        );
    }
}
