"""Takes what EventOS's adapters hand over, with other people's programs, and judges it.

maildev takes the mails; aiosmtpd refuses some recipients; a stand-in with the form of Twilio's REST interface takes
text messages; a small server takes a webhook and checks its signature. Mails are read back from maildev and parsed by
Python's strict policy; calendar files are read by the `icalendar` package. Prints one line per finding.
"""

import argparse
import base64
import email
import email.policy
import email.utils
import hashlib
import hmac
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import icalendar
from aiosmtpd.controller import Controller

failures = []
checked = 0


def expect(truth, what):
    global checked
    checked += 1
    if not truth:
        failures.append(what)


class Refusing:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody@"):
            return "550 5.1.1 There is no such mailbox here"
        if address.startswith("busy@"):
            return "451 4.7.1 Try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        return "250 Taken"


class Http(BaseHTTPRequestHandler):
    texts = []
    webhooks = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/hook":
            self.webhooks.append((dict(self.headers), body))
            return self.answer(204, None)
        return self.sms(body)

    def sms(self, body):
        user = base64.b64encode(b"AC1:right").decode()
        if self.path != "/2010-04-01/Accounts/AC1/Messages.json":
            return self.answer(404, {"code": 20404, "message": "not found"})
        if self.headers["Authorization"] != f"Basic {user}":
            return self.answer(401, {"code": 20003, "message": "Authenticate"})
        form = urllib.parse.parse_qs(body.decode(), strict_parsing=True)
        missing = {"To", "From", "Body"} - form.keys()
        if missing or len(form["To"][0]) > 14:
            return self.answer(400, {"code": 21211, "message": "Invalid 'To' Phone Number"})
        self.texts.append({key: values[0] for key, values in form.items()})
        return self.answer(201, {"sid": f"SM{len(self.texts)}", "status": "queued"})

    def answer(self, status, value):
        body = b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Html(HTMLParser):
    """Collects what a mail program would run, fetch or follow."""

    void = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}

    def __init__(self):
        super().__init__()
        self.open, self.bad, self.links = [], [], []

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in self.void:
            self.handle_endtag(tag)

    def handle_starttag(self, tag, attributes):
        if tag not in self.void:
            self.open.append(tag)
        if tag in {"script", "img", "iframe", "link", "object", "form"}:
            self.bad.append(tag)
        for name, value in attributes:
            if name.startswith("on"):
                self.bad.append(name)
            if name == "href":
                self.links.append(value)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.bad.append(f"</{tag}> closes nothing")


def judge_mail(source, name):
    # The strict policy raises on every defect; compat32 would hide them.
    policy = email.policy.SMTP.clone(raise_on_defect=True)
    mail = email.message_from_bytes(source, policy=policy)
    for part in mail.walk():
        expect(not part.defects, f"{name}: {part.defects}")
        if not part.is_multipart():
            part.get_content()
    lines = source.split(b"\r\n")
    expect(all(len(line) <= 998 for line in lines), f"{name}: a line is too long")
    expect(b"\n" not in source.replace(b"\r\n", b""), f"{name}: a bare line feed")
    expect(source.isascii(), f"{name}: bytes beyond ASCII")
    for header in ["From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Reply-To"]:
        expect(len(mail.get_all(header, [])) == 1, f"{name}: not one {header}")
    expect(mail["From"].addresses[0].display_name == "Größenwahn & Söhne", f"{name}: {mail['From']}")
    expect(mail["To"].addresses[0].addr_spec == "ada@example.org", f"{name}: {mail['To']}")
    expect(email.utils.parsedate_to_datetime(mail["Date"]).year == 2027, f"{name}: {mail['Date']}")
    expect(mail["Auto-Submitted"] == "auto-generated", f"{name}: Auto-Submitted")
    body, page = mail.get_body(("plain",)), mail.get_body(("html",))
    expect(body is not None and page is not None, f"{name}: not both bodies")
    text, html = body.get_content(), page.get_content()
    expect("{{" not in text + html and "{%" not in text + html, f"{name}: a gap is left")
    reader = Html()
    reader.feed(html)
    expect(not reader.bad and not reader.open, f"{name}: {reader.bad} {reader.open}")
    expect(all(link.startswith(("https://", "mailto:")) for link in reader.links), f"{name}: {reader.links}")
    expect(len(html.encode()) < 100_000, f"{name}: mail programs cut it off")
    return mail, text


def judge_kind(mail, text, name, kinds):
    news = kinds[name.rsplit(".", 1)[0]] == "marketing"
    one_click = mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    url = "https://tickets.example.org/u/0190aaaabbbb"
    listed = mail["List-Unsubscribe"] == f"<{url}>"
    expect((one_click, listed, url in text) == (news, news, news), f"{name}: the way out")


