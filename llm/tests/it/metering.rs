//! What attempts cost, and that no attempt goes without a line.

use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use llm::{
    CallCx, Ledger, Line, Metered, ModelError, ModelId, Prices, Retrying, Settled, complete,
    testing::script::Fault,
};
use uuid::Uuid;

use crate::{call, fails, hello, says, talk};

#[derive(Default)]
struct Book {
    lines: Mutex<Vec<(i64, Option<Settled>)>>,
    refuse: bool,
}

impl Ledger for Book {
    fn reserve<'a>(
        &'a self,
        _: &'a CallCx,
        _: &'a ModelId,
        worst: i64,
    ) -> BoxFuture<'a, Result<Line, ModelError>> {
        let refuse = self.refuse;
        let mut lines = self.lines.lock().unwrap();
        let place = u128::try_from(lines.len()).unwrap();
        if !refuse {
            lines.push((worst, None));
        }
        Box::pin(async move {
            if refuse {
                return Err(ModelError::Budget("nothing is left".to_owned()));
            }
            Ok(Line(Uuid::from_u128(place)))
        })
    }

    fn settle<'a>(
        &'a self,
        _: &'a CallCx,
        line: Line,
        settled: Settled,
    ) -> BoxFuture<'a, Result<(), ModelError>> {
        let place = usize::try_from(line.0.as_u128()).unwrap();
        self.lines.lock().unwrap()[place].1 = Some(settled);
        Box::pin(async { Ok(()) })
    }
}

#[tokio::test]
async fn each_attempt_is_a_line_and_costs_no_more_than_was_reserved() {
    let (_, model) = talk(vec![
        fails(Fault::Overloaded),
        fails(Fault::Truncated),
        says("Done."),
    ])
    .await;
    let book = Arc::new(Book::default());
    let metered = Metered::new(
        model,
        Arc::new(Prices::builtin()),
        Arc::<Book>::clone(&book),
    );
    complete(&Retrying::new(metered), &hello(), &call(), &mut |_| ())
        .await
        .unwrap();
    let lines = book.lines.lock().unwrap().clone();
    let settled: Vec<&Settled> = lines.iter().map(|line| line.1.as_ref().unwrap()).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(settled[0].cost, Some(0), "refused before it began");
    assert_eq!(
        settled[1].cost, None,
        "what it was, only the provider knows"
    );
    assert!(settled[1].outcome.starts_with("error: "));
    let cost = settled[2].cost.unwrap();
    assert!(0 < cost && cost <= lines[2].0, "{lines:?}");
    assert!(settled[2].first_token_ms.is_some());
}

#[tokio::test]
async fn beyond_the_budget_and_without_a_price_nothing_is_asked() {
    let (fake, model) = talk(vec![says("Never.")]).await;
    let book = Arc::new(Book {
        refuse: true,
        ..Book::default()
    });
    let metered = Metered::new(model, Arc::new(Prices::builtin()), book);
    let refused = complete(&Retrying::new(metered), &hello(), &call(), &mut |_| ()).await;
    assert_eq!(
        refused.unwrap_err(),
        ModelError::Budget("nothing is left".to_owned())
    );
    let (_, model) = talk(vec![says("Never.")]).await;
    let unpriced = Metered::new(
        model,
        Arc::new(Prices::default()),
        Arc::new(Book::default()),
    );
    let refused = complete(&unpriced, &hello(), &call(), &mut |_| ()).await;
    assert!(matches!(refused.unwrap_err(), ModelError::PriceUnknown(_)));
    assert!(fake.requests().is_empty());
}
