//! Bank statements as CSV, as banks write them: any separator, headings in English or German, a byte order mark, quoted
//! fields, lines of other things above the heading.

use domain::{Currency, LocalDate, Money};

use super::amount::read_amount;

/// What a statement says.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// Money received or sent.
    pub lines: Vec<StatementLine>,
    /// Rows that could not be read, for a person to look at: none is dropped silently.
    pub skipped: Vec<Skipped>,
}

/// Money received (or sent, if negative).
#[derive(Clone, PartialEq, Eq)]
pub struct StatementLine {
    /// Its row in the file, from 1.
    pub row: usize,
    /// The day, if it can only be one: 03/04/2027 could be two.
    pub date: Option<LocalDate>,
    /// How much.
    pub amount: Money,
    /// What whoever paid wrote. Untrusted.
    pub purpose: String,
    /// Who paid. Untrusted.
    pub counterparty: String,
}

// Names and what people write are personal data: a debug print ends up in logs.
impl std::fmt::Debug for StatementLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StatementLine({}: {})", self.row, self.amount)
    }
}

/// A row that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Its row in the file, from 1.
    pub row: usize,
    /// Why.
    pub why: String,
}

/// Why nothing of a file could be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// No row names the columns.
    #[error(
        "no heading was found; a row must name the columns, at least amount (or Betrag) and reference or purpose (or Verwendungszweck)"
    )]
    NoHeading,
    /// The file is larger than a statement is.
    #[error("the file has {0} bytes; at most 16 million are read")]
    TooLarge(usize),
}

const MOST_BYTES: usize = 16_000_000;
/// Banks write the account and the period above the heading.
const ROWS_ABOVE_HEADING: usize = 30;
const MOST_LINES_OF_CELL: usize = 10;

/// What a column holds, with the words that head it in lower case. A heading is the first of them that fits.
const HEADINGS: &[(Column, &[&str])] = &[
    (
        Column::Date,
        &[
            "date",
            "booking date",
            "datum",
            "buchungstag",
            "buchungsdatum",
            "buchung",
            "value date",
            "valuta",
            "valutadatum",
            "wertstellung",
        ],
    ),
    (
        Column::Amount,
        &[
            "amount",
            "betrag",
            "umsatz",
            "credit",
            "amount (eur)",
            "betrag (eur)",
            "betrag (€)",
            "betrag in eur",
        ],
    ),
    (
        Column::Currency,
        &["currency", "währung", "waehrung", "ccy"],
    ),
    (
        Column::Purpose,
        &[
            "reference",
            "purpose",
            "verwendungszweck",
            "payment reference",
            "remittance information",
            "reference/purpose",
            "description",
            "details",
            "memo",
        ],
    ),
    (
        Column::Counterparty,
        &[
            "counterparty",
            "name",
            "payer",
            "debtor",
            "counterparty name",
            "auftraggeber",
            "zahlungspflichtiger",
            "zahlungspflichtige*r",
            "auftraggeber/empfänger",
            "beguenstigter/zahlungspflichtiger",
            "begünstigter/zahlungspflichtiger",
            "name zahlungsbeteiligter",
        ],
    ),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Column {
    Date,
    Amount,
    Currency,
    Purpose,
    Counterparty,
}

/// Where the columns are.
#[derive(Default)]
struct Columns(Vec<(Column, usize)>);

impl Columns {
    fn of(heading: &csv::StringRecord) -> Option<Self> {
        let cells: Vec<String> = heading
            .iter()
            .map(|cell| cell.trim().to_lowercase())
            .collect();
        let mut found = Self::default();
        for (column, words) in HEADINGS {
            let at = words
                .iter()
                .find_map(|word| cells.iter().position(|cell| cell == word));
            found.0.extend(at.map(|at| (*column, at)));
        }
        (found.at(Column::Amount).is_some() && found.at(Column::Purpose).is_some()).then_some(found)
    }

    fn at(&self, column: Column) -> Option<usize> {
        self.0
            .iter()
            .find(|(found, _)| *found == column)
            .map(|(_, at)| *at)
    }

    fn cell<'a>(&self, row: &'a csv::StringRecord, column: Column) -> &'a str {
        self.at(column)
            .and_then(|at| row.get(at))
            .unwrap_or_default()
            .trim()
    }
}

