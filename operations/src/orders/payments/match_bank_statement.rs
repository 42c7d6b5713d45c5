//! `match_bank_statement`: which transfers pay which orders.

use std::collections::HashMap;

use domain::{
    Cx, Facts, Fault, FaultKind, FaultSpec, LocalDate, Money, OrderId, Permission, Untrusted,
};
use payments::manual::{
    Candidate, OpenOrder, Reason, StatementError, StatementLine, Verdict, match_statement,
    read_statement,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;

use crate::{App, Effect, Operation, orders::sql as orders, organizations};

/// Compare a bank statement (the text of a CSV file, as the bank exports it) with the orders that wait for money, and
/// propose which transfer pays which. Changes nothing: show the proposals, then call `confirm_payment` for each that the
/// organizer agrees to, with its amount and day.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct MatchBankStatement {
    /// The file's text, with its heading.
    pub statement: String,
}

domain::text_enum! {
    /// What is proposed for a transfer.
    pub enum Proposal {
        /// It pays this order, without doubt.
        Certain = "certain",
        /// It may pay one of these; a person looks.
        Unclear = "unclear",
        /// It pays no order that waits for money.
        Nothing = "nothing",
    }
}

/// The proposals.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MatchedStatement {
    /// One for each transfer that came in.
    pub transfers: Vec<MatchedTransfer>,
    /// Rows that cannot be read, with why.
    pub skipped: Vec<String>,
    /// How many orders wait for money in all.
    pub waiting: usize,
}

/// A transfer and what it may pay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct MatchedTransfer {
    /// Its row in the file, from 1.
    pub row: usize,
    /// The day, if it can only be one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<LocalDate>,
    /// How much.
    pub amount: Money,
    /// What whoever paid wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purpose: Option<Untrusted>,
    /// What is proposed.
    pub proposal: Proposal,
    /// The orders it may pay, the likeliest first.
    pub orders: Vec<MatchedOrder>,
}

/// An order that a transfer may pay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct MatchedOrder {
    /// Its number.
    pub number: String,
    /// What is open.
    pub open: Money,
    /// How much speaks for it, from 0 to 1.
    pub score: f64,
    /// What speaks for it, and against.
    pub reasons: Vec<String>,
}

/// The most characters of a statement; a longer one is given in parts.
const LONGEST: usize = 500_000;

impl Operation for MatchBankStatement {
    const NAME: &'static str = "match_bank_statement";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Permission = Permission::PaymentsConfirm;
    type Output = MatchedStatement;
    type Error = MatchBankStatementError;

    async fn run(self, app: &App, cx: &Cx) -> Result<MatchedStatement, MatchBankStatementError> {
        let length = self.statement.chars().count();
        if length > LONGEST {
            return Err(MatchBankStatementError::TooLong(length));
        }
        let mut tx = app.store().read(cx).await?;
        let organization = organizations::current(tx.conn()).await?;
        let text = self.statement.replace('\0', "");
        let statement = read_statement(text.as_bytes(), organization.currency)?;
        let waiting = orders::waiting(tx.conn()).await?;
        let open: Vec<OpenOrder> = waiting.iter().map(open_order).collect();
        let by_id: HashMap<OrderId, &OpenOrder> =
            open.iter().map(|order| (order.id, order)).collect();
        let matches = match_statement(&statement.lines, &open);
        let came_in = |(line, _): &(&StatementLine, _)| line.amount.amount > 0;
        let pairs = statement.lines.iter().zip(matches).filter(came_in);
        let transfers = pairs.map(|(line, found)| transfer(cx, line, found.verdict, &by_id));
        let skipped = statement.skipped.iter();
        Ok(MatchedStatement {
            transfers: transfers.collect(),
            skipped: skipped
                .map(|skipped| format!("row {}: {}", skipped.row, skipped.why))
                .collect(),
            waiting: open.len(),
        })
    }
}

fn open_order(row: &crate::orders::model::OrderRow) -> OpenOrder {
    OpenOrder {
        id: row.id,
        number: row.number.clone(),
        owed: row.open(),
        buyer_name: row.buyer_name.as_str().to_owned(),
    }
}

fn transfer(
    cx: &Cx,
    line: &StatementLine,
    verdict: Verdict,
    open: &HashMap<OrderId, &OpenOrder>,
) -> MatchedTransfer {
    let (proposal, candidates) = match verdict {
        Verdict::Accepted(candidate) => (Proposal::Certain, vec![candidate]),
        Verdict::Unclear(candidates) => (Proposal::Unclear, candidates),
        Verdict::Nothing => (Proposal::Nothing, Vec::new()),
    };
    let of = |candidate: &Candidate| {
        let order = open.get(&candidate.order_id)?;
        Some(MatchedOrder {
            number: order.number.clone(),
            open: order.owed,
            score: candidate.score,
            reasons: candidate.reasons.iter().map(reason).collect(),
        })
    };
    MatchedTransfer {
        row: line.row,
        date: line.date,
        amount: line.amount,
        // It names whoever sent it.
        purpose: cx
            .may(Permission::AttendeesPersonal)
            .then(|| Untrusted::new(&line.purpose)),
        proposal,
        orders: candidates.iter().filter_map(of).collect(),
    }
}

fn reason(reason: &Reason) -> String {
    match reason {
        Reason::Number => "the order number stands there".to_owned(),
        Reason::ScatteredNumber => "the order number stands there, with gaps".to_owned(),
        Reason::AlmostNumber => "nearly the order number stands there".to_owned(),
        Reason::ExactAmount => "it is exactly what is open".to_owned(),
        Reason::TooLittle(missing) => format!("it is {missing} too little"),
        Reason::TooMuch(more) => format!("it is {more} too much"),
        Reason::Name(_) => "who paid is called like the buyer".to_owned(),
    }
}

