//! What buyers do on the page, and what becomes of their money.

use domain::RefundId;
use payments::{
    CheckoutId, CheckoutState, PaymentState, Processor as _, Reason, RefundReference, RefundState,
};
use uuid::Uuid;

use crate::scene::{Scene, euros, money, refund, request};

#[tokio::test]
async fn from_the_page_to_the_last_cent_given_back() {
    let scene = Scene::new().await;
    let wish = request(1, euros(3_600));
    let checkout = scene.stripe.create_checkout(&wish).await.unwrap();
    assert_eq!(checkout.state, CheckoutState::Open);
    assert_eq!(checkout.amount, euros(3_600));
    assert_eq!(checkout.order_id, Some(wish.order_id));
    assert_eq!(checkout.payment, None);
    // Asked again, it is the same page.
    assert_eq!(scene.stripe.create_checkout(&wish).await.unwrap(), checkout);

    let page = scene.page(checkout.page_url.as_ref().unwrap()).await;
    assert!(page.contains("Spring &lt;concert&gt; &amp; more") && page.contains("36.00 EUR"));
    assert!(page.contains("no money moves") && page.contains("K7M2XQP"));
    let to = scene.choose(&checkout, "pay").await;
    let expected = format!("https://tickets.example.org/paid?checkout={}", checkout.id);
    assert_eq!(to, expected);

    let paid = scene.stripe.get_checkout(&checkout.id).await.unwrap();
    assert_eq!((paid.state, paid.page_url), (CheckoutState::Paid, None));
    let reference = paid.payment.unwrap();
    let payment = scene.stripe.get_payment(&reference).await.unwrap();
    assert_eq!(payment.state, PaymentState::Succeeded);
    assert_eq!(payment.received, euros(3_600));
    assert_eq!(payment.order_id, Some(wish.order_id));
    let page = format!("{}/pay/{}", scene.url, checkout.id);
    assert!(scene.page(&page).await.contains("This order is paid"));

    // A part, twice asked for, once given.
    let part = refund(1, &reference, euros(1_000));
    let first = scene.stripe.refund(&part).await.unwrap();
    assert_eq!(first.state, RefundState::Succeeded);
    assert_eq!(first.refund_id, Some(part.refund_id));
    assert_eq!(scene.stripe.refund(&part).await.unwrap(), first);
    assert_eq!(scene.stripe.get_refund(&first.id).await.unwrap(), first);
    let found = scene.stripe.find_refund(&reference, part.refund_id).await;
    assert_eq!(found.unwrap(), Some(first));
    let other = RefundId::from(Uuid::from_u128(99));
    let missing = scene.stripe.find_refund(&reference, other).await;
    assert_eq!(missing.unwrap(), None);
    let payment = scene.stripe.get_payment(&reference).await.unwrap();
    assert_eq!(payment.refunded, euros(1_000));

    let too_much = refund(2, &reference, euros(2_601));
    let error = scene.stripe.refund(&too_much).await.unwrap_err();
    assert_eq!(error.refusal().unwrap().reason, Reason::MoreThanLeft);
    let rest = refund(3, &reference, euros(2_600));
    scene.stripe.refund(&rest).await.unwrap();
    let nothing_left = refund(4, &reference, euros(1));
    let error = scene.stripe.refund(&nothing_left).await.unwrap_err();
    assert_eq!(error.refusal().unwrap().reason, Reason::AlreadyRefunded);
    let code = error.refusal().unwrap().code.as_deref();
    assert_eq!(code, Some("charge_already_refunded"));
    let payment = scene.stripe.get_payment(&reference).await.unwrap();
    assert_eq!(payment.refunded, euros(3_600));
}

#[tokio::test]
async fn declined_then_unproven_then_paid() {
    let scene = Scene::new().await;
    let checkout = scene.checkout(1, euros(3_600)).await;
    let page = checkout.page_url.as_ref().unwrap();
    let back = format!("/pay/{}", checkout.id);
    assert_eq!(scene.choose(&checkout, "decline").await, back);
    assert!(scene.page(page).await.contains("Your card was declined."));
    let open = scene.stripe.get_checkout(&checkout.id).await.unwrap();
    assert_eq!(open.state, CheckoutState::Open);
    let reference = open.payment.unwrap();
    let payment = scene.stripe.get_payment(&reference).await.unwrap();
    assert_eq!(payment.state, PaymentState::Open);
    let decline = payment.decline.unwrap();
    assert_eq!(decline.code.as_deref(), Some("generic_decline"));
    assert!(payment.received.is_zero());
    // Nothing can be given back of it.
    let early = refund(1, &reference, euros(100));
    assert!(
        scene
            .stripe
            .refund(&early)
            .await
            .unwrap_err()
            .refusal()
            .is_some()
    );

    let asked = scene.choose(&checkout, "authenticate").await;
    assert_eq!(asked, format!("{back}/challenge"));
    let challenge = scene.page(&format!("{}{asked}", scene.url)).await;
    assert!(challenge.contains("Your bank wants to know that it is you"));
    let payment = scene.stripe.get_payment(&reference).await.unwrap();
    assert_eq!(payment.state, PaymentState::Authenticating);
    assert_eq!(scene.choose(&checkout, "fail").await, back);
    assert!(
        scene
            .page(page)
            .await
            .contains("did not confirm that it is you")
    );
    // The question is answered: it cannot be answered again.
    assert_eq!(scene.choose(&checkout, "complete").await, back);
    let open = scene.stripe.get_checkout(&checkout.id).await.unwrap();
    assert_eq!(open.state, CheckoutState::Open);

    scene.choose(&checkout, "authenticate").await;
    scene.choose(&checkout, "complete").await;
    let paid = scene.stripe.get_checkout(&checkout.id).await.unwrap();
    assert_eq!(paid.state, CheckoutState::Paid);
    assert_eq!(paid.payment, Some(reference.clone()));
    let payment = scene.stripe.get_payment(&reference).await.unwrap();
    assert_eq!(
        (payment.state, payment.decline),
        (PaymentState::Succeeded, None)
    );
}