/// Reads a statement. `currency` is what amounts are in where no column says so.
pub fn read_statement(file: &[u8], currency: Currency) -> Result<Statement, StatementError> {
    if file.len() > MOST_BYTES {
        return Err(StatementError::TooLarge(file.len()));
    }
    // One kind of line break, so that lines are counted as people do.
    let text = decoded(file).replace("\r\n", "\n").replace('\r', "\n");
    let (rows, columns, heading) = [b';', b',', b'\t', b'|']
        .into_iter()
        .find_map(|separator| {
            let rows = rows(&text, separator);
            let mut above = rows.iter().take(ROWS_ABOVE_HEADING).enumerate();
            let (at, columns) = above.find_map(|(at, (_, row))| Some((at, Columns::of(row)?)))?;
            Some((rows, columns, at))
        })
        .ok_or(StatementError::NoHeading)?;
    let rows = &rows[heading + 1..];
    let order = DateOrder::of(rows.iter().map(|(_, row)| columns.cell(row, Column::Date)));
    let mut statement = Statement {
        lines: Vec::new(),
        skipped: Vec::new(),
    };
    for (number, row) in rows {
        if row.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        match line(*number, row, &columns, currency, order) {
            Ok(line) => statement.lines.push(line),
            Err(why) => statement.skipped.push(Skipped { row: *number, why }),
        }
    }
    Ok(statement)
}

fn line(
    number: usize,
    row: &csv::StringRecord,
    columns: &Columns,
    currency: Currency,
    order: DateOrder,
) -> Result<StatementLine, String> {
    let currency = match columns.cell(row, Column::Currency) {
        "" => currency,
        "€" => "EUR".parse().expect("the euro is known"),
        code => code
            .parse()
            .map_err(|_| format!("{code:?} is not a known currency"))?,
    };
    // Nobody writes so many lines; a quotation mark that is never closed takes all that follow in.
    if row
        .iter()
        .any(|cell| cell.lines().count() > MOST_LINES_OF_CELL)
    {
        return Err(
            "a quotation mark opens here and does not close; the rows below it are lost in it"
                .to_owned(),
        );
    }
    let amount = columns.cell(row, Column::Amount);
    let money = read_amount(amount, currency);
    Ok(StatementLine {
        row: number,
        date: order.read(columns.cell(row, Column::Date)),
        amount: money
            .ok_or_else(|| format!("{amount:?} is no amount in {currency}, or could mean two"))?,
        purpose: columns.cell(row, Column::Purpose).to_owned(),
        counterparty: columns.cell(row, Column::Counterparty).to_owned(),
    })
}

/// All rows with the lines of the file at which they begin, from 1.
fn rows(text: &str, separator: u8) -> Vec<(usize, csv::StringRecord)> {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(separator)
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    let lines: Vec<&str> = text.split('\n').collect();
    let mut rows = Vec::new();
    let mut row = csv::StringRecord::new();
    // Reading from memory, text, and rows of any length cannot fail.
    while reader.read_record(&mut row).unwrap_or(false) {
        let begin = row.position().map_or(0, csv::Position::line);
        let begin = usize::try_from(begin).unwrap_or(usize::MAX);
        // The reader counts empty lines above a row to it.
        let above = lines
            .iter()
            .skip(begin.saturating_sub(1))
            .take_while(|line| line.is_empty());
        rows.push((begin + above.count(), row.clone()));
    }
    rows
}

/// The text of a file: UTF-8 or UTF-16 by its mark, UTF-8 if it is that, else what Windows wrote in western Europe.
fn decoded(file: &[u8]) -> String {
    let wide = |file: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = file
            .chunks_exact(2)
            .map(|pair| unit([pair[0], pair[1]]))
            .collect();
        String::from_utf16_lossy(&units)
    };
    match file {
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        _ => match std::str::from_utf8(file) {
            Ok(text) => text.to_owned(),
            Err(_) => file
                .iter()
                .map(|byte| {
                    if *byte == 0x80 {
                        '€'
                    } else {
                        char::from(*byte)
                    }
                })
                .collect(),
        },
    }
}