/// How `match_bank_statement` refuses.
#[derive(Debug, thiserror::Error)]
pub enum MatchBankStatementError {
    /// It is too long to look through at once.
    #[error("the statement has {0} characters; at most {LONGEST} are read at once")]
    TooLong(usize),
    /// It is no statement.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const TOO_LONG: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "statement_too_long",
    "Give it in parts, each with the heading.",
);
const NOT_READABLE: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "statement_unreadable",
    "Give the text of the bank's CSV file with its heading: a row that names amount and reference.",
);

impl Fault for MatchBankStatementError {
    fn specs() -> Vec<FaultSpec> {
        vec![TOO_LONG, NOT_READABLE]
    }

    fn facts(&self) -> Facts {
        match self {
            Self::TooLong(_) => TOO_LONG.at("statement"),
            Self::Statement(_) => NOT_READABLE.at("statement"),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for MatchBankStatementError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        orders::{CancelOrder, ConfirmPayment},
        permission::Role,
        testing::{Scene, assert_refused},
    };

    fn matching(rows: &str) -> MatchBankStatement {
        MatchBankStatement {
            statement: format!("Date;Amount;Currency;Reference;Name\n{rows}"),
        }
    }

    #[tokio::test]
    async fn proposes_what_is_clear_and_asks_about_the_rest() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 20).await;
        let first = scene.order(event.id, 2).await.order;
        let second = scene.order(event.id, 1).await.order;
        let gone = scene.order(event.id, 1).await.order;
        scene.run(CancelOrder::of(gone.id.into())).await.unwrap();
        let rows = format!(
            "2027-01-10;50,00;EUR;Tickets {};Ada Lovelace\n\
             2027-01-10;20,00;EUR;{};Ada Lovelace\n\
             2027-01-10;25,00;EUR;{};Ada Lovelace\n\
             2027-01-10;25,00;USD;{};Ada Lovelace\n\
             2027-01-10;-9,90;EUR;Bank fee;Bank\n\
             2027-01-10;25,00;EUR;Rent;Somebody Else\n\
             2027-01-10;many;EUR;x;y\n",
            first.number, second.number, gone.number, second.number
        );
        let found = scene.run(matching(&rows)).await.unwrap();
        assert_eq!((found.waiting, found.skipped.len()), (2, 1), "{found:?}");
        let seen: Vec<_> = found
            .transfers
            .iter()
            .map(|transfer| (transfer.row, transfer.proposal))
            .collect();
        assert_eq!(seen[0], (2, Proposal::Certain));
        assert_eq!(seen[1], (3, Proposal::Unclear), "{:?}", found.transfers[1]);
        assert_ne!(seen[2].1, Proposal::Certain, "its order is cancelled");
        assert_ne!(seen[3].1, Proposal::Certain, "in another currency");
        assert_ne!(seen[4], (7, Proposal::Certain));
        assert_eq!(seen.len(), 5, "a fee is no transfer that came in");
        assert_eq!(found.transfers[0].orders[0].number, first.number);
        let little = &found.transfers[1].orders[0].reasons;
        assert!(
            little.contains(&"it is 5.00 EUR too little".to_owned()),
            "{little:?}"
        );
        // The organizer agrees; the same statement once more proposes it to nobody.
        let confirm = ConfirmPayment {
            amount: Some(found.transfers[0].amount),
            received_on: found.transfers[0].date,
            ..ConfirmPayment::of(first.number.parse().unwrap())
        };
        scene.run(confirm).await.unwrap();
        let again = scene.run(matching(&rows)).await.unwrap();
        assert_eq!(again.transfers[0].proposal, Proposal::Nothing);
    }

    #[tokio::test]
    async fn two_transfers_for_one_order_are_for_a_person_to_look_at() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 20).await;
        let order = scene.order(event.id, 1).await.order;
        let row = format!("2027-01-10;25,00;EUR;{};Ada Lovelace\n", order.number);
        let found = scene.run(matching(&format!("{row}{row}"))).await.unwrap();
        let unclear = |transfer: &MatchedTransfer| transfer.proposal == Proposal::Unclear;
        assert!(found.transfers.iter().all(unclear), "{found:?}");
    }

    #[tokio::test]
    async fn refuses_what_is_no_statement_and_who_may_not() {
        let scene = Scene::new().await;
        let nothing = MatchBankStatement {
            statement: "hello".to_owned(),
        };
        assert_refused(scene.run(nothing).await, "statement_unreadable");
        let long = matching(&"x".repeat(LONGEST));
        assert_refused(scene.run(long).await, "statement_too_long");
        let viewer = scene.as_role(Role::Viewer);
        assert_refused(scene.app.run(&viewer, matching("")).await, "forbidden");
        // What another organization sold is not there.
        let (event, _) = scene.on_sale(2500, 5).await;
        let order = scene.order(event.id, 1).await.order;
        let row = format!("2027-01-10;25,00;EUR;{};Ada\n", order.number);
        let other = scene.other_organization().await;
        let found = scene.app.run(&other, matching(&row)).await.unwrap();
        assert_eq!(
            (found.waiting, found.transfers[0].proposal),
            (0, Proposal::Nothing)
        );
        // Without the right to see names, what people wrote is not shown.
        let mut masked = scene.cx.clone();
        masked.permissions = [Permission::PaymentsConfirm].into_iter().collect();
        let found = scene.app.run(&masked, matching(&row)).await.unwrap();
        assert_eq!(found.transfers[0].purpose, None);
    }
}
