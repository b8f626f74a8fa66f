// Every vector of a dossier, judged by the page in Firefox: node vectors.mjs

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import puppeteer from "puppeteer-core";

const VECTORS = resolve("../../tests/vectors/dossier");
const PAGE = pathToFileURL(resolve("../custodia-verify.html")).href;
const { cases } = JSON.parse(await readFile(join(VECTORS, "cases.json"), "utf8"));

const folder = await mkdtemp(join(tmpdir(), "custodia-firefox-"));
const browser = await puppeteer.launch({ browser: "firefox", executablePath: process.env["FIREFOX"] ?? "/usr/bin/firefox-esr", headless: true });
const complaints = [];
try {
  for (const [at, { name, trust, dossier, expect }] of cases.entries()) {
    const path = join(folder, `${at}.toml`);
    await writeFile(path, trust);
    // A page of its own, since a Firefox that loads one again keeps the files that were chosen.
    const page = await browser.newPage();
    page.on("pageerror", (error) => complaints.push(`${name}: ${error}`));
    page.on("console", (message) => complaints.push(`${name}: ${message.text()}`));
    await page.goto(PAGE);
    await (await page.$("#trust")).uploadFile(path);
    await (await page.$("#dossier")).uploadFile(join(VECTORS, dossier));
    const verdict = await page.waitForSelector("#verdict", { timeout: 60_000 });
    assert.equal(await verdict.evaluate((element) => element.textContent), expect, name);
    await page.close();
  }
  assert.deepEqual(complaints, []);
  console.log(`${await browser.version()}: ${cases.length} dossiers judged as their vectors say`);
} finally {
  await browser.close();
  await rm(folder, { recursive: true, force: true });
}
