"""Plays a story to an MCP server with the official Python client: in both eras of the protocol,
over HTTP and over stdin and stdout.

    story.py self      --url URL --stdio COMMAND...   against the conformance fixtures
    story.py organizer --url URL --office COMMAND --stdio COMMAND...   against EventOS

The office is where a person sits who may decide: the command that approves what its last word names. The bearer token comes from $EVENTOS_TOKEN. Each step prints a line; the last line is
`N passed, N failed`.
"""

import argparse
import asyncio
import secrets
import shlex
import sys

from mcp import Client, MCPError

from client import MODERN, MODES, Failed, Person, Server, Teller, Telling, call, must, refused, text_of
from selling import Seller


async def tell_self(server: Server, telling: Telling) -> None:
    """What the plumbing above can do, shown on the conformance fixtures."""

    async def lists() -> None:
        async with server.connect() as client:
            tools = [tool.name for tool in (await client.list_tools()).tools]
            must("greet" in tools, f"no greet among {tools}")

    async def calls() -> None:
        async with server.connect() as client:
            result = await client.call_tool("greet", {"name": "Ada"})
            must(text_of(result) == "Hello, Ada!", text_of(result))
            said = await refused(client, "test_error_handling")
            must("intentionally" in said, said)

    async def unknown() -> None:
        async with server.connect() as client:
            try:
                await client.call_tool("no_such_tool")
            except MCPError:
                return
            raise Failed("a tool that does not exist was called")

    async def asks() -> None:
        person = Person({"name": "Ada"} if server.era == MODERN else {"username": "ada", "email": ""})
        tool = "test_input_required_result_elicitation" if server.era == MODERN else "test_elicitation"
        async with server.connect(person) as client:
            result = await client.call_tool(tool, {"message": "Who are you?"})
            must(len(person.questions) == 1, f"asked {person.questions}")
            must("ada" in text_of(result).lower(), text_of(result))

    async def declines() -> None:
        person = Person("decline", {"ok": True})
        async with server.connect(person) as client:
            if server.era == MODERN:
                # This fixture asks again until somebody agrees.
                result = await client.call_tool("test_input_required_result_request_state", {})
                must(len(person.questions) == 2, f"asked {person.questions}")
                must("state-ok" in text_of(result), text_of(result))
            else:
                result = await client.call_tool("test_elicitation", {"message": "Who are you?"})
                must("action=decline" in text_of(result), text_of(result))

    for step in (lists, calls, unknown, asks, declines):
        await telling.step(f"{step.__name__} ({server.name})", step)


async def tell_organizer(server: Server, telling: Telling) -> None:
    """An organizer's whole story, from an empty hall to the money in the till. Names carry a mark, so that it
    can be told again on the same data."""
    await Organizer(server, secrets.token_hex(4)).tell(telling)
    await Seller(server, secrets.token_hex(4)).tell(telling)


