"""Judges the crate `payments` by other people's programs.

    payments.py --simulator PROGRAM --ask PROGRAM

Stripe's official Python SDK talks to our simulator and checks the signatures of its webhooks; our adapter checks
signatures that the SDK made, and both must say the same of good and of bad ones; localstripe, somebody else's stand-in
for Stripe, is driven by our adapter for payments and refunds. `--ask` is the example `ask`, which puts the adapter
behind lines of JSON. Everything listens on this machine only. Prints one line per finding that is wrong, and a summary.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import stripe

KEY = "sk_test_checks"
SECRET = "whsec_checks"
PATIENCE = 20.0
# What the simulator has to tell of all that `judge_sdk` does; each is sent twice.
TOLD = 11

failures = []
checked = 0


def expect(truth, what):
    global checked
    checked += 1
    if not truth:
        failures.append(what)


def expect_refusal(kind, code, call, what):
    """The SDK must turn our simulator's refusal into the error that Stripe's own would become."""
    try:
        answer = call()
    except stripe.StripeError as error:
        expect(type(error) is kind and error.code == code, f"{what}: {type(error).__name__} {error.code}: {error}")
    else:
        expect(False, f"{what}: was not refused: {answer}")


class Hooks(BaseHTTPRequestHandler):
    """Takes webhooks as they come."""

    taken = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        Hooks.taken.append((self.headers["Stripe-Signature"], body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


class Stays(urllib.request.HTTPRedirectHandler):
    """A browser that says where it is sent and does not go there."""

    def redirect_request(self, *_):
        return None


def press(url, action):
    """Presses a button of the page; where that leads."""
    try:
        urllib.request.build_opener(Stays).open(f"{url}/{action}", data=b"", timeout=10)
    except urllib.error.HTTPError as answer:
        return answer.headers["Location"]
    raise RuntimeError("the page did not redirect")


class Adapter:
    """Our adapter, behind the example `ask`."""

    def __init__(self, program, url):
        environment = os.environ | {"CHECK_STRIPE_URL": url, "CHECK_STRIPE_KEY": KEY}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([program], env=environment, stdin=pipe, stdout=pipe, text=True)

    def ask(self, **question):
        print(json.dumps(question), file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=10)


def until(ready, what):
    deadline = time.monotonic() + PATIENCE
    while not ready():
        if time.monotonic() > deadline:
            sys.exit(f"{what} did not come within {PATIENCE:.0f} s")
        time.sleep(0.05)


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def session_of(client, number, **more):
    line = {
        "price_data": {"currency": "eur", "unit_amount": 1800, "product_data": {"name": "Größe & Co"}},
        "quantity": 2,
    }
    return client.v1.checkout.sessions.create(
        {
            "mode": "payment",
            "line_items": [line],
            "client_reference_id": f"order-{number}",
            "success_url": "https://tickets.example.org/paid?c={CHECKOUT_SESSION_ID}",
            "cancel_url": "https://tickets.example.org/back",
            "expires_at": int(time.time()) + 3600,
            "metadata": {"order_id": f"order-{number}"},
            "payment_intent_data": {"metadata": {"order_id": f"order-{number}"}, "description": "K7M2XQP"},
        }
        | more,
        {"idempotency_key": f"session-{number}"},
    )


def judge_sdk(client, url):
    """The official SDK finds in our simulator what it knows of Stripe."""
    session = session_of(client, 1)
    expect(session.object == "checkout.session" and session.status == "open", str(session))
    expect(session.amount_total == 3600 and session.currency == "eur", str(session))
    expect(session_of(client, 1).id == session.id, "a repeat under one key made a second checkout")
    expect_refusal(
        stripe.IdempotencyError, None, lambda: session_of(client, 1, client_reference_id="other"), "a key used twice"
    )
    expect(press(session.url, "decline") == f"/pay/{session.id}", "declined")
    failed = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent"]}).payment_intent
    expect(failed.status == "requires_payment_method", str(failed))
    expect(failed.last_payment_error.decline_code == "generic_decline", str(failed))
    press(session.url, "authenticate")
    expect(client.v1.payment_intents.retrieve(failed.id).status == "requires_action", "3-D Secure")
    expect(press(session.url, "complete") == f"https://tickets.example.org/paid?c={session.id}", "3-D Secure, done")
    paid = client.v1.checkout.sessions.retrieve(session.id)
    expect(paid.status == "complete" and paid.payment_status == "paid" and paid.url is None, str(paid))
    intent = client.v1.payment_intents.retrieve(paid.payment_intent, {"expand": ["latest_charge"]})
    expect(intent.status == "succeeded" and intent.amount_received == 3600, str(intent))
    expect(intent.metadata["order_id"] == "order-1" and intent.latest_charge.amount == 3600, str(intent))
    judge_refunds(client, intent)
    other = session_of(client, 2)
    closed = client.v1.checkout.sessions.expire(other.id)
    expect(closed.status == "expired" and closed.url is None, str(closed))
    expect_refusal(
        stripe.InvalidRequestError, None, lambda: client.v1.checkout.sessions.expire(other.id), "expired twice"
    )
    expect_refusal(
        stripe.InvalidRequestError,
        "resource_missing",
        lambda: client.v1.payment_intents.retrieve("pi_none"),
        "a payment that is none",
    )
    stranger = stripe.StripeClient("sk_test_other", base_addresses={"api": url})
    expect_refusal(stripe.AuthenticationError, None, lambda: stranger.v1.refunds.list(), "another key")
    return intent


def judge_refunds(client, intent):
    wish = {"payment_intent": intent.id, "amount": 1000, "metadata": {"refund_id": "ref_1"}}
    first = client.v1.refunds.create(wish, {"idempotency_key": "refund-1"})
    expect(first.status == "succeeded" and first.amount == 1000, str(first))
    again = client.v1.refunds.create(wish, {"idempotency_key": "refund-1"})
    expect(again.id == first.id and again.last_response.headers["idempotent-replayed"] == "true", str(again))
    expect(client.v1.refunds.retrieve(first.id).metadata["refund_id"] == "ref_1", "a refund looked up")
    expect_refusal(
        stripe.InvalidRequestError,
        None,
        lambda: client.v1.refunds.create({"payment_intent": intent.id, "amount": 2601}),
        "more than is left",
    )
    client.v1.refunds.create({"payment_intent": intent.id})
    expect_refusal(
        stripe.InvalidRequestError,
        "charge_already_refunded",
        lambda: client.v1.refunds.create({"payment_intent": intent.id}),
        "nothing left",
    )
    made = [refund.amount for refund in client.v1.refunds.list({"payment_intent": intent.id}).data]
    expect(made == [2600, 1000], str(made))


def judge_webhooks(client, adapter):
    """The SDK believes our webhooks, and we those that it signs; and both disbelieve the same."""
    until(lambda: len(Hooks.taken) >= 2 * TOLD, "the webhooks")
    expect(len(Hooks.taken) == 2 * TOLD, f"{len(Hooks.taken)} webhooks of {TOLD} notices")
    told = {}
    for header, body in Hooks.taken:
        event = stripe.Webhook.construct_event(body, header, SECRET)
        told[event.id] = event
        ours = adapter.ask(ask="verify", header=header, body=body.decode(), secrets=["whsec_old", SECRET])
        expect(ours["ok"] and ours["said"].startswith(event.id), str(ours))
    kinds = sorted(event.type for event in told.values())
    expect(kinds.count("checkout.session.completed") == 1 and kinds.count("refund.created") == 2, str(kinds))
    listed = list(client.v1.events.list({"limit": 3}).auto_paging_iter())
    expect({event.id for event in listed} == set(told), f"{len(listed)} listed, {len(told)} delivered")
    undelivered = client.v1.events.list({"delivery_success": False}).data
    expect(undelivered == [], f"{len(undelivered)} undelivered")

    body = json.dumps({"id": "evt_1", "object": "event", "type": "charge.refunded", "data": {"object": {"ü": 1}}})
    now = int(time.time())
    made = stripe.WebhookSignature.generate_signature_header
    good, rolled = made(body, SECRET, now), made(body, "whsec_next", now)
    cases = {
        "good": (good, body),
        "two signatures": (f"{rolled},{good.split(',')[1]}", body),
        "an unknown scheme beside": (f"{good},v0=00,v9=zz", body),
        "nearly too old": (made(body, SECRET, now - 290), body),
        "too old": (made(body, SECRET, now - 400), body),
        "another secret": (rolled, body),
        "another body": (good, body + " "),
        "another time": (good.replace(f"t={now}", f"t={now - 1}"), body),
        "only an old scheme": (good.replace("v1=", "v0="), body),
        "cut short": (good[:-2], body),
        "no signature": (f"t={now}", body),
        "nothing": ("", body),
    }
    for name, (header, body) in cases.items():
        try:
            stripe.WebhookSignature.verify_header(body, header, SECRET, 300)
            theirs = True
        except stripe.SignatureVerificationError:
            theirs = False
        ours = adapter.ask(ask="verify", header=header, body=body, secrets=[SECRET])
        expect(ours["ok"] == theirs, f"{name}: the SDK says {theirs}, we say {ours}")
    return len(Hooks.taken), len(cases)


def judge_against_localstripe(program):
    """Our adapter understands somebody else's Stripe."""
    port = free_port()
    # Its own command listens on every interface, and it keeps everything in one file that another account may own.
    code = "\n".join(
        (
            "from aiohttp import web",
            "from localstripe.resources import Store",
            "from localstripe.server import app",
            "Store.dump_to_disk = lambda self: None",
            f"web.run_app(app, host='127.0.0.1', port={port})",
        )
    )
    server = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: answers(port), "localstripe")
        url = f"http://127.0.0.1:{port}"
        client = stripe.StripeClient(KEY, base_addresses={"api": url})
        card = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2040, "cvc": "123"}
        method = client.v1.payment_methods.create({"type": "card", "card": card})
        wish = {"amount": 3600, "currency": "eur", "payment_method": method.id}
        intent = client.v1.payment_intents.create(wish)
        adapter = Adapter(program, url)
        open_ = adapter.ask(ask="payment", payment=intent.id)
        expect(open_["ok"] and "state: Open" in open_["said"], str(open_))
        client.v1.payment_intents.confirm(intent.id)
        paid = adapter.ask(ask="payment", payment=intent.id)
        expect(paid["ok"] and "state: Succeeded" in paid["said"], str(paid))
        money = "Money { amount: 3600, currency: EUR }"
        expect(f"received: {money}" in paid["said"], str(paid))
        made = adapter.ask(ask="refund", payment=intent.id, number=1, amount=1000, currency="EUR")
        expect(made["ok"] and "state: Succeeded" in made["said"], str(made))
        found = adapter.ask(ask="find_refund", payment=intent.id, number=1)
        expect(found["ok"] and found["said"] == f"Some({made['said']})", str(found))
        missing = adapter.ask(ask="find_refund", payment=intent.id, number=2)
        expect(missing == {"ok": True, "said": "None"}, str(missing))
        reference = made["said"].split("id: ")[1].split(",")[0]
        again = adapter.ask(ask="get_refund", id=reference)
        expect(again == made, str(again))
        theirs = client.v1.refunds.retrieve(reference)
        expect(theirs.amount == 1000 and theirs.payment_intent == intent.id, str(theirs))
        refused = adapter.ask(ask="payment", payment="pi_none")
        expect(not refused["ok"] and "Refused" in refused["said"], str(refused))
        adapter.close()
    finally:
        server.terminate()
        server.wait(timeout=10)


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--simulator", required=True)
    options.add_argument("--ask", required=True)
    options = options.parse_args()
    hooks = ThreadingHTTPServer(("127.0.0.1", 0), Hooks)
    threading.Thread(target=hooks.serve_forever, daemon=True).start()
    command = [options.simulator, "--listen", "127.0.0.1:0", "--api-key", KEY, "--webhook-secret", SECRET]
    command += ["--webhook-url", f"http://127.0.0.1:{hooks.server_address[1]}/hook", "--copies", "2", "--reversed"]
    simulator = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        url = simulator.stdout.readline().strip()
        # A refusal must not be asked for again: it would hide what it is.
        client = stripe.StripeClient(KEY, base_addresses={"api": url}, max_network_retries=0)
        judge_sdk(client, url)
        adapter = Adapter(options.ask, url)
        webhooks, signatures = judge_webhooks(client, adapter)
        adapter.close()
    finally:
        simulator.terminate()
        simulator.wait(timeout=10)
    judge_against_localstripe(options.ask)
    for failure in failures:
        print(failure, file=sys.stderr)
    print(f"{webhooks} webhooks, {signatures} signatures, {checked} findings, {len(failures)} wrong")
    sys.exit(1 if failures else 0)


main()
