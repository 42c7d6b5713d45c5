// A person in Chromium and one at a terminal chat an event into existence, with a stand-in for the model's provider that
// streams slowly. The server is killed in the middle of a sentence and after a decision, and goes on. Prints what it saw; the
// last line is the sum. Screenshots are left in the folder.
//
//   node chat.cjs --program eventos --model llm-fake --chromium chromium --folder DIR --modules DIR
"use strict";
const { spawn, execFileSync } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");
const { given, children, expect, freePort, folder, launch, run } = require("./browser.cjs");

const steps = (title, day, hall) => [
  { name: "hall", operation: "save_venue", input: { name: hall, city: "Berlin", capacity: 80 } },
  { name: "night", operation: "create_event", input: { title, starts: `${day}T19:00`, venue: "$hall" } },
  { operation: "save_ticket_type", input: { event: "$night", name: "Early bird", price: { amount: 1500, currency: "EUR" }, quantity: 30 } },
  { operation: "save_ticket_type", input: { event: "$night", name: "Regular", price: { amount: 2500, currency: "EUR" }, quantity: 50 } },
  { operation: "publish_event", input: { event: "$night" } },
];
const said = (text, calls = []) => ({ text, calls, piece_ms: 120 });
const proposal = (title, day, hall) => ({ name: "apply_changes", args: { title: `${title} at ${hall}`, steps: steps(title, day, hall) } });
const script = {
  rules: [
    { said: "rust night", step: 0, then: said("I look whether the place is known, and whether the evening is free.", [{ name: "list_venues", args: {} }, { name: "list_events", args: { query: "Rust" } }]) },
    { said: "rust night", step: 1, then: said("Here is the whole evening.", [proposal("Rust Night", "2999-02-04", "Factory Berlin")]) },
    { said: "rust night", step: 2, result: "They said: Saturday", then: said("Then Saturday.", [proposal("Rust Night", "2999-02-06", "Factory Berlin")]) },
    { said: "rust night", then: said("Rust Night is on sale: 80 places, early bird 15.00 €, regular 25.00 €.") },
    { said: "jazz", step: 0, then: said("A draft of it.", [proposal("Jazz Night", "2999-03-04", "Cellar")]) },
    { said: "jazz", then: said("Jazz Night is on sale.") },
    { said: "markup", then: said("<img src=x onerror=alert(1)> [click](https://evil.example) <b>bold</b>") },
  ],
};