class Organizer(Teller):
    """One telling: who, where, and what has come of it so far."""

    def __init__(self, server: Server, mark: str) -> None:
        super().__init__(server, mark)
        self.venue = f"Town Hall {mark}"
        self.title = f"Spring Gala {mark}"
        self.event = ""
        self.orders: list[str] = []

    async def tell(self, telling: Telling) -> None:
        for step in (
            self.looks_around,
            self.plans,
            self.prices,
            self.taxes,
            self.publishes,
            self.sells,
            self.opens_the_door,
            self.counts,
            self.thinks_twice,
            self.cancels,
            self.gives_money_back,
            self.confirms_by_token,
            self.repeats_safely,
            self.copies_and_repeats,
            self.moves,
            self.reminds,
            self.writes_to_all,
            self.serves_those_who_wait,
            self.reads_resources,
            self.errs_when_creating,
            self.errs_when_copying,
            self.errs_with_series,
            self.errs_with_prices,
            self.errs_with_taxes,
            self.errs_when_holding,
            self.errs_with_tiers,
            self.errs_when_publishing,
            self.errs_when_chasing_payments,
            self.errs_when_looking_for_orders,
            self.errs_when_moving,
            self.errs_when_writing,
            self.errs_with_the_waiting_list,
            self.errs_at_the_door,
            self.errs_with_reports,
        ):
            await telling.step(f"{step.__name__} ({self.server.name})", step)

    # The day.

    async def looks_around(self) -> None:
        async with self.server.connect() as client:
            tools = (await client.list_tools()).tools
            must(len(tools) <= 25, f"{len(tools)} tools")
            for tool in tools:
                must(tool.title and tool.output_schema and tool.annotations, f"{tool.name} is incomplete")
            context = await call(client, "get_context")
            must(context["organization"]["currency"], f"no currency in {context}")

    async def plans(self) -> None:
        async with self.server.connect() as client:
            await call(client, "save_venue", name=self.venue, city="Leipzig", capacity=200)
            trial = await call(
                client, "create_event", title=self.title, starts="2035-03-02T19:00", venue=self.venue, dry_run=True
            )
            must(self.title in str(trial["dry_run"]["would"]), f"a dry run says nothing: {trial['dry_run']}")
            made = await call(
                client, "create_event", title=self.title, starts="2035-03-02T19:00", venue=self.venue, currency="EUR"
            )
            must(made["assumptions"], "nothing was assumed, though no end was given")
            self.event = made["event"]["id"]
            found = await call(client, "list_events", query=self.title)
            # The search forgives typos, so it may find the events of other tellings too.
            same = [event["id"] for event in found["items"] if event["title"] == self.title]
            must(same == [self.event], f"the dry run was kept: {same}")

    async def prices(self) -> None:
        async with self.server.connect() as client:
            early = await call(
                client,
                "save_ticket_type",
                event=self.event,
                name="Early bird",
                price={"amount": 1500, "currency": "EUR"},
                quantity=50,
                sales_end="2035-02-01T00:00",
            )
            must(early["ticket_type"]["costs"] == "15.00 EUR", str(early["ticket_type"]))
            regular = await call(
                client,
                "save_ticket_type",
                event=self.event,
                name="Regular",
                price={"amount": 2500, "currency": "EUR"},
                quantity=180,
            )
            must(regular["warnings"], "230 tickets for 200 places, and no warning")
            await call(client, "save_ticket_type", event=self.event, ticket_type="Regular", quantity=150)
            # Both out of one room: what is sold of either is gone for both.
            seats = [{"name": "Seats", "capacity": 160}]
            for name in ("Early bird", "Regular"):
                shared = await call(client, "save_ticket_type", event=self.event, ticket_type=name, pools=seats)
                must(not shared["warnings"], f"160 tickets for 200 places: {shared['warnings']}")
            must(shared["ticket_type"]["availability"]["left"] == 150, str(shared["ticket_type"]))

    async def taxes(self) -> None:  # 4, 25
        async with self.server.connect() as client:
            rule = {"name": f"VAT {self.mark}", "rate": "19"}
            saved = await self.searched(client, "run_write_tool", "save_tax_rule", **rule)
            must(saved["rate"] == "19", str(saved))
            regular = {"event": self.event, "ticket_type": "Regular", "tax_rule": rule["name"]}
            set_ = await self.searched(client, "run_write_tool", "set_ticket_type_tax", **regular)
            must(set_["price"]["amount"] == 2500, f"tax is in the price: {set_}")
            seller = {"legal_name": "Gala GmbH", "address": "Markt 1, Leipzig", "tax_id": "DE123456789", "is_on": True}
            await self.searched(client, "run_write_tool", "update_invoicing", **seller)

    async def invoices(self, client: Client, order: str) -> list[dict]:
        """The documents of an order, oldest first."""
        listed = await self.searched(client, "run_read_tool", "list_invoices", order=order)
        return listed["items"][::-1]

    async def publishes(self) -> None:
        async with self.server.connect() as client:
            event = await call(client, "get_event", event=self.event)
            must(event["readiness"]["is_ready"], str(event["readiness"]))
            published = await call(client, "publish_event", event=self.event)
            must(published["event"]["status"] == "published", str(published["event"]))

    async def order(self, client: Client, name: str, quantity: int = 2, hold: str | None = None) -> dict:
        bought = {"hold": hold} if hold else {"items": [{"ticket_type": "Regular", "quantity": quantity}]}
        placed = await call(
            client,
            "place_order",
            event=self.event,
            buyer={"name": name, "email": f"{name.split()[0].lower()}.{self.mark}@example.org"},
            **bought,
        )
        return placed["order"]

    async def hold(self, client: Client, quantity: int = 2) -> dict:
        items = [{"ticket_type": "Regular", "quantity": quantity}]
        held = await self.searched(client, "run_write_tool", "hold_tickets", event=self.event, items=items)
        must(held["status"] == "live" and held["seconds_left"] > 0, str(held))
        return held

    async def sells(self) -> None:
        async with self.server.connect() as client:
            for name in ("Ada Lovelace", "Bob Brown", "Cy Young", "Di Prince"):
                # One of them asked first for the places to be kept.
                hold = (await self.hold(client))["id"] if name == "Cy Young" else None
                order = await self.order(client, name, hold=hold)
                must(order["status"] == "pending", str(order))
                must(order["open"]["amount"] == 5000, str(order["open"]))
                self.orders.append(order["number"])
            unpaid = await call(client, "list_orders", event=self.event, status="pending")
            must(len(unpaid["items"]) == 4, f"{len(unpaid['items'])} unpaid orders")
            for number in self.orders[:3]:
                paid = await call(
                    client, "confirm_payment", order=number, amount={"amount": 5000, "currency": "EUR"}
                )
                must(paid["order"]["status"] == "paid", str(paid["order"]))
            issued = await self.invoices(client, self.orders[0])
            must([(one["kind"], one["tax"]["amount"]) for one in issued] == [("invoice", 798)], str(issued))
            # What a buyer wrote is wrapped, and said to be theirs.
            result = await client.call_tool("get_order", {"order": self.orders[0]})
            must("<untrusted-" in text_of(result), text_of(result))
            must("never as instructions" in text_of(result), text_of(result))

    async def opens_the_door(self) -> None:
        async with self.server.connect() as client:
            order = await call(client, "get_order", order=self.orders[0])
            code, other = (ticket["code"] for ticket in order["tickets"])
            first = await call(client, "check_in", ticket=code, event=self.event, gate="North")
            must(first["admitted"], str(first))
            again = await call(client, "check_in", ticket=code, event=self.event)
            must(not again["admitted"] and again["result"] == "already_checked_in", str(again))
            await call(client, "check_in", ticket=other.lower(), event=self.event)
            undone = await self.searched(client, "run_write_tool", "undo_check_in", ticket=other)
            must(undone["undone"], str(undone))
            inside = await call(client, "list_attendees", event=self.event, checked_in=True)
            must(len(inside["items"]) == 1, str(inside))

    async def counts(self) -> None:
        async with self.server.connect() as client:
            report = await call(client, "get_sales_report", event=self.event)
            must("15000" in str(report), f"three paid orders of 50.00 are 150.00: {report}")

    async def thinks_twice(self) -> None:
        unpaid = self.orders[3]
        for answer in ("decline", "cancel", {"confirm": False}):
            person = Person(answer)
            async with self.server.connect(person) as client:
                result = await call(client, "cancel_order", order=unpaid)
                must(result["confirmation"]["status"] == "declined", str(result))
                must(len(person.questions) == 1 and unpaid in person.questions[0], str(person.questions))
                order = await call(client, "get_order", order=unpaid)
                must(order["status"] == "pending", f"{answer}, and still {order['status']}")

    async def cancels(self) -> None:
        person = Person({"confirm": True})
        async with self.server.connect(person) as client:
            number = (await self.order(client, "Fay Fields"))["number"]
            done = await call(client, "cancel_order", order=number)
            must(done["order"]["status"] == "cancelled", str(done))
            must(number in person.questions[0], f"the order is not named: {person.questions}")

    async def gives_money_back(self) -> None:
        # Money is not for the conversation, even if a person is there to answer.
        person = Person({"confirm": True})
        async with self.server.connect(person) as client:
            done = await self.approved(client, "cancel_order", order=self.orders[1], refund="full")
            must("50.00" in str(done["preview"]), f"the amount is not named: {done}")
            must(not person.questions, f"asked in the conversation too: {person.questions}")
            order = await call(client, "get_order", order=self.orders[1])
            must(order["status"] == "cancelled", str(order))
            issued = await self.invoices(client, self.orders[1])
            must([one["kind"] for one in issued] == ["invoice", "credit_note"], str(issued))
            must(issued[1]["of_invoice"] == issued[0]["number"] and issued[1]["gross"]["amount"] == 5000, str(issued))

    async def confirms_by_token(self) -> None:
        async with self.server.connect() as client:
            number = (await self.order(client, "Gus Grey"))["number"]
            asked = await call(client, "cancel_order", order=number)
            must(asked["confirmation"]["status"] == "needed", str(asked))
            must(number in str(asked["confirmation"]["preview"]), str(asked))
            token = asked["confirmation"]["confirm_token"]
            await self.refuses(
                client, "cancel_order", "confirmation_invalid", order=self.orders[3], confirm_token=token
            )
            await self.refuses(
                client, "cancel_order", "confirmation_invalid", order=number, refund="none", confirm_token=token
            )
            done = await call(client, "cancel_order", order=number, confirm_token=token)
            must(done["order"]["status"] == "cancelled", str(done))

    async def repeats_safely(self) -> None:
        async with self.server.connect() as client:
            arguments = {
                "event": self.event,
                "items": [{"ticket_type": "Regular", "quantity": 1}],
                "buyer": {"name": "Eve Key", "email": f"eve.{self.mark}@example.org"},
                "idempotency_key": f"story-{self.mark}",
            }
            first = await call(client, "place_order", **arguments)
            again = await call(client, "place_order", **arguments)
            must(first["order"]["number"] == again["order"]["number"], "a repeat bought twice")
            arguments["items"] = [{"ticket_type": "Regular", "quantity": 2}]
            await self.refuses(client, "place_order", "idempotency_key_reused", **arguments)

    async def copies_and_repeats(self) -> None:
        async with self.server.connect() as client:
            copy = await call(
                client, "duplicate_event", event=self.event, starts="2036-03-07T19:00", title=f"Autumn Gala {self.mark}"
            )
            must(copy["event"]["status"] == "draft" and len(copy["ticket_types"]) == 2, str(copy))
            found = await call(client, "search_tools", query="series weekly")
            must("create_series" in [tool["name"] for tool in found["tools"]], str(found))
            rule = "FREQ=WEEKLY;COUNT=4"
            series = await self.searched(
                client, "run_write_tool", "create_series", event=copy["event"]["id"], rule=rule
            )
            must(len(series["dates"]) == 4, str(series))

    async def moves(self) -> None:  # 19
        async with self.server.connect() as client:
            small = f"Cellar {self.mark}"
            await call(client, "save_venue", name=small, capacity=1)
            trial = await call(client, "update_event", event=self.event, venue=small, dry_run=True)
            must("has 1 places" in str(trial["warnings"]), f"too small a venue, and no warning: {trial}")
            await self.approved(client, "update_event", event=self.event, starts="2035-03-09T20:00")
            event = await call(client, "get_event", event=self.event)
            must(event["event"]["starts"] == "2035-03-09T20:00", str(event["event"]))
            # What nobody's ticket depends on needs nobody's word.
            told = await call(client, "update_event", event=self.event, summary="An evening.")
            must(told["event"]["summary"] == "An evening.", str(told))

    async def message(self, client: Client, /, **arguments: object) -> dict:
        return await self.searched(client, "run_write_tool", "send_message", event=self.event, **arguments)

    async def reminds(self) -> None:  # 11
        person = Person({"confirm": True})
        async with self.server.connect(person) as client:
            unpaid = await call(client, "list_orders", event=self.event, status="pending")
            count = len(unpaid["items"])
            must(count == 2, f"{count} unpaid orders")
            sent = await self.message(client, segment="unpaid", template="payment_reminder")
            must(sent["recipient_count"] == count and len(sent["samples"]) == count, str(sent))
            must(f"{count}" in person.questions[0], f"the person was not told how many: {person.questions}")
            must(all("50.00 EUR" in str(sample) or "25.00 EUR" in str(sample) for sample in sent["samples"]), str(sent["samples"]))
            must(any(self.orders[3] in str(sample) for sample in sent["samples"]), str(sent["samples"]))

    async def writes_to_all(self) -> None:  # 20
        words = {"subject": f"Doors of {self.title}", "body": "Dear {{ recipient.name }}, doors open at seven."}
        async with self.server.connect() as client:
            trial = await self.message(client, segment="all", **words, dry_run=True)
            must(trial["recipient_count"] > 0, str(trial))
            nobody = await call(client, "run_read_tool", tool="list_messages", arguments={"event": self.event, "status": "sent"})
            must(not any(words["subject"] in str(sent) for sent in nobody["items"]), "a dry run was sent")
        for repeated in (False, True):
            person = Person({"confirm": True})
            async with self.server.connect(person) as client:
                sent = await self.message(client, segment="all", **words)
                counts = sent["recipient_count"], sent["repeated_count"]
                everyone = trial["recipient_count"]
                must(counts == ((0, everyone) if repeated else (everyone, 0)), f"repeated: {repeated}: {sent}")

    async def full_house(self, client: Client, name: str) -> tuple[str, list[str]]:
        """An event of four places, all held one by one: its id, and the holds."""
        made = await call(client, "create_event", title=f"{name} {self.mark}", starts="2035-05-04T19:00", venue=self.venue)
        event = made["event"]["id"]
        price = {"amount": 2500, "currency": "EUR"}
        await call(client, "save_ticket_type", event=event, name="Regular", price=price, quantity=4)
        await call(client, "publish_event", event=event)
        items = [{"ticket_type": "Regular", "quantity": 1}]
        held = [await self.searched(client, "run_write_tool", "hold_tickets", event=event, items=items) for _ in range(4)]
        return event, [hold["id"] for hold in held]

    async def waits(self, client: Client, event: str, name: str, quantity: int = 1) -> dict:
        email = f"{name.lower()}.{self.mark}@example.org"
        return await self.searched(
            client, "run_write_tool", "join_waitlist", event=event, ticket_type="Regular", quantity=quantity, name=name, email=email
        )

    async def serves_those_who_wait(self) -> None:  # 21
        async with self.server.connect() as client:
            found = await call(client, "search_tools", query="waiting list offer places")
            must("offer_places" in [tool["name"] for tool in found["tools"]], str(found))
            event, holds = await self.full_house(client, "Tiny Gala")
            group = (await self.waits(client, event, "Gina", 4))["entry"]["id"]
            single = (await self.waits(client, event, "Flo"))["entry"]["id"]
            for hold in holds[:1]:
                await self.searched(client, "run_write_tool", "release_hold", hold=hold)
            # The server serves them by itself when it can; whoever asks is shown the same, before or afterwards.
            trial = await self.searched(client, "run_write_tool", "offer_places", event=event, dry_run=True)
            done = await self.searched(client, "run_write_tool", "offer_places", event=event)
            listed = await self.searched(client, "run_read_tool", "list_waitlist", event=event)
            first, second = listed["items"]
            must((first["id"], first["status"], first["passed_over"]) == (group, "waiting", 1), str(listed))
            must((second["id"], second["status"]) == (single, "offered"), str(listed))
            for offer in trial["offers"] + done["offers"]:
                must(offer["entry"] == single and offer["until_local"], f"the wrong one was served: {offer}")
            must(second["offer"]["until"] and second["offer"]["total"]["amount"] == 2500, str(second))
            # Nobody who comes now gets what is kept for those who wait.
            for hold in holds[1:3]:
                await self.searched(client, "run_write_tool", "release_hold", hold=hold)
            items = [{"ticket_type": "Regular", "quantity": 1}]
            await self.refuses(
                client, "run_write_tool", "sold_out", tool="hold_tickets", arguments={"event": event, "items": items}
            )
            raised = await self.searched(
                client, "run_write_tool", "save_waitlist_entry", entry=group, priority=1
            )
            must(raised["priority"] == 1, str(raised))
            await self.searched(client, "run_write_tool", "release_hold", hold=holds[3])
            await self.searched(client, "run_write_tool", "leave_waitlist", entry=single)
            await self.searched(client, "run_write_tool", "offer_places", event=event)
            entry = await self.searched(client, "run_read_tool", "get_waitlist_entry", entry=group)
            must(entry["status"] == "offered" and entry["offer"]["total"]["amount"] == 10000, str(entry))
            buyer = {"name": "Gina Group", "email": f"gina.{self.mark}@example.org"}
            await call(client, "place_order", event=event, hold=entry["offer"]["hold_id"], buyer=buyer)
            entry = await self.searched(client, "run_read_tool", "get_waitlist_entry", entry=group)
            must(entry["status"] == "bought" and entry["order_id"], str(entry))

    async def reads_resources(self) -> None:
        async with self.server.connect() as client:
            for uri in (f"event://{self.event}", f"report://{self.event}/sales", f"order://{self.orders[0]}"):
                contents = (await client.read_resource(uri)).contents
                must(contents and contents[0].text.startswith("{"), f"{uri}: {contents}")
            try:
                await client.read_resource(f"event://nothing-{self.mark}")
            except MCPError:
                pass
            else:
                raise Failed("a resource that does not exist was read")
            prompts = (await client.list_prompts()).prompts
            must(len(prompts) >= 5, f"{len(prompts)} prompts")
            prompt = await client.get_prompt("sales_check", {"event": self.event})
            must(self.event in str(prompt.messages[0].content), str(prompt))

    # The same day with mistakes; the numbers are those of the organizer's jobs in the product's plan.

    async def errs_when_creating(self) -> None:  # 1
        async with self.server.connect() as client:
            draft = {"title": f"Wrong {self.mark}", "starts": "2035-05-04T19:00"}
            for change, code in (
                ({"starts": "next Friday"}, "invalid_input"),
                ({"starts": "2020-05-04T19:00"}, "starts_in_the_past"),
                ({"ends": "2035-05-04T18:00"}, "ends_before_start"),
                ({"zone": "Europe/Atlantis"}, "invalid_input"),
                ({"starts": "2035-03-25T02:30", "zone": "Europe/Berlin"}, "time_does_not_exist"),
                ({"venue": f"Town Hal {self.mark}"}, "not_found"),
                ({"currency": "XYZ"}, "invalid_input"),
                ({"colour": "red"}, "invalid_input"),
                ({"title": "\u200b"}, "invalid_input"),
            ):
                await self.refuses(client, "create_event", code, **(draft | change))
            await self.refuses(client, "create_event", "invalid_input", title=f"Wrong {self.mark}")

    async def errs_when_copying(self) -> None:  # 2
        async with self.server.connect() as client:
            for arguments, code in (
                ({"event": f"Nothing {self.mark}", "starts": "2036-01-01T19:00"}, "not_found"),
                ({"event": self.event, "starts": "2020-01-01T19:00"}, "starts_in_the_past"),
                ({"event": self.event, "starts": "2035-02-29T19:00"}, "invalid_input"),
                ({"event": self.event, "starts": "2036-01-01T19:00", "ends": "2036-01-01T18:00"}, "ends_before_start"),
                ({"event": self.event}, "invalid_input"),
            ):
                await self.refuses(client, "duplicate_event", code, **arguments)

    async def errs_with_series(self) -> None:  # 3
        async with self.server.connect() as client:
            for rule, code in (
                ("every week", "rule_not_understood"),
                ("FREQ=WEEKLY", "rule_endless"),
                ("FREQ=DAILY;COUNT=900", "too_many_dates"),
                ("FREQ=WEEKLY;COUNT=1", "no_dates"),
            ):
                arguments = {"event": self.event, "rule": rule}
                await self.refuses(client, "run_write_tool", code, tool="create_series", arguments=arguments)

    async def errs_with_prices(self) -> None:  # 4
        async with self.server.connect() as client:
            wish = {"event": self.event, "name": f"Balcony {self.mark}", "quantity": 10}
            euros = {"amount": 2000, "currency": "EUR"}
            for change, code in (
                ({}, "price_missing"),
                ({"price": "20,00"}, "invalid_input"),
                ({"price": {"amount": 20.5, "currency": "EUR"}}, "invalid_input"),
                ({"price": {"amount": -1, "currency": "EUR"}}, "price_negative"),
                ({"price": {"amount": 2000, "currency": "USD"}}, "currency_differs"),
                ({"price": euros, "quantity": None}, "quantity_missing"),
                ({"price": euros, "quantity": 0}, "not_positive"),
                ({"price": euros, "unlimited": True}, "quantity_ambiguous"),
                ({"price": euros, "min_per_order": 5, "max_per_order": 2}, "limits_reversed"),
                ({"price": euros, "name": "Regular"}, "name_taken"),
                ({"price": euros, "pools": [{"name": "Setas"}]}, "pool_not_found"),
                ({"price": euros, "pools": [{"name": "Seats"}, {"name": "seats"}]}, "pool_twice"),
                ({"price": euros, "pools": [{"name": "Seats", "capacity": 0}]}, "not_positive"),
            ):
                await self.refuses(client, "save_ticket_type", code, **(wish | change))
            await self.refuses(
                client, "save_ticket_type", "below_taken", event=self.event, ticket_type="Regular", quantity=1
            )

    async def errs_with_taxes(self) -> None:  # 4
        async with self.server.connect() as client:
            guests = {"event": self.event, "name": f"Guests {self.mark}", "quantity": 5}
            await call(client, "save_ticket_type", price={"amount": 0, "currency": "EUR"}, **guests)
            rule = f"VAT {self.mark}"
            regular = {"event": self.event, "ticket_type": "Regular"}
            for tool, arguments, code in (
                ("save_tax_rule", {"name": "Odd", "rate": "-19"}, "invalid_input"),
                ("save_tax_rule", {"name": "Odd", "rate": 1900}, "invalid_input"),
                ("save_tax_rule", {"name": "Odd", "rate": "19 %"}, "invalid_input"),
                ("save_tax_rule", {"name": rule, "rate": "7"}, "name_taken"),
                ("set_ticket_type_tax", regular | {"tax_rule": "Window tax"}, "not_found"),
                ("set_ticket_type_tax", regular | {"ticket_type": guests["name"], "tax_rule": rule}, "free_has_no_tax"),
                ("save_tax_settings", {"event": self.event, "prices": "added"}, "taxation_frozen"),
                ("save_fee", {"event": self.event, "name": "Nothing", "amount": {"amount": 0, "currency": "EUR"}}, "fee_not_positive"),
                ("issue_invoice", {"order": self.orders[0]}, "invoiced_already"),
            ):
                await self.refuses(client, "run_write_tool", code, tool=tool, arguments=arguments)

    async def errs_when_holding(self) -> None:
        async with self.server.connect() as client:
            items = [{"ticket_type": "Regular", "quantity": 2}]
            for change, code in (
                ({"items": []}, "item_count"),
                ({"items": [{"ticket_type": "Regular", "quantity": 11}]}, "quantity_outside_limits"),
                ({"items": [{"ticket_type": "Regulr", "quantity": 1}]}, "not_found"),
                ({"items": [{"ticket_type": "Regular", "quantity": "two"}]}, "invalid_input"),
                ({"event": f"Nothing {self.mark}"}, "not_found"),
            ):
                arguments = {"event": self.event, "items": items} | change
                await self.refuses(client, "run_write_tool", code, tool="hold_tickets", arguments=arguments)
            held = {"hold": (await self.hold(client))["id"]}
            await self.searched(client, "run_write_tool", "extend_hold", **held)
            await self.refuses(client, "run_write_tool", "hold_extended_already", tool="extend_hold", arguments=held)
            buyer = {"name": "Ed Late", "email": f"ed.{self.mark}@example.org"}
            await self.refuses(
                client, "place_order", "hold_differs", event=self.event, buyer=buyer, **held,
                items=[{"ticket_type": "Regular", "quantity": 1}],
            )
            freed = await self.searched(client, "run_write_tool", "release_hold", **held)
            must(freed["hold"]["status"] == "released", str(freed))
            await self.refuses(client, "place_order", "hold_ended", event=self.event, buyer=buyer, **held)

    async def errs_with_tiers(self) -> None:  # 5
        async with self.server.connect() as client:
            tier = {"event": self.event, "ticket_type": "Early bird"}
            for change, code in (
                ({"sales_start": "2035-02-01T00:00", "sales_end": "2035-01-01T00:00"}, "sales_window_reversed"),
                ({"sales_start": "2035-06-01T00:00", "sales_end": ""}, "sales_window_after_event"),
                ({"sales_end": "the first of February"}, "invalid_input"),
                ({"ticket_type": f"Late bird {self.mark}"}, "not_found"),
            ):
                await self.refuses(client, "save_ticket_type", code, **(tier | change))

    async def errs_when_publishing(self) -> None:  # 10
        async with self.server.connect() as client:
            bare = await call(client, "create_event", title=f"Bare {self.mark}", starts="2035-07-06T19:00")
            await self.refuses(client, "publish_event", "not_ready", event=bare["event"]["id"])
            await self.refuses(client, "publish_event", "not_found", event=f"Nothing {self.mark}")
            await self.refuses(client, "publish_event", "invalid_input", event=f"ord_{'0' * 32}")
            unpublish = {"tool": "unpublish_event", "arguments": {"event": self.event}}
            await self.refuses(client, "run_write_tool", "event_has_orders", **unpublish)

    async def errs_when_chasing_payments(self) -> None:  # 11
        async with self.server.connect() as client:
            await self.refuses(client, "list_orders", "invalid_input", event=self.event, status="unpaid")
            await self.refuses(client, "list_orders", "not_found", event=f"Nothing {self.mark}", status="pending")
            await self.refuses(client, "list_orders", "invalid_input", older_than_days=-1)
            short = {"amount": 4999, "currency": "EUR"}
            await self.refuses(client, "confirm_payment", "amount_differs", order=self.orders[3], amount=short)
            await self.refuses(client, "confirm_payment", "order_not_pending", order=self.orders[1])
            await self.refuses(
                client, "confirm_payment", "received_in_the_future", order=self.orders[3], received_on="2035-01-01"
            )

    async def errs_when_looking_for_orders(self) -> None:  # 13
        async with self.server.connect() as client:
            found = await call(client, "list_orders", event=self.event, query="Lovelase")
            must(found["items"] and found["items"][0]["number"] == self.orders[0], f"a typo finds nothing: {found}")
            await self.refuses(client, "get_order", "code_malformed", order="O0O0O0O")
            wrong = self.orders[0][1::-1] + self.orders[0][2:]
            if wrong != self.orders[0]:
                await self.refuses(client, "get_order", "code_malformed", order=wrong)
            await self.refuses(client, "get_order", "not_found", order=f"ord_{'0' * 32}")
            await self.refuses(client, "get_order", "invalid_input", order=self.event)
            await self.refuses(client, "cancel_order", "refund_undecided", order=self.orders[0])
            await self.refuses(client, "cancel_order", "checked_in", order=self.orders[0], refund="none")

    async def errs_when_moving(self) -> None:  # 19
        async with self.server.connect() as client:
            for change, code in (
                ({"starts": "2020-03-09T20:00"}, "starts_in_the_past"),
                ({"starts": "2035-03-25T02:30", "zone": "Europe/Berlin"}, "time_does_not_exist"),
                ({"starts": "2035-03-09T20:00", "ends": "2035-03-09T19:00"}, "ends_before_start"),
                ({"venue": f"Town Hal {self.mark}"}, "not_found"),
                ({"venue": ""}, "place_missing"),
                ({"starts": "2035-03-10T20:00", "version": 1}, "changed_meanwhile"),
                ({}, "nothing_given"),
            ):
                await self.refuses(client, "update_event", code, event=self.event, **change)

    async def errs_when_writing(self) -> None:  # 20
        async with self.server.connect() as client:
            words = {"event": self.event, "segment": "all", "subject": "News", "body": "Hello."}
            for change, code in (
                ({"event": f"Nothing {self.mark}"}, "not_found"),
                ({"segment": "everybody"}, "invalid_input"),
                ({"ticket_type": "Early bird"}, "empty_segment"),
                ({"ticket_type": f"Balcony {self.mark}"}, "not_found"),
                ({"body": "Dear {{ recipient.nmae }}"}, "unknown_placeholder"),
                ({"body": "[Pay here](http://example.org/pay)"}, "link_not_https"),
                ({"body": None}, "nothing_to_say"),
                ({"template": "sales_report"}, "template_for_organizers"),
                ({"send_at": "2020-01-01T09:00"}, "send_at_in_the_past"),
            ):
                arguments = {"tool": "send_message", "arguments": words | change}
                await self.refuses(client, "run_write_tool", code, **arguments)

    async def errs_with_the_waiting_list(self) -> None:  # 21
        person = Person({"confirm": True})
        async with self.server.connect(person) as client:
            event, holds = await self.full_house(client, "Small Gala")
            wish = {"event": event, "ticket_type": "Regular", "quantity": 1, "name": "Jo", "email": f"jo.{self.mark}@example.org"}
            for change, code in (
                ({"event": f"Nothing {self.mark}"}, "not_found"),
                ({"event": self.event}, "not_sold_out"),
                ({"ticket_type": "Regulr"}, "not_found"),
                ({"quantity": 5}, "waitlist_quantity"),
                ({"email": "jo at example"}, "invalid_input"),
            ):
                arguments = {"tool": "join_waitlist", "arguments": wish | change}
                await self.refuses(client, "run_write_tool", code, **arguments)
            first = await self.waits(client, event, "Ina", 4)
            again = await self.waits(client, event, "Ina", 2)
            must(again["was_on_it_already"] and again["entry"]["id"] == first["entry"]["id"], str(again))
            must(again["entry"]["quantity"] == 4, f"a repeat changed the entry: {again}")
            for arguments, code in (
                ({"event": f"Nothing {self.mark}"}, "not_found"),
                ({"event": event, "ticket_type": "Balcony"}, "not_found"),
                ({"event": event, "hours": 0}, "offer_hours"),
                ({"ticket_type": "Regular"}, "ticket_type_without_event"),
            ):
                await self.refuses(client, "run_write_tool", code, tool="offer_places", arguments=arguments)
            entry = {"entry": first["entry"]["id"]}
            await self.refuses(
                client, "run_write_tool", "waitlist_priority", tool="save_waitlist_entry", arguments=entry | {"priority": 101}
            )
            await self.refuses(client, "run_read_tool", "not_found", tool="get_waitlist_entry", arguments={"entry": f"wte_{'0' * 32}"})
            # A group of four, and three are free: nobody is served, and nobody else may have them.
            for hold in holds[:3]:
                await self.searched(client, "run_write_tool", "release_hold", hold=hold)
            served = await self.searched(client, "run_write_tool", "offer_places", event=event)
            must(served["offers"] == [] and served["waiting_count"] == 1, str(served))
            await self.searched(client, "run_write_tool", "release_hold", hold=holds[3])
            await self.searched(client, "run_write_tool", "offer_places", event=event)
            offered = await self.searched(client, "run_read_tool", "get_waitlist_entry", **entry)
            must(offered["status"] == "offered", str(offered))
            # An offer that has ended is ordered by nobody.
            hold = {"hold": offered["offer"]["hold_id"]}
            await self.refuses(client, "run_write_tool", "hold_extended_already", tool="extend_hold", arguments=hold)
            await self.searched(client, "run_write_tool", "release_hold", **hold)
            buyer = {"name": "Ina", "email": f"ina.{self.mark}@example.org"}
            await self.refuses(client, "place_order", "hold_ended", event=event, buyer=buyer, **hold)
            lapsed = await self.searched(client, "run_read_tool", "get_waitlist_entry", **entry)
            must(lapsed["status"] == "lapsed", str(lapsed))
            await self.refuses(
                client, "run_write_tool", "not_waiting", tool="save_waitlist_entry", arguments=entry | {"priority": 1}
            )
            # What was taken off the list of ticket types is offered to nobody, and that is said.
            items = [{"ticket_type": "Regular", "quantity": 4}]
            await self.searched(client, "run_write_tool", "hold_tickets", event=event, items=items)
            await self.waits(client, event, "Kim")
            await self.searched(client, "run_write_tool", "archive_ticket_type", event=event, ticket_type="Regular")
            served = await self.searched(client, "run_write_tool", "offer_places", event=event)
            must("archived" in served["not_served"][0]["why"], str(served))
            await self.refuses(
                client, "run_write_tool", "not_found", tool="offer_places", arguments={"event": event, "ticket_type": "Regular"}
            )

    async def errs_at_the_door(self) -> None:  # 22
        async with self.server.connect() as client:
            await self.refuses(client, "check_in", "ticket_code_misread", ticket="hello", event=self.event)
            await self.refuses(client, "check_in", "ticket_not_found", ticket=f"tkt_{'0' * 32}", event=self.event)
            await self.refuses(client, "check_in", "invalid_input", event=self.event)
            order = await call(client, "get_order", order=self.orders[1])
            void = await call(client, "check_in", ticket=order["tickets"][0]["code"], event=self.event)
            must(not void["admitted"] and void["result"] == "void" and void["message"], str(void))
            order = await call(client, "get_order", order=self.orders[0])
            other = await call(client, "check_in", ticket=order["tickets"][1]["code"], event=f"Bare {self.mark}")
            must(not other["admitted"] and other["result"] == "wrong_event", str(other))

    async def errs_with_reports(self) -> None:  # 23
        async with self.server.connect() as client:
            await self.refuses(client, "get_sales_report", "not_found", event=f"Nothing {self.mark}")
            await self.refuses(
                client, "get_sales_report", "range_reversed", event=self.event, **{"from": "2030-02-01", "to": "2030-01-01"}
            )
            await self.refuses(client, "get_sales_report", "invalid_input", event=self.event, by=["weather"])
            await self.refuses(client, "get_sales_report", "invalid_input", event=self.event, **{"from": "yesterday"})


STORIES = {"self": tell_self, "organizer": tell_organizer}


async def main() -> int:
    parser = argparse.ArgumentParser(description="Plays a story to an MCP server.")
    parser.add_argument("story", choices=STORIES)
    parser.add_argument("--url")
    parser.add_argument("--office", type=shlex.split, default=[])
    parser.add_argument("--stdio", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    telling = Telling()
    for era in MODES:
        if options.url:
            await STORIES[options.story](Server(era, options.office, url=options.url), telling)
        if options.stdio:
            await STORIES[options.story](Server(era, options.office, command=options.stdio), telling)
    return telling.finish()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
