"""Plays what a season does to the running program: orders, waiting workflows and the mails they send, with a clock
that is moved by weeks, and the program killed (SIGKILL) again and again in between.

    workflows.py --program EVENTOS --folder FOLDER --smtp URL --api URL

The program must be built with the feature `test-clock`; mails go to a maildev at the two URLs. The organizer talks MCP
through the official Python client; what waits for a person is approved by `eventos approvals approve`, as the person at
the server would. The last line is `N passed, N failed`.

A mail that was handed over while the program was killed may be handed over once more, under the same Message-ID, by
which mailboxes keep one; so mails are counted by Message-ID, and repeats are reported.
"""

import argparse
import asyncio
import collections
import datetime
import json
import os
import random
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from email import message_from_bytes
from email.policy import SMTP
from pathlib import Path

from client import MODERN, Failed, Person, Server, Telling, call, must, refused

# What a killed worker held is taken up by another after half a minute at most.
PATIENCE = 75.0
TEAM = "olga@example.org"


class Program:
    """The server as a person runs it, with a clock of its own, started again after every kill."""

    def __init__(self, program: str, folder: Path, smtp: str) -> None:
        self.program = program
        self.clock = folder / "clock"
        self.clock.write_text("0")
        self.log = (folder / "serve.log").open("ab")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{probe.getsockname()[1]}"
        self.environment = os.environ | {
            "EVENTOS_DATA_DIR": str(folder / "data"),
            "EVENTOS_TEST_CLOCK": str(self.clock),
            "EVENTOS_LISTEN": self.address,
            "EVENTOS_MAIL__SMTP_URL": smtp,
            "EVENTOS_MAIL__FROM": "tickets@example.org",
            "EVENTOS_ORGANIZATION__ZONE": "Etc/UTC",
            "EVENTOS_ORGANIZATION__OWNER_EMAIL": TEAM,
            "EVENTOS_ORGANIZATION__OWNER_NAME": "Olga",
            "EVENTOS_LIMITS__OPERATIONS_PER_MINUTE": "0",
        }
        self.environment.pop("DATABASE_URL", None)
        self.child: subprocess.Popen | None = None
        self.kills = 0
        self.start()
        self.token = self.says("token", "create", "--name", "checks", "--scopes", "all", "--quiet").strip()

    def start(self) -> None:
        self.child = subprocess.Popen(
            [self.program, "serve"], env=self.environment, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 120
        while True:
            must(self.child.poll() is None, f"the server ended with {self.child.returncode}")
            try:
                with urllib.request.urlopen(f"http://{self.address}/readyz", timeout=5) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                pass
            must(time.monotonic() < deadline, "the server was not ready after two minutes")
            time.sleep(0.05)

    def kill(self) -> None:
        """What a power cut does to the program; its PostgreSQL is another process and stays."""
        self.child.kill()
        self.child.wait()
        self.kills += 1
        self.start()

    def stop(self) -> None:
        self.child.terminate()
        must(self.child.wait(60) == 0, "the server did not stop in peace")

    def says(self, *words: str) -> str:
        done = subprocess.run([self.program, *words], env=self.environment, capture_output=True, text=True, timeout=120)
        must(done.returncode == 0, f"{' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout

    def now(self) -> datetime.datetime:
        """The time by the program's clock. Everything takes place in UTC, where no clock is changed."""
        ahead = datetime.timedelta(seconds=int(self.clock.read_text()))
        return datetime.datetime.now(datetime.UTC) + ahead

    def move_to(self, then: datetime.datetime) -> None:
        ahead = (then - datetime.datetime.now(datetime.UTC)).total_seconds()
        # Renamed over the old one, so that nobody reads half a number.
        fresh = self.clock.with_suffix(".new")
        fresh.write_text(str(int(ahead)))
        fresh.rename(self.clock)


class Post:
    """The mails that have arrived."""

    def __init__(self, api: str) -> None:
        self.api = api

    def mails(self) -> list:
        with urllib.request.urlopen(f"{self.api}/api/email", timeout=20) as answer:
            listed = json.load(answer)
        mails = []
        for one in listed:
            with urllib.request.urlopen(f"{self.api}/api/email/{one['id']}/source", timeout=20) as source:
                mails.append(message_from_bytes(source.read(), policy=SMTP))
        return mails

    def subjects(self, to: str) -> collections.Counter:
        """How often which subject came, each Message-ID once."""
        found = {mail["Message-ID"]: mail["Subject"] for mail in self.mails() if to in mail["To"]}
        return collections.Counter(found.values())


class Season:
    def __init__(self, program: Program, post: Post, chance: random.Random) -> None:
        self.program = program
        self.post = post
        self.chance = chance
        self.mark = secrets.token_hex(3)
        self.server = Server(MODERN, [], url=f"http://{program.address}/mcp")
        os.environ["EVENTOS_TOKEN"] = program.token
        self.event = ""
        self.order = ""
        # What Ada should have got so far, each by a part of its subject.
        self.expected: list[str] = []

    async def tell(self, telling: Telling) -> None:
        for step in (
            self.switches_on,
            self.sells,
            self.reminds_of_the_money,
            self.confirms,
            self.moves_the_event,
            self.reminds_of_the_event,
            self.takes_no_for_an_answer,
            self.reports_on_mondays,
        ):
            await telling.step(step.__name__, step)

    # What happens around the story.

    def shake(self) -> None:
        """Kills the program at three moments, while it is at whatever it has to do."""
        for _ in range(3):
            time.sleep(self.chance.uniform(0.0, 1.2))
            self.program.kill()

    async def arrives(self, *parts: str) -> None:
        """Waits until Ada has got one more mail for each part of a subject, and sees that no other comes."""
        self.expected += parts
        deadline = time.monotonic() + PATIENCE
        while (subjects := self.post.subjects("ada@example.org")).total() < len(self.expected):
            must(time.monotonic() < deadline, f"expected {self.expected}, but Ada got {dict(subjects)}")
            await asyncio.sleep(0.3)
        await asyncio.sleep(2.5)
        left = list(self.post.subjects("ada@example.org").elements())
        for part in self.expected:
            found = [subject for subject in left if part in subject]
            must(found, f"nothing about {part!r} is among {left}")
            left.remove(found[0])
        must(not left, f"more than {self.expected} arrived: {left}")

    async def write(self, client, tool: str, **arguments: object) -> dict:
        return await call(client, "run_write_tool", tool=tool, arguments=arguments)

    async def approved(self, client, tool: str, **arguments: object) -> None:
        """Asks for what a person must decide, sees that no tool decides it, and lets the person approve it."""
        shown = {each.name for each in (await client.list_tools()).tools}
        asked = await (call(client, tool, **arguments) if tool in shown else self.write(client, tool, **arguments))
        must("approval" in asked, f"{tool} asked nobody: {asked}")
        approval = asked["approval"]["id"]
        for decision in ("approve", "approved"):
            arguments = {"approval": approval, "decision": decision}
            await refused(client, "run_write_tool", tool="decide_approval", arguments=arguments)
        waiting = await call(client, "run_read_tool", tool="get_approval", arguments={"approval": approval})
        must(waiting["status"] == "pending", str(waiting))
        await asyncio.to_thread(self.program.says, "approvals", "approve", approval)
        done = await call(client, "run_read_tool", tool="get_approval", arguments={"approval": approval})
        must(done["status"] == "done", str(done))

    # The story.

    async def switches_on(self) -> None:
        async with self.server.connect() as client:
            for name in ("payment-reminder", "event-reminder-24h", "event-reminder-2h", "event-changed"):
                await self.approved(client, "enable_workflow", workflow=name)

    async def sells(self) -> None:
        starts = (self.program.now() + datetime.timedelta(days=20)).replace(hour=19, minute=0)
        async with self.server.connect() as client:
            venue = f"Hall {self.mark}"
            await call(client, "save_venue", name=venue, city="Berlin", zone="Etc/UTC")
            made = await call(
                client, "create_event", title=f"Gala {self.mark}", venue=venue, starts=starts.strftime("%Y-%m-%dT%H:%M")
            )
            self.event = made["event"]["id"]
            price = {"amount": 2500, "currency": "EUR"}
            await call(client, "save_ticket_type", event=self.event, name="Regular", price=price, quantity=50)
            await call(client, "publish_event", event=self.event)
            placed = await call(
                client,
                "place_order",
                event=self.event,
                items=[{"ticket_type": "Regular", "quantity": 1}],
                buyer={"name": "Ada Lovelace", "email": "ada@example.org"},
            )
            self.order = placed["order"]["number"]
        self.shake()
        await self.arrives()

    async def reminds_of_the_money(self) -> None:
        self.program.move_to(self.program.now() + datetime.timedelta(days=3, minutes=5))
        self.shake()
        await self.arrives("is not paid yet")

    async def confirms(self) -> None:
        async with self.server.connect() as client:
            amount = {"amount": 2500, "currency": "EUR"}
            await call(client, "confirm_payment", order=self.order, amount=amount)
        self.shake()
        await self.arrives("Your tickets for")

    async def moves_the_event(self) -> None:
        async with self.server.connect() as client:
            event = (await call(client, "get_event", event=self.event))["event"]
            before = datetime.datetime.fromisoformat(event["starts"]).replace(tzinfo=datetime.UTC)
            after = before + datetime.timedelta(days=2)
            await self.approved(
                client, "update_event", event=self.event, starts=after.strftime("%Y-%m-%dT%H:%M")
            )
        self.shake()
        await self.arrives("Changed:")
        # A day before the old date: the reminder has moved with the event.
        self.program.move_to(before - datetime.timedelta(hours=23))
        self.shake()
        await self.arrives()
        self.starts = after

    async def reminds_of_the_event(self) -> None:
        self.program.move_to(self.starts - datetime.timedelta(hours=23))
        self.shake()
        await self.arrives("is tomorrow")
        self.program.move_to(self.starts - datetime.timedelta(hours=1, minutes=30))
        self.shake()
        await self.arrives("is in two hours")

    async def news(self, subject: str) -> dict:
        async with self.server.connect(Person({"confirm": True})) as client:
            words = {"subject": subject, "body": "Come again.", "kind": "marketing"}
            return await self.write(client, "send_message", event=self.event, segment="all", **words)

    async def takes_no_for_an_answer(self) -> None:
        sent = await self.news("News of autumn")
        must(sent["recipient_count"] == 1, str(sent))
        await self.arrives("News of autumn")
        [mail] = [mail for mail in self.post.mails() if mail["Subject"].startswith("News of autumn")]
        must(mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click", str(mail["List-Unsubscribe-Post"]))
        link = mail["List-Unsubscribe"].strip("<>")
        post = urllib.request.Request(link, data=b"List-Unsubscribe=One-Click", method="POST")
        with urllib.request.urlopen(post, timeout=20) as answer:
            must(answer.status == 200, f"unsubscribing answered {answer.status}")
        async with self.server.connect() as client:
            arguments = {"event": self.event, "segment": "all", "subject": "News of winter", "body": "Come again."}
            said = await refused(client, "run_write_tool", tool="send_message", arguments=arguments)
            must("everybody_opted_out" in said, said)
        await self.arrives()

    async def reports_on_mondays(self) -> None:
        definition = "\n".join(
            (
                f"id: monday-{self.mark}",
                "title: Send me last week's sales every Monday",
                "on:",
                '  - cron: "0 9 * * MON"',
                "    zone: organization",
                "steps:",
                "  - id: week",
                '    set: { from: "{{ trigger.due_at | day(-7) }}", to: "{{ trigger.due_at | day(-1) }}" }',
                "  - id: sales",
                "    operation: get_sales_report",
                '    with: { from: "{{ week.from }}", to: "{{ week.to }}" }',
                "  - id: send",
                "    email:",
                "      template: sales_report",
                "      to: { team: owner }",
                "      vars:",
                "        report:",
                '          period: "{{ week.from }} to {{ week.to }}"',
                '          sold_count: "{{ sales.totals.tickets_sold }}"',
                "          revenue: \"{{ (sales.totals.money[0].net | money) if sales.totals.money else 'nothing' }}\"",
                "          events: []",
                f'      dedupe_key: "monday-{self.mark}:{{{{ week.to }}}}"',
            )
        )
        async with self.server.connect() as client:
            wrong = definition.replace("0 9 * * MON", "every Monday")
            said = await refused(client, "run_write_tool", tool="save_workflow", arguments={"yaml": wrong})
            must("cron" in said, said)
            tried = await self.write(client, "dry_run_workflow", yaml=definition)
            must(len(tried["steps"]) == 3 and tried["end"] == "done" and tried["next_starts"], str(tried))
            saved = await self.write(client, "save_workflow", yaml=definition)
            must(not saved["workflow"].get("enabled_version"), f"it is on before anybody agreed: {saved}")
            # Not enabled yet: a Monday passes and nothing comes.
            self.program.move_to(self.next_monday())
        self.shake()
        await asyncio.sleep(3)
        must(not self.reports(), "a workflow that nobody enabled has sent something")
        async with self.server.connect() as client:
            await self.approved(client, "enable_workflow", workflow=f"monday-{self.mark}")
        for monday in range(1, 4):
            self.program.move_to(self.next_monday())
            self.shake()
            deadline = time.monotonic() + PATIENCE
            while len(self.reports()) < monday:
                must(time.monotonic() < deadline, f"the report of Monday {monday} did not come")
                await asyncio.sleep(0.3)
        await asyncio.sleep(3)
        must(len(self.reports()) == 3, f"three Mondays brought {self.reports()}")

    def reports(self) -> list[str]:
        return [subject for subject in self.post.subjects(TEAM).elements() if subject.startswith("Sales:")]

    def next_monday(self) -> datetime.datetime:
        now = self.program.now()
        ahead = (7 - now.weekday()) % 7 or 7
        return (now + datetime.timedelta(days=ahead)).replace(hour=9, minute=2, second=0)


async def main() -> int:
    parser = argparse.ArgumentParser(description="Plays a season to the running program.")
    for name in ("program", "folder", "smtp", "api"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    options = parser.parse_args()
    print(f"seed {options.seed}")
    telling = Telling()
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # Root's PostgreSQL runs as another account, and has to get in.
        program = Program(options.program, Path(folder), options.smtp)
        post = Post(options.api)
        try:
            await Season(program, post, random.Random(options.seed)).tell(telling)
            program.stop()
        finally:
            program.child.kill()
            program.log.close()
            log = Path(folder) / "serve.log"
            shutil.copy(log, Path(options.folder) / "serve.log")
        mails = post.mails()
        repeats = len(mails) - len({mail["Message-ID"] for mail in mails})
        print(f"{program.kills} kills, {len(mails)} mails, {repeats} of them handed over twice")
    return telling.finish()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
