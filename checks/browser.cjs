// What the checks in a browser have in common: what they are given, what they looked at, what they started and leave behind.
"use strict";
const fs = require("node:fs");
const net = require("node:net");
const os = require("node:os");
const path = require("node:path");
const { createRequire } = require("node:module");

const given = {};
for (let i = 2; i < process.argv.length; i += 2) given[process.argv[i].slice(2)] = process.argv[i + 1];
const { chromium } = createRequire(path.join(given.modules, "x.js"))("playwright-core");

const children = [];
const leftovers = [];
let looked = 0;
const wrong = [];

function expect(what, holds, saw) {
  looked += 1;
  if (!holds) wrong.push(`${what}: ${saw}`);
  console.log(`${holds ? "ok   " : "WRONG"} ${what}${holds ? "" : `: ${saw}`}`);
}

const freePort = () =>
  new Promise((done) => {
    const server = net.createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });

// A data directory of its own, which root's PostgreSQL, another account, can get into.
function folder(name) {
  const data = fs.mkdtempSync(path.join(os.tmpdir(), `eventos-${name}-`));
  fs.chmodSync(data, 0o755);
  leftovers.push(data);
  return data;
}

const launch = () =>
  chromium.launch({
    executablePath: given.chromium,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync"],
  });

// Runs a check, ends what it started, and says what it saw; having looked at less than it should is a failure, too.
function run(main, least) {
  main()
    .catch((error) => wrong.push(String(error && error.stack)))
    .finally(() => {
      for (const child of children.reverse()) child.kill("SIGTERM");
      for (const one of wrong) console.log(one);
      console.log(`${looked} looked at in Chromium, ${wrong.length} wrong`);
      setTimeout(() => {
        for (const one of leftovers) fs.rmSync(one, { recursive: true, force: true });
        process.exit(wrong.length === 0 && looked >= least ? 0 : 1);
      }, 3_000);
    });
}

module.exports = { given, children, expect, freePort, folder, launch, run };
