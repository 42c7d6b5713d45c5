//! What goes wrong on the way, and that asking again under the same key does nothing twice.

use std::time::Duration;

use payments::{
    PaymentReference, Processor as _, ProcessorError, Reason, Secret,
    simulator::{Fault, SimulatorOptions},
    stripe::{Stripe, StripeOptions},
};
use tokio::net::TcpListener;

use crate::scene::{Scene, adapter, euros, refund, request};

fn is_unknown(error: &ProcessorError) -> bool {
    matches!(error, ProcessorError::Unknown { .. })
}

fn is_unavailable(error: &ProcessorError) -> bool {
    matches!(error, ProcessorError::Unavailable { .. })
}

#[tokio::test]
async fn too_many_requests_say_how_long_to_wait() {
    let scene = Scene::new().await;
    scene.simulator.add_faults([Fault::Refused {
        status: 429,
        retry_after: Some(7),
    }]);
    let wish = request(1, euros(3_600));
    let error = scene.stripe.create_checkout(&wish).await.unwrap_err();
    let ProcessorError::Unavailable { retry_after, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(*retry_after, Some(Duration::from_secs(7)));
    assert!(scene.stripe.create_checkout(&wish).await.is_ok());
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_and_nothing_is_done_twice() {
    let scene = Scene::new().await;
    let reference = scene.paid(1, euros(10_000)).await;
    let faults = [
        Fault::Cut,
        Fault::DoneButFailed,
        Fault::Refused {
            status: 503,
            retry_after: None,
        },
    ];
    for (id, fault) in (1..).zip(faults) {
        let wish = refund(id, &reference, euros(1_000));
        scene.simulator.add_faults([fault.clone()]);
        let error = scene.stripe.refund(&wish).await.unwrap_err();
        assert!(is_unknown(&error), "{fault:?}: {error}");
        assert!(error.is_worth_repeating());
        // Whether it was done can be seen without asking for it again.
        let found = scene.stripe.find_refund(&reference, wish.refund_id).await;
        let was_done = !matches!(fault, Fault::Refused { .. });
        assert_eq!(found.unwrap().is_some(), was_done, "{fault:?}");
        let made = scene.stripe.refund(&wish).await.unwrap();
        assert_eq!(made.amount, euros(1_000));
        let payment = scene.stripe.get_payment(&reference).await.unwrap();
        assert_eq!(payment.refunded.amount, 1_000 * i64::try_from(id).unwrap());
    }
}

#[tokio::test]
async fn a_slow_answer_is_not_waited_for_for_ever() {
    let scene = Scene::new().await;
    let reference = scene.paid(1, euros(10_000)).await;
    let mut options = StripeOptions::new(Secret::new(SimulatorOptions::API_KEY));
    options.url.clone_from(&scene.url);
    options.timeout = Duration::from_millis(300);
    let hasty = Stripe::new(options).unwrap();
    let slow = || [Fault::Slow { ms: 2_000 }];
    let wish = refund(1, &reference, euros(1_000));
    scene.simulator.add_faults(slow());
    let error = hasty.refund(&wish).await.unwrap_err();
    assert!(is_unknown(&error), "{error}");
    assert!(scene.stripe.refund(&wish).await.is_ok());
    let payment = scene.stripe.get_payment(&reference).await.unwrap();
    assert_eq!(payment.refunded, euros(1_000));
    // Looking something up changes nothing, so there is nothing unknown about it.
    scene.simulator.add_faults(slow());
    let error = hasty.get_payment(&reference).await.unwrap_err();
    assert!(is_unavailable(&error), "{error}");
}

#[tokio::test]
async fn looking_up_through_failures_may_be_tried_again() {
    let scene = Scene::new().await;
    let reference = scene.paid(1, euros(100)).await;
    for fault in [Fault::Cut, Fault::DoneButFailed] {
        scene.simulator.add_faults([fault]);
        let error = scene.stripe.get_payment(&reference).await.unwrap_err();
        assert!(is_unavailable(&error), "{error}");
    }
}

#[tokio::test]
async fn nobody_there_means_nothing_was_done() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let stripe = adapter(&url, "sk_test_1");
    let error = stripe
        .create_checkout(&request(1, euros(100)))
        .await
        .unwrap_err();
    assert!(is_unavailable(&error), "{error}");
}

#[tokio::test]
async fn wrong_settings_are_said_to_be_that() {
    let scene = Scene::new().await;
    let stranger = adapter(&scene.url, "sk_test_hunter2");
    let error = stranger
        .create_checkout(&request(1, euros(100)))
        .await
        .unwrap_err();
    assert!(
        matches!(error, ProcessorError::Misconfigured { .. }),
        "{error}"
    );
    assert!(!error.to_string().contains("hunter2"));
    // Something answers, but it is not Stripe.
    let elsewhere = adapter(&format!("{}/pay", scene.url), SimulatorOptions::API_KEY);
    let error = elsewhere
        .get_payment(&PaymentReference::new("pi_1"))
        .await
        .unwrap_err();
    assert!(
        matches!(error, ProcessorError::Misconfigured { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_known_key_with_other_contents_is_refused() {
    let scene = Scene::new().await;
    let wish = request(1, euros(3_600));
    scene.stripe.create_checkout(&wish).await.unwrap();
    let mut other = wish.clone();
    other.lines[0].unit_amount = euros(3_700);
    let error = scene.stripe.create_checkout(&other).await.unwrap_err();
    assert_eq!(error.refusal().unwrap().reason, Reason::KeyReused);
    other.attempt = 2;
    let next = scene.stripe.create_checkout(&other).await.unwrap();
    assert_eq!(next.amount, euros(3_700));
}

#[tokio::test]
async fn a_refusal_stays_a_refusal_under_its_key() {
    let scene = Scene::new().await;
    let reference = scene.paid(1, euros(1_000)).await;
    let too_much = refund(1, &reference, euros(1_001));
    for _ in 0..2 {
        let error = scene.stripe.refund(&too_much).await.unwrap_err();
        assert_eq!(error.refusal().unwrap().reason, Reason::MoreThanLeft);
    }
}

#[tokio::test]
async fn an_attempt_that_is_asked_for_too_late_needs_another() {
    let scene = Scene::new().await;
    let mut late = request(1, euros(100));
    late.started_at = late.started_at.plus_seconds(-10 * 60);
    let error = scene.stripe.create_checkout(&late).await.unwrap_err();
    assert_eq!(error.refusal().unwrap().reason, Reason::BadExpiry);
}
