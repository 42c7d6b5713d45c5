// A buyer in Chromium: orders are paid, declined, authenticated and abandoned on the simulator's page, while its webhooks
// come twice and late. Prints what it saw; the last line is the sum. Screenshots are left in the folder.
//
//   node checkout.cjs --program eventos --simulator payments-simulator --chromium chromium --folder DIR
"use strict";
const { spawn, execFileSync } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");
const { given, children, expect, freePort, folder, launch, run } = require("./browser.cjs");

const pause = (ms) => new Promise((done) => setTimeout(done, ms));
async function until(what, holds) {
  const end = Date.now() + 90_000;
  while (!(await holds().catch(() => false))) {
    if (Date.now() > end) throw new Error(`after a minute and a half still not: ${what}`);
    await pause(100);
  }
}

async function main() {
  const [shopPort, tillPort] = [await freePort(), await freePort()];
  const shop = `http://127.0.0.1:${shopPort}`;
  const till = `http://127.0.0.1:${tillPort}`;
  const data = folder("checkout");
  const env = {
    ...process.env,
    EVENTOS_DATA_DIR: data,
    EVENTOS_STRIPE__KEY: "sk_test_simulator",
    EVENTOS_STRIPE__URL: till,
    EVENTOS_STRIPE__WEBHOOK_SECRET: "whsec_simulator",
  };
  const log = (name) => fs.openSync(path.join(given.folder, `${name}.log`), "w");
  const start = (name, program, args) => {
    const file = log(name);
    children.push(spawn(program, args, { env, stdio: ["ignore", file, file] }));
  };
  start("simulator", given.simulator, [
    "--listen", `127.0.0.1:${tillPort}`, "--webhook-url", `${shop}/webhooks/stripe`, "--copies", "2",
  ]);
  start("eventos", given.program, ["serve", "--listen", `127.0.0.1:${shopPort}`]);
  await until("the server is ready", async () => (await fetch(`${shop}/readyz`)).ok);
  const token = execFileSync(given.program, ["token", "create", "--name", "checkout", "--quiet"], { env }).toString().trim();

  const call = async (where, body, as) => {
    const headers = { "content-type": "application/json", ...(as && { authorization: `Bearer ${as}` }) };
    const answer = await fetch(shop + where, { method: "POST", headers, body: JSON.stringify(body) });
    const said = await answer.json();
    if (!answer.ok) throw new Error(`${where}: ${JSON.stringify(said)}`);
    return said;
  };
  await call("/v1/create_event", { title: "Rust Night", starts: "2999-02-04T19:00", online_url: "https://live.example.org" }, token);
  await call("/v1/save_ticket_type", { event: "rust-night", name: "Regular", price: { amount: 2500, currency: "EUR" }, quantity: 50 }, token);
  await call("/v1/publish_event", { event: "rust-night" }, token);
  const order = async () => {
    const hold = await call("/v1/public/home/events/rust-night/holds", { items: [{ ticket_type: "Regular", quantity: 2 }] });
    const buyer = { name: "Ada <b>Lovelace</b>", email: "ada@example.org" };
    return call(`/v1/public/holds/${hold.checkout}/order`, { buyer });
  };
  const webhooks = (how) =>
    fetch(`${till}/_simulator/webhooks`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: "Bearer sk_test_simulator" },
      body: JSON.stringify({ url: `${shop}/webhooks/stripe`, copies: 2, ...how }),
    });

  const browser = await launch();
  const complaints = [];
  const buyer = async (how) => {
    const page = await (await browser.newContext(how)).newPage();
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    return page;
  };
  const phone = { viewport: { width: 390, height: 844 }, locale: "en-GB" };
  const desk = { viewport: { width: 1280, height: 800 }, colorScheme: "dark", locale: "de-DE" };
  const text = async (page) => (await page.locator("main").innerText()).replace(/\s+/g, " ");
  const picture = (page, name) => page.screenshot({ path: path.join(given.folder, `${name}.png`), fullPage: true });
  const press = (page, label) => page.getByRole("button", { name: label }).click();
  const isOurs = (url) => url.href.startsWith(shop);
  const isTill = (url) => url.href.startsWith(till);
  const pay = async (page, label) => {
    await press(page, label);
    await page.waitForURL(isTill);
  };
  const back = (page) => page.waitForURL(isOurs);

  // Paid; the webhook is later than the buyer.
  await webhooks({ delay_ms: 4_000 });
  let page = await buyer(phone);
  await page.goto((await order()).page);
  expect("an unpaid order asks to be paid", /not paid yet.*Pay now.*50\.00 EUR/.test(await text(page)), await text(page));
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  expect("nothing is wider than a phone", wide <= 0, `${wide} pixels`);
  await picture(page, "unpaid-phone");
  await pay(page, "Pay now");
  await press(page, /^Pay/);
  await back(page);
  const codes = await page.locator("code").allInnerTexts();
  expect("who comes back has paid, before any webhook", /Paid\./.test(await text(page)) && codes.length === 2, await text(page));
  await picture(page, "paid-phone");

  // Declined, gone away, come back, asked by the bank; webhooks at once.
  await webhooks({ delay_ms: 0 });
  page = await buyer(phone);
  const second = await order();
  await page.goto(second.page);
  await pay(page, "Pay now");
  const first = page.url();
  await press(page, "Decline");
  expect("a declined card is told of on the page", /Not paid/.test(await page.locator("body").innerText()), await page.locator("body").innerText());
  await page.getByRole("link", { name: /Abandon/ }).click();
  await back(page);
  expect("who goes away has not paid", /not paid yet/.test(await text(page)), await text(page));
  await pay(page, "Pay now");
  expect("the same page is still open", page.url() === first, page.url());
  await press(page, "3-D Secure");
  await press(page, "Fail");
  expect("a bank that does not believe is told of", /Not paid/.test(await page.locator("body").innerText()), await page.locator("body").innerText());
  await press(page, "3-D Secure");
  await press(page, "Complete");
  await back(page);
  expect("a bank that believes pays", /Paid\./.test(await text(page)), await text(page));

  // Paid, and never come back: the webhook alone.
  page = await buyer(desk);
  const third = await order();
  await page.goto(third.page);
  expect("a German browser reads German", /noch nicht bezahlt/.test(await text(page)), await text(page));
  await picture(page, "unpaid-dark");
  await page.getByRole("button").dblclick();
  await page.waitForURL(isTill);
  await fetch(`${page.url()}/pay`, { method: "POST", redirect: "manual" });
  await until("the webhook has paid the order", async () => {
    await page.goto(third.page);
    return /Bezahlt/.test(await text(page));
  });
  expect("who never comes back is paid by the webhook", true);
  await picture(page, "paid-dark");

  // Abandoned for good: nobody has paid, and the order says until when.
  page = await buyer(phone);
  await page.goto((await order()).page);
  await pay(page, "Pay now");
  await page.getByRole("link", { name: /Abandon/ }).click();
  await back(page);
  expect("places stay held while the page is open", /another 3\d minutes/.test(await text(page)), await text(page));

  const list = await call("/v1/list_orders", {}, token).catch(async () => {
    const answer = await fetch(`${shop}/v1/list_orders`, { headers: { authorization: `Bearer ${token}` } });
    return answer.json();
  });
  await pause(4_500);
  const paid = list.items.filter((one) => one.status === "paid");
  expect("three of four orders are paid", paid.length === 3 && list.items.length === 4, JSON.stringify(list.items.map((one) => one.status)));
  for (const one of paid) {
    const answer = await fetch(`${shop}/v1/get_order?order=${one.number}`, { headers: { authorization: `Bearer ${token}` } });
    const seen = await answer.json();
    expect(`order ${one.number} was paid once`, seen.payments.length === 1 && seen.refunds.length === 0 && seen.tickets.length === 2, JSON.stringify(seen.payments));
  }
  expect("the browser complains of nothing", complaints.length === 0, complaints.join("; "));
  await browser.close();
}

run(main, 13);
