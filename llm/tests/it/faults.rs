//! What goes wrong between here and there.

use std::time::Duration;

use llm::{ChatEvent, ModelError, Retrying, complete, testing::script::Fault};

use crate::{call, fails, hello, says, talk};

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    let passing = [
        Fault::RateLimited,
        Fault::Overloaded,
        Fault::Broken,
        Fault::Truncated,
        Fault::Disconnected,
        Fault::Malformed,
        Fault::Stalled,
        Fault::ErrorEvent,
    ];
    for fault in passing {
        let (fake, model) = talk(vec![fails(fault), fails(fault), says("Here I am.")]).await;
        let reply = complete(&Retrying::new(model), &hello(), &call(), &mut |_| ()).await;
        assert_eq!(reply.unwrap().text(), "Here I am.", "{fault:?}");
        assert_eq!(fake.requests().len(), 3, "{fault:?}");
    }
}

#[tokio::test]
async fn what_stays_is_not() {
    for fault in [Fault::Invalid, Fault::Unauthorized, Fault::SpendLimit] {
        let (fake, model) = talk(vec![fails(fault), says("Never.")]).await;
        let refused = complete(&Retrying::new(model), &hello(), &call(), &mut |_| ()).await;
        let refused = refused.unwrap_err();
        assert!(matches!(refused, ModelError::Status { .. }), "{refused}");
        assert!(!refused.to_string().contains("key-of-a-test"));
        assert_eq!(fake.requests().len(), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn patience_ends() {
    let (fake, model) = talk(vec![fails(Fault::Overloaded); 9]).await;
    let error = complete(&Retrying::new(model), &hello(), &call(), &mut |_| ()).await;
    assert!(matches!(
        error.unwrap_err(),
        ModelError::Status { status: 529, .. }
    ));
    assert_eq!(fake.requests().len(), 3);
}

#[tokio::test]
async fn words_of_a_reply_that_broke_off_are_called_void() {
    let (_, model) = talk(vec![fails(Fault::Truncated), says("All of it.")]).await;
    let mut seen = String::new();
    let mut restarts = 0;
    let mut on_event = |event: &ChatEvent| match event {
        ChatEvent::Text(piece) => seen.push_str(piece),
        ChatEvent::Restarted { .. } => {
            restarts += 1;
            seen.clear();
        }
        _ => {}
    };
    let model = Retrying::new(model);
    let reply = complete(&model, &hello(), &call(), &mut on_event)
        .await
        .unwrap();
    assert_eq!(reply.text(), "All of it.");
    assert_eq!((restarts, seen.as_str()), (1, "All of it."));
}

#[tokio::test]
async fn without_retries_each_fault_has_its_name() {
    let told = [
        (Fault::Truncated, "broke off"),
        (Fault::Disconnected, "broke off"),
        (Fault::Malformed, "cannot be read"),
        (Fault::Stalled, "fell silent"),
        (
            Fault::ErrorEvent,
            "in the middle of a reply (overloaded_error)",
        ),
    ];
    for (fault, words) in told {
        let (_, model) = talk(vec![fails(fault)]).await;
        let error = complete(&model, &hello(), &call(), &mut |_| ())
            .await
            .unwrap_err();
        assert!(error.to_string().contains(words), "{fault:?}: {error}");
    }
}

#[tokio::test]
async fn control_without_an_end_to_patience_a_stalled_reply_hangs() {
    let (_, model) = talk(vec![fails(Fault::Stalled)]).await;
    let mut patient = call();
    patient.patience.idle = Duration::from_mins(5);
    let asked = hello();
    let mut deaf = |_: &ChatEvent| ();
    let hanging = complete(&model, &asked, &patient, &mut deaf);
    assert!(
        tokio::time::timeout(Duration::from_secs(1), hanging)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn whoever_goes_away_waits_no_longer() {
    let (_, model) = talk(vec![fails(Fault::Stalled)]).await;
    let call = call();
    let cancel = call.cancel.clone();
    let asked = hello();
    let mut on_event = move |event: &ChatEvent| {
        if matches!(event, ChatEvent::Text(_)) {
            cancel.cancel();
        }
    };
    let error = complete(&model, &asked, &call, &mut on_event).await;
    assert_eq!(error.unwrap_err(), ModelError::Cancelled);
}

#[tokio::test]
async fn nobody_there_is_said_plainly() {
    let options = llm::anthropic::Options {
        base_url: "http://127.0.0.1:1".to_owned(),
        ..llm::anthropic::Options::new("claude-sonnet-5-5", "key-of-a-test")
    };
    let model = llm::anthropic::Anthropic::new(options).unwrap();
    let error = complete(&model, &hello(), &call(), &mut |_| ())
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("the model's provider cannot be reached"),
        "{error}"
    );
    assert!(error.is_retryable());
}