/// In which order a file writes day and month where slashes part them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum DateOrder {
    DayFirst,
    MonthFirst,
    Unclear,
}

impl DateOrder {
    /// Any day after the 12th gives the file's habit away.
    fn of<'a>(dates: impl Iterator<Item = &'a str>) -> Self {
        let (mut day_first, mut month_first) = (false, false);
        for date in dates {
            let numbers: Vec<u32> = date
                .split('/')
                .filter_map(|part| part.trim().parse().ok())
                .collect();
            if let [first, second, _] = numbers[..] {
                day_first |= first > 12;
                month_first |= second > 12 && first <= 12;
            }
        }
        match (day_first, month_first) {
            (true, false) => Self::DayFirst,
            (false, true) => Self::MonthFirst,
            _ => Self::Unclear,
        }
    }

    fn read(self, text: &str) -> Option<LocalDate> {
        let text = text.split([' ', 'T']).next()?;
        if let Ok(date) = text.parse() {
            return Some(date);
        }
        let (separator, order) = if text.contains('.') {
            ('.', Self::DayFirst)
        } else {
            ('/', self)
        };
        let mut parts = text.split(separator).map(str::parse::<u32>);
        let (first, second, year) = (
            parts.next()?.ok()?,
            parts.next()?.ok()?,
            parts.next()?.ok()?,
        );
        let year = if year < 100 { year + 2_000 } else { year };
        let (day, month) = match order {
            Self::DayFirst => (first, second),
            Self::MonthFirst => (second, first),
            Self::Unclear => return None,
        };
        format!("{year:04}-{month:02}-{day:02}").parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &[u8]) -> Statement {
        read_statement(file, "EUR".parse().unwrap()).unwrap()
    }

    fn only(file: &[u8]) -> StatementLine {
        let statement = read(file);
        assert_eq!(statement.skipped, []);
        assert_eq!(statement.lines.len(), 1, "{statement:?}");
        statement.lines[0].clone()
    }

    fn day(text: &str) -> LocalDate {
        text.parse().unwrap()
    }

    #[test]
    fn reads_what_banks_write() {
        let german = "\u{feff}Konto;DE89…\r\nZeitraum;Januar\r\n\r\nBuchungstag;Auftraggeber;Verwendungszweck;Betrag;Währung\r\n\
                      04.02.27;Ada Lovelace;\"Karten; K7M2XQP\";1.036,00;EUR\r\n";
        let line = only(german.as_bytes());
        assert_eq!(line.date, Some(day("2027-02-04")));
        assert_eq!(line.amount.to_string(), "1036.00 EUR");
        assert_eq!(line.purpose, "Karten; K7M2XQP");
        assert_eq!((line.counterparty.as_str(), line.row), ("Ada Lovelace", 5));

        let english = "date,amount,currency,reference,counterparty\n2027-02-04,\"1,036.00\",usd,\"say \"\"hi\"\"\",Ada\n";
        let line = only(english.as_bytes());
        assert_eq!(line.amount.to_string(), "1036.00 USD");
        assert_eq!(line.purpose, "say \"hi\"");

        let tabs = only(b"Amount\tReference\tName\n5,00\tK7M2XQP\tAda\n");
        assert_eq!(tabs.date, None);
        assert_eq!(tabs.amount.to_string(), "5.00 EUR");
        let windows = only(b"Betrag;W\xe4hrung;Verwendungszweck\n5,00 \x80;EUR;f\xfcr K7M2XQP\n");
        assert_eq!(windows.purpose, "für K7M2XQP");
        let wide: Vec<u8> = "\u{feff}Betrag;Verwendungszweck\n5,00;für\n"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        assert_eq!(only(&wide).purpose, "für");
    }

    #[test]
    fn no_row_is_dropped_silently() {
        let file = "amount;currency;purpose\n5,00;EUR;a\nmuch;EUR;b\n5,00;XXX;c\n;;\n1.234;KWD;d\n-7,00;EUR;e\n";
        let statement = read(file.as_bytes());
        let rows: Vec<usize> = statement.lines.iter().map(|line| line.row).collect();
        assert_eq!(rows, [2, 7]);
        let skipped: Vec<usize> = statement
            .skipped
            .iter()
            .map(|skipped| skipped.row)
            .collect();
        assert_eq!(skipped, [3, 4, 6]);
        assert!(statement.skipped[2].why.contains("could mean two"));
    }

    #[test]
    fn a_quotation_mark_that_never_closes_is_noticed() {
        let file = format!("amount;purpose\n5,00;\"open\n{}", "5,00;x\n".repeat(20));
        let statement = read(file.as_bytes());
        assert_eq!((statement.lines.len(), statement.skipped.len()), (0, 1));
    }

    #[test]
    fn a_file_without_a_heading_is_refused() {
        for bad in ["", "5,00;EUR;a\n", "amount\n5\n", "\u{0}\u{1}"] {
            let refused = read_statement(bad.as_bytes(), "EUR".parse().unwrap());
            assert_eq!(refused, Err(StatementError::NoHeading), "{bad:?}");
        }
    }

    #[test]
    fn a_date_that_could_be_two_is_none() {
        let dates = |dates: &[&str]| {
            let rows: Vec<String> = dates
                .iter()
                .map(|date| format!("{date};5,00;x\n"))
                .collect();
            let file = format!("date;amount;purpose\n{}", rows.concat());
            let lines = read(file.as_bytes()).lines;
            lines.into_iter().map(|line| line.date).collect::<Vec<_>>()
        };
        assert_eq!(dates(&["03/04/2027"]), [None]);
        assert_eq!(
            dates(&["03/04/2027", "13/04/2027"]),
            [Some(day("2027-04-03")), Some(day("2027-04-13"))]
        );
        assert_eq!(
            dates(&["03/04/2027", "04/13/2027"]),
            [Some(day("2027-03-04")), Some(day("2027-04-13"))]
        );
        assert_eq!(
            dates(&["31.02.2027", "nonsense", "2027-02-04T10:00"]),
            [None, None, Some(day("2027-02-04"))]
        );
    }

    #[test]
    fn names_are_not_printed() {
        let line = only(b"amount;purpose;name\n5,00;K7M2XQP;Ada\n");
        assert_eq!(format!("{line:?}"), "StatementLine(2: 5.00 EUR)");
    }

    #[test]
    fn whatever_a_file_holds_every_row_is_read_or_named() {
        // Pieces of files in a random order (a linear congruential generator: the same in every run).
        let pieces = [
            "amount",
            "purpose",
            "date",
            ";",
            ",",
            "\t",
            "\n",
            "\r\n",
            "\"",
            "5,00",
            "-",
            "(",
            "1.234",
            "EUR",
            "ä",
            "\u{feff}",
            "",
            "31/12/27",
            "99999999999999999999",
            "amount;purpose;date\n",
        ];
        let mut seed = 1_u64;
        for _ in 0..1_000 {
            let mut file = String::from("amount;purpose;date\n");
            for _ in 0..30 {
                seed = seed
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                file.push_str(pieces[usize::try_from(seed >> 33).unwrap() % pieces.len()]);
            }
            let statement = read(file.as_bytes());
            let mut rows: Vec<usize> = statement.lines.iter().map(|line| line.row).collect();
            rows.extend(statement.skipped.iter().map(|skipped| skipped.row));
            rows.sort_unstable();
            rows.dedup();
            assert_eq!(
                rows.len(),
                statement.lines.len() + statement.skipped.len(),
                "{file:?}"
            );
            assert!(
                rows.iter()
                    .all(|row| (2..=file.lines().count()).contains(row)),
                "{rows:?} {file:?}"
            );
            // Without a quotation mark, each line that holds something is a row.
            if !file.contains('"') {
                let full = file
                    .lines()
                    .skip(1)
                    .filter(|line| line.chars().any(|c| c != ';' && !c.is_whitespace()));
                assert_eq!(rows.len(), full.count(), "{file:?}");
            }
            // Cut anywhere, in whatever encoding: an answer, and no panic.
            let cut = usize::try_from(seed >> 40).unwrap() % (file.len() + 1);
            let _ = read_statement(&file.as_bytes()[cut..], "KWD".parse().unwrap());
        }
    }
}