#[tokio::test]
async fn abandoned_and_closed_or_paid_before_that() {
    let scene = Scene::new().await;
    let left = scene.checkout(1, euros(3_600)).await;
    let page = scene.page(left.page_url.as_ref().unwrap()).await;
    assert!(page.contains("href=\"https://tickets.example.org/back?a=1&amp;b=2\""));
    let closed = scene.stripe.expire_checkout(&left.id).await.unwrap();
    assert_eq!(closed.state, CheckoutState::Expired);
    // Again, and by a buyer who comes too late.
    assert_eq!(
        scene.stripe.expire_checkout(&left.id).await.unwrap(),
        closed
    );
    scene.choose(&left, "pay").await;
    assert_eq!(scene.stripe.get_checkout(&left.id).await.unwrap(), closed);
    let page = format!("{}/pay/{}", scene.url, left.id);
    assert!(scene.page(&page).await.contains("This page has closed"));

    let quick = scene.checkout(2, euros(3_600)).await;
    scene.choose(&quick, "pay").await;
    let paid = scene.stripe.expire_checkout(&quick.id).await.unwrap();
    assert_eq!(paid.state, CheckoutState::Paid);
}

#[tokio::test]
async fn amounts_arrive_in_currencies_of_every_kind() {
    let scene = Scene::new().await;
    for (order, amount) in (1..).zip([
        money(2_500, "JPY"),
        money(12_340, "KWD"),
        money(7, "UGX"),
        money(1_990, "ISK"),
        euros(1),
    ]) {
        let reference = scene.paid(order, amount).await;
        let payment = scene.stripe.get_payment(&reference).await.unwrap();
        assert_eq!((payment.amount, payment.received), (amount, amount));
        let back = refund(order, &reference, amount);
        assert_eq!(scene.stripe.refund(&back).await.unwrap().amount, amount);
    }
    let odd = request(99, money(1_234, "KWD"));
    let error = scene.stripe.create_checkout(&odd).await.unwrap_err();
    assert_eq!(error.refusal().unwrap().reason, Reason::AmountNotPossible);
}

#[tokio::test]
async fn a_refund_that_the_bank_sends_back_is_seen() {
    let scene = Scene::new().await;
    let reference = scene.paid(1, euros(3_600)).await;
    let made = scene
        .stripe
        .refund(&refund(1, &reference, euros(3_600)))
        .await
        .unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/_simulator/refunds/{}/fail", scene.url, made.id);
    let done = client
        .post(&url)
        .bearer_auth("sk_test_simulator")
        .send()
        .await
        .unwrap();
    assert_eq!(done.status(), 204);
    assert_eq!(client.post(&url).send().await.unwrap().status(), 401);
    let failed = scene.stripe.get_refund(&made.id).await.unwrap();
    let why = Some("lost_or_stolen_card".to_owned());
    assert_eq!(failed.state, RefundState::Failed { why });
    let payment = scene.stripe.get_payment(&reference).await.unwrap();
    assert!(payment.refunded.is_zero());
    // The money is there again, and can be given back in another way.
    assert!(
        scene
            .stripe
            .refund(&refund(2, &reference, euros(3_600)))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let scene = Scene::new().await;
    let checkout = scene.stripe.get_checkout(&CheckoutId::new("cs_1")).await;
    let expired = scene.stripe.expire_checkout(&CheckoutId::new("cs_1")).await;
    let refund = scene
        .stripe
        .get_refund(&RefundReference::new("../events"))
        .await;
    for error in [
        checkout.unwrap_err(),
        expired.unwrap_err(),
        refund.unwrap_err(),
    ] {
        assert_eq!(error.refusal().unwrap().reason, Reason::NotFound);
    }
}