def judge_calendar(mail, name):
    files = [part for part in mail.walk() if part.get_content_type() == "text/calendar"]
    wanted = {"order_confirmation": "REQUEST", "event_changed": "REQUEST", "event_cancelled": "CANCEL"}
    method = wanted.get(name.rsplit(".", 1)[0])
    expect(len(files) == (1 if method else 0), f"{name}: {len(files)} calendar files")
    if not files:
        return
    part = files[0]
    expect(part.get_param("method") == method and part.get_filename() == "event.ics", f"{name}: the file's head")
    calendar = icalendar.Calendar.from_ical(part.get_payload(decode=True))
    expect(calendar["METHOD"] == method and not calendar.errors, f"{name}: {calendar.errors}")
    [event] = calendar.walk("VEVENT")
    expect(not event.errors, f"{name}: {event.errors}")
    expect(event["SUMMARY"].startswith("Frühlingsball; mit Abendessen, Musik"), f"{name}: {event['SUMMARY']}")
    expect(int(event["SEQUENCE"]) == 2 and "UID" in event, f"{name}: SEQUENCE or UID")
    expect(event.decoded("DTSTART").isoformat() == "2027-02-04T18:00:00+00:00", f"{name}: {event['DTSTART']}")
    expect(event["ORGANIZER"] == "mailto:tickets@example.org", f"{name}: {event['ORGANIZER']}")
    expect(event["ORGANIZER"].params["CN"] == "Größenwahn & Söhne", f"{name}: {event['ORGANIZER'].params}")


def judge_refusals(said):
    nobody, busy, somebody = (said[f"{name}@example.org"] for name in ("nobody", "busy", "somebody"))
    expect(not nobody["done"] and "Permanent" in nobody["text"] and "Some(550)" in nobody["text"], str(nobody))
    expect("5.1.1 There is no such mailbox here" in nobody["text"], str(nobody))
    expect(not busy["done"] and "Transient" in busy["text"] and "Some(451)" in busy["text"], str(busy))
    expect(somebody["done"], str(somebody))


def judge_texts(said):
    taken, bad, denied = said["sms +4930123456 right"], said["sms +49301234567890 right"], said["sms +4930123456 wrong"]
    expect(taken["done"] and taken["text"] == "SM1", str(taken))
    expect(Http.texts == [{"To": "+4930123456", "From": "+4930999999", "Body": "Doors open at 18:00 in Köln"}], str(Http.texts))
    expect("Permanent" in bad["text"] and "Some(400)" in bad["text"], str(bad))
    expect("Transient" in denied["text"] and "Some(401)" in denied["text"], str(denied))


def judge_webhook(said):
    expect(said["webhook"]["text"] == "Taken(204)", str(said["webhook"]))
    headers, body = Http.webhooks[0]
    headers = {name.lower(): value for name, value in headers.items()}
    signed = headers["eventos-timestamp"].encode() + b"." + body
    wanted = [hmac.new(secret, signed, hashlib.sha256).hexdigest() for secret in (b"new", b"old")]
    expect(headers["eventos-signature"] == ",".join(f"v1={one}" for one in wanted), str(headers))
    expect(json.loads(body)["summary"] == "Grüße" and headers["eventos-id"] == "whd_1", str(headers))


def fetch(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read()


def main():
    options = argparse.ArgumentParser()
    for name in ("smtp", "api", "program", "templates"):
        options.add_argument(f"--{name}", required=True)
    options = options.parse_args()
    kinds = {}
    for file in Path(options.templates).glob("*/en.md"):
        kinds[file.parent.name] = file.read_text().split("\nkind: ")[1].split("\n")[0]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    refusing = Controller(Refusing(), hostname="127.0.0.1", port=port)
    refusing.start()
    http = ThreadingHTTPServer(("127.0.0.1", 0), Http)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    web = f"http://127.0.0.1:{http.server_address[1]}"
    folder = tempfile.TemporaryDirectory()
    environment = os.environ | {
        "CHECK_SMTP_URL": options.smtp,
        "CHECK_REFUSING_URL": f"smtp://127.0.0.1:{port}",
        "CHECK_SMS_URL": web,
        "CHECK_WEBHOOK_URL": f"{web}/hook",
        "CHECK_FOLDER": folder.name,
    }
    run = subprocess.run([options.program], env=environment, capture_output=True, text=True, timeout=120)
    if run.returncode != 0:
        sys.exit(f"the program failed: {run.stderr}")
    said = {line["what"]: line for line in map(json.loads, run.stdout.splitlines())}
    # The server takes a mail before it lists it; on a busy machine that takes moments.
    deadline = time.monotonic() + 60
    while len(listed := json.loads(fetch(f"{options.api}/api/email"))) < 2 * len(kinds):
        if time.monotonic() > deadline:
            break
        time.sleep(0.2)
    for one in listed:
        source = fetch(f"{options.api}/api/email/{one['id']}/source")
        head = email.message_from_bytes(source, policy=email.policy.SMTP)
        name = head["Message-ID"].strip("<>").split("@")[0]
        mail, text = judge_mail(source, name)
        judge_kind(mail, text, name, kinds)
        judge_calendar(mail, name)
        expect(one["subject"] == mail["Subject"], f"{name}: maildev reads {one['subject']!r}")
        expect(said[mail["Message-ID"]]["done"], f"{name}: {said[mail['Message-ID']]}")
        kept = (Path(folder.name) / f"{name}@tickets.example.org.eml").read_bytes()
        judge_mail(kept, f"{name}, as a file")
    expect(len(listed) == 2 * len(kinds) and len(kinds) >= 16, f"{len(listed)} mails of {len(kinds)} templates")
    judge_refusals(said)
    judge_texts(said)
    judge_webhook(said)
    refusing.stop()
    for failure in failures:
        print(failure, file=sys.stderr)
    print(f"{len(listed)} mails, {checked} findings, {len(failures)} wrong")
    sys.exit(1 if failures else 0)


main()