async function main() {
  const [port, modelPort] = [await freePort(), await freePort()];
  const home = `http://127.0.0.1:${port}`;
  const data = folder("chat");
  const env = { ...process.env, EVENTOS_DATA_DIR: data, EVENTOS_MODELS__URL: `http://127.0.0.1:${modelPort}`, ANTHROPIC_API_KEY: "a-key-of-a-check" };
  const file = path.join(given.folder, "script.json");
  fs.writeFileSync(file, JSON.stringify(script));
  children.push(spawn(given.model, [`127.0.0.1:${modelPort}`, file], { stdio: "ignore" }));
  const serve = () =>
    new Promise((done, failed) => {
      const child = spawn(given.program, ["serve", "--chat-link", "--listen", `127.0.0.1:${port}`], { env, stdio: ["ignore", "pipe", "pipe"] });
      children.push(child);
      let text = "";
      const hear = (piece) => {
        text += piece;
        fs.appendFileSync(path.join(given.folder, "eventos.log"), piece);
        const link = text.match(/Chat at (\S+)/);
        if (link && text.includes("Ready at")) done({ child, link: link[1] });
      };
      child.stdout.on("data", hear);
      child.stderr.on("data", hear);
      setTimeout(() => failed(new Error(`the server does not start: ${text}`)), 90_000).unref();
    });
  let server = await serve();
  const again = async () => {
    const gone = new Promise((done) => server.child.once("exit", done));
    server.child.kill("SIGKILL");
    await gone;
    server = await serve();
  };

  const browser = await launch();
  const phone = await browser.newContext({ viewport: { width: 390, height: 844 } });
  const page = await phone.newPage();
  page.setDefaultTimeout(90_000);
  const picture = (of, name) => of.screenshot({ path: path.join(given.folder, `${name}.png`) });
  const text = async (of) => (await of.locator("main").innerText()).replace(/\s+/g, " ");
  const wide = (of) => of.evaluate(() => document.documentElement.scrollWidth - innerWidth);

  const stranger = await (await browser.newContext({ viewport: { width: 1280, height: 800 }, colorScheme: "dark" })).newPage();
  const refused = await stranger.goto(`${home}/chat`);
  expect("without the link there is no chat", refused.status() === 403, refused.status());
  await page.goto(server.link);
  expect("the link leads to the chat", /What do you want to get done/.test(await text(page)), await text(page));
  const twice = await stranger.goto(server.link);
  expect("the link works once", twice.status() === 403, twice.status());
  const forged = await stranger.request.post(`${home}/chat`, { form: { message: "Hello" }, headers: { origin: "https://evil.example" } });
  expect("a form from elsewhere is refused", forged.status() === 403, forged.status());
  await picture(page, "front-phone");

  // Killed in the middle of a sentence.
  await page.fill("#message", "Rust Night, 80 places, early bird 15 €, Factory Berlin, first Thursday in February");
  await page.press("#message", "Enter");
  await page.waitForSelector(".said");
  const half = await page.locator(".said").first().innerText();
  expect("words come in pieces", half.length > 0 && !half.endsWith("free."), half);
  await again();
  await page.waitForSelector(".card.pending");
  const card = await page.locator(".card.pending").innerText();
  expect("after kill -9 it goes on to a card that says what would happen", /Creates the event "Rust Night" as a draft.*Early bird.*15\.00 EUR.*all or none/s.test(card), card);
  const once = await page.getByText("I look whether the place is known, and whether the evening is free.").count();
  expect("and what was half said is said once", once === 1, once);
  expect("nothing is wider than a phone", (await wide(page)) <= 0, await wide(page));
  await picture(page, "card-phone");

  // Rejected with a word, proposed anew, approved with a double click, killed at once.
  await page.locator(".card.pending input[name=note]").fill("Saturday, please");
  await page.locator(".card.pending button[value=rejected]").click();
  await page.waitForSelector("text=Then Saturday.");
  const rejected = await page.locator(".card.rejected").innerText();
  expect("a rejected card says so", /Rejected; nothing was done: Saturday, please/.test(rejected), rejected);
  await page.waitForSelector(".card.pending");
  await page.locator(".card.pending button[value=approved]").dblclick().catch(() => {});
  await page.waitForSelector(".card.approved, .card.done, .plain h1");
  await again();
  await page.goto(`${home}/chat`);
  await page.locator(".list a").first().click();
  await page.waitForSelector("text=Rust Night is on sale");
  await page.waitForSelector("#say:not([hidden])");
  const token = execFileSync(given.program, ["token", "create", "--name", "chat", "--quiet"], { env }).toString().trim();
  const events = async () => {
    const answer = await fetch(`${home}/v1/list_events`, { method: "POST", headers: { "content-type": "application/json", authorization: `Bearer ${token}` }, body: "{}" });
    return (await answer.json()).items.map((event) => `${event.title} ${event.status}`);
  };
  expect("the event is published, once", (await events()).join() === "Rust Night published", (await events()).join());
  await picture(page, "done-phone");

  // What a model says is text.
  await page.fill("#message", "Show me markup");
  await page.getByRole("button", { name: "Send" }).click();
  await page.waitForSelector("text=onerror=alert");
  const inside = await page.locator("#log img, #log b, #log .said a").count();
  expect("what a model says is never markup", inside === 0, inside);
  const desk = await phone.newPage();
  await desk.setViewportSize({ width: 1280, height: 800 });
  await desk.emulateMedia({ colorScheme: "dark" });
  await desk.goto(page.url());
  await desk.waitForSelector(".card");
  await picture(desk, "dark-desk");
  await browser.close();

  // The same in a real terminal, beside the running server.
  const inTerminal = "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)";
  const terminal = spawn("python3", ["-c", inTerminal, given.program, "chat", "Jazz Night in the Cellar"], { env, stdio: ["pipe", "pipe", "inherit"] });
  children.push(terminal);
  let screen = "";
  const shows = (words) =>
    new Promise((done, failed) => {
      const look = setInterval(() => {
        if (screen.includes(words)) { clearInterval(look); done(); }
      }, 50);
      setTimeout(() => { clearInterval(look); failed(new Error(`the terminal never shows ${words}: ${screen}`)); }, 60_000).unref();
    });
  terminal.stdout.on("data", (piece) => (screen += piece));
  await shows("Approve?");
  expect("the terminal shows what would happen", screen.includes('Creates the event "Jazz Night"') && screen.includes("\u001b[32m+"), screen);
  terminal.stdin.write("y\n");
  await shows("Jazz Night is on sale.");
  const ended = new Promise((done) => terminal.once("exit", done));
  terminal.stdin.write("\u0004");
  expect("the terminal ends in good order", (await ended) === 0, screen);
  expect("both events are there", (await events()).sort().join() === "Jazz Night published,Rust Night published", (await events()).join());
}

run(main, 14);
