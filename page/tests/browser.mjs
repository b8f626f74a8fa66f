// The page in Chromium, opened from disk: verdicts, no connection, accessibility, keyboard, languages, print.
//
//   node tests/browser.mjs [folder for pictures]

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const PICTURES = process.argv[2];
const VECTORS = resolve("../tests/vectors/dossier");
const PAGE = pathToFileURL(resolve("custodia-verify.html")).href;
const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const { cases } = JSON.parse(await readFile(join(VECTORS, "cases.json"), "utf8"));

const folder = await mkdtemp(join(tmpdir(), "custodia-page-"));
const browser = await chromium.launchPersistentContext(join(folder, "profile"), {
  executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
  headless: true,
  locale: "en-GB",
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
  ],
});

/** Everything that the page asked for beyond itself, and what its policy forbade. */
const asked = [];
const complaints = [];

async function open() {
  const page = await browser.newPage();
  page.on("request", (request) => {
    if (request.url() !== PAGE && !request.url().startsWith("blob:")) asked.push(request.url());
  });
  page.on("console", (message) => complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(PAGE);
  return page;
}

async function trustFile(name) {
  const one = cases.find((each) => each.name === name);
  const path = join(folder, `${name}.toml`);
  await writeFile(path, one.trust);
  return { one, path };
}

async function verdictOf(page, name) {
  const { one, path } = await trustFile(name);
  await page.setInputFiles("#trust", path);
  await page.setInputFiles("#dossier", join(VECTORS, one.dossier));
  await page.waitForSelector("#verdict");
  return { one, verdict: await page.textContent("#verdict"), sentence: await page.textContent("#sentence") };
}

async function picture(page, name, options = {}) {
  if (PICTURES) await page.screenshot({ path: join(PICTURES, `${name}.png`), fullPage: true, ...options });
}

async function noViolations(page, what) {
  // The policy allows no script but the page's own, so the tester brings its own by the debugger, which no policy binds.
  const session = await page.context().newCDPSession(page);
  await session.send("Runtime.evaluate", { expression: AXE });
  const { result } = await session.send("Runtime.evaluate", {
    expression: "axe.run(document, {resultTypes: ['violations']}).then((found) => JSON.stringify(found.violations.map(({id, nodes}) => [id, nodes.map((node) => node.html)])))",
    awaitPromise: true,
    returnByValue: true,
  });
  assert.equal(result.value, "[]", `axe finds violations in ${what}`);
}

/** What a script that somebody planted might try, in the page. */
async function attempts(address) {
  const loads = (tag, member, value) =>
    new Promise((open, fail) => document.head.append(Object.assign(document.createElement(tag), { onload: open, onerror: fail, [member]: value })));
  const http = `http://${address}`;
  const all = {
    fetch: () => fetch(`${http}/`, { mode: "no-cors" }),
    "fetch of a file": () => fetch("file:///etc/hostname"),
    socket: () => new Promise((open, fail) => Object.assign(new WebSocket(`ws://${address}/`), { onopen: open, onerror: fail })),
    events: () => new Promise((open, fail) => Object.assign(new EventSource(`${http}/`), { onopen: open, onerror: fail })),
    image: () => loads("img", "src", `${http}/x.png`),
    script: () => loads("script", "src", `${http}/x.js`),
    worker: () => new Promise((open, fail) => Object.assign(new Worker(`${http}/x.js`), { onmessage: open, onerror: fail })),
  };
  const found = {};
  for (const [name, attempt] of Object.entries(all)) {
    found[name] = await Promise.resolve().then(attempt).then(() => "open", () => "blocked");
  }
  navigator.sendBeacon(`${http}/`, "x");
  document.head.append(Object.assign(document.createElement("script"), { textContent: "window.planted = true" }));
  found.inline = window.planted ? "open" : "blocked";
  return found;
}

const tests = {
  async "dossiers get the verdicts of their vectors"() {
    const page = await open();
    const some = ["whole", "no-cosignature", "bag-file-changed", "archive-crc-wrong", "reason-key-of-another-act", "of-digests", "files-with-names-in-utf-8", "of-version-2"];
    for (const name of some) {
      const { one, verdict, sentence } = await verdictOf(page, name);
      assert.equal(verdict, one.expect, name);
      if (one.first) assert.ok(sentence.includes(`(${one.first})`), `${name}: ${sentence}`);
      const report = JSON.parse(await page.textContent("pre"));
      assert.deepEqual([report.verdict, report.first], [one.expect, one.first], name);
    }
    await page.close();
  },

  async "files are dragged onto the page, in any order"() {
    const page = await open();
    const { one, path } = await trustFile("whole");
    const dossier = (await readFile(join(VECTORS, one.dossier))).toString("base64");
    const trust = (await readFile(path)).toString("base64");
    const session = await page.context().newCDPSession(page);
    const drop = `(() => {
      const file = (text, name) => new File([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))], name);
      const data = new DataTransfer();
      data.items.add(file("${dossier}", "whole.zip"));
      data.items.add(file("${trust}", "trust.toml"));
      document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
    })()`;
    await session.send("Runtime.evaluate", { expression: drop });
    await page.waitForSelector("#verdict");
    assert.equal(await page.textContent("#verdict"), "PASSED");
    await page.close();
  },

  async "a good and a bad dossier are shown without a violation of accessibility"() {
    const page = await open();
    await noViolations(page, "the empty page");
    await picture(page, "empty");
    const good = await verdictOf(page, "whole");
    assert.ok(good.sentence.includes("attested by custodia.example/auditor"), good.sentence);
    assert.ok((await page.textContent("#pins")).includes("custodia.example/log"), "the pinned keys are shown");
    await noViolations(page, "a report that passes");
    await picture(page, "passed");
    await verdictOf(page, "file-changed-and-all-lists-with-it");
    await noViolations(page, "a report that fails");
    await picture(page, "failed");
    await page.setViewportSize({ width: 400, height: 800 });
    await picture(page, "narrow");
    await page.close();
  },

  async "a trust file that cannot be used is named, and no dossier is judged by it"() {
    const page = await open();
    const path = join(folder, "bad.toml");
    await writeFile(path, 'origin = "x"\nlogg = "y"\n');
    await page.setInputFiles("#trust", path);
    await page.waitForSelector("#pins .warning");
    assert.ok((await page.textContent("#pins")).includes("logg"));
    await page.setInputFiles("#dossier", join(VECTORS, "whole.zip"));
    assert.equal(await page.isVisible("#result"), false);
    await page.close();
  },

  async "a key or verifier within a dossier is named, and was not used"() {
    const page = await open();
    await verdictOf(page, "whole");
    assert.equal(await page.locator("#report .warning").count(), 0);
    const { verdict } = await verdictOf(page, "with-a-key-and-a-verifier-that-prove-nothing");
    assert.equal(verdict, "PASSED");
    const warnings = await page.locator("#report .warning").allTextContents();
    assert.ok(warnings.length > 0 && warnings.every((text) => text.includes("It was not used")), warnings.join());
    await page.close();
  },

  async "the keyboard alone is enough"() {
    const page = await open();
    const { one, path } = await trustFile("whole");
    const reached = [];
    const tab = async () => {
      await page.keyboard.press("Tab");
      reached.push(await page.locator(":focus").getAttribute("id"));
    };
    const choose = async (file) => {
      const chooser = page.waitForEvent("filechooser");
      await page.keyboard.press("Space");
      await (await chooser).setFiles(file);
    };
    for (let at = 0; at < 3; at++) await tab();
    assert.deepEqual(reached, ["language", "trust", "dossier"]);
    await page.locator("#trust").focus();
    await choose(path);
    await page.waitForSelector("#pins table");
    await page.locator("#dossier").focus();
    await choose(join(VECTORS, one.dossier));
    await page.waitForSelector("#verdict:focus");
    // From the verdict on every table, the raw report and every button is reached.
    const after = new Set();
    for (let at = 0; at < 30; at++) {
      await page.keyboard.press("Tab");
      after.add(await page.locator(":focus").evaluate((element) => element.id || element.tagName).catch(() => ""));
    }
    for (const id of ["print", "download", "copy"]) assert.ok(after.has(id), `${id} is reached: ${[...after]}`);
    await page.close();
  },

  async "the report is the same in every language, and all of it is translated"() {
    const page = await open();
    await verdictOf(page, "whole");
    const english = await page.textContent("main");
    for (const [code, verdict] of Object.entries({ fr: "CONFORME", de: "BESTANDEN", nl: "GESLAAGD", ro: "ADMIS" })) {
      await page.selectOption("#language", code);
      assert.equal(await page.getAttribute("html", "lang"), code);
      assert.equal(await page.textContent("#verdict"), `${verdict} (PASSED)`);
      assert.notEqual(await page.textContent("main"), english);
      for (const text of ["undefined", "{", "}"]) {
        const shown = await page.evaluate(() => document.querySelector("main").innerText);
        assert.ok(!shown.replace(/\{\s*"[\s\S]*$/, "").includes(text), `${code}: ${text} in the page`);
      }
      await noViolations(page, `the page in ${code}`);
    }
    await picture(page, "romanian");
    await page.close();
  },

  async "on paper there is the verdict and everything that was found, and no control"() {
    const page = await open();
    await verdictOf(page, "file-changed-and-all-lists-with-it");
    await page.evaluate(() => window.dispatchEvent(new Event("beforeprint")));
    await page.emulateMedia({ media: "print" });
    for (const hidden of ["#trust", "#dossier", "#print", "#language", ".raw"]) assert.equal(await page.isVisible(hidden), false, hidden);
    for (const shown of ["#verdict", "#sentence", "#pins table", "#report table"]) assert.equal(await page.locator(shown).first().isVisible(), true, shown);
    assert.equal(await page.locator("#report details:not([open]):not(.raw)").count(), 0);
    const pdf = await page.pdf({ path: PICTURES ? join(PICTURES, "printed.pdf") : undefined, format: "A4" });
    assert.ok(pdf.length > 10_000);
    await picture(page, "print");
    await page.close();
  },

  async "the report is saved as JSON"() {
    const page = await open();
    await verdictOf(page, "whole");
    const download = page.waitForEvent("download");
    await page.click("#download");
    const saved = JSON.parse(await readFile(await (await download).path(), "utf8"));
    assert.equal(saved.verdict, "PASSED");
    assert.deepEqual(saved.exhibits[0].custody.map((act) => act.kind), ["collection", "consultation", "disclosure"]);
    await page.close();
  },

  async "nothing that runs in the page can open a connection or load anything"() {
    assert.deepEqual(asked, [], "the page asked for nothing in all of these tests");
    assert.deepEqual(complaints, [], "and said nothing on the console");
    let reached = 0;
    const server = createServer((_, response) => {
      reached++;
      response.setHeader("access-control-allow-origin", "*").end("x");
    });
    await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
    const address = `127.0.0.1:${server.address().port}`;
    // Without the policy the attempt arrives: so the server would notice.
    const blank = await browser.newPage();
    await blank.evaluate((to) => fetch(`http://${to}/`, { mode: "no-cors" }), address);
    assert.equal(reached, 1);
    const page = await open();
    const blocked = await page.evaluate(attempts, address);
    assert.deepEqual([...new Set(Object.values(blocked))], ["blocked"], JSON.stringify(blocked));
    assert.equal(reached, 1, "nothing arrived");
    server.close();
    await page.close();
  },
};

let failed = 0;
for (const [name, test] of Object.entries(tests)) {
  try {
    await test();
    console.log(`ok      ${name}`);
  } catch (error) {
    failed++;
    console.error(`FAILED  ${name}\n${error.stack ?? error}`);
  }
}
await browser.close();
await rm(folder, { recursive: true, force: true });
if (failed > 0) process.exitCode = 1;
