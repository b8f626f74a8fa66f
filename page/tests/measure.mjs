// How long the page takes for a dossier in Chromium: node tests/measure.mjs DOSSIER TRUST [times]

import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const [dossier, trust, times = "3"] = process.argv.slice(2);
const { size } = await stat(dossier);
const profile = await mkdtemp(join(tmpdir(), "custodia-measure-"));
const browser = await chromium.launchPersistentContext(profile, {
  executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"],
});
for (let time = 0; time < Number(times); time++) {
  const page = await browser.newPage();
  await page.goto(pathToFileURL(resolve("custodia-verify.html")).href);
  await page.setInputFiles("#trust", trust);
  const begin = performance.now();
  await page.setInputFiles("#dossier", dossier);
  await page.waitForSelector("#verdict", { timeout: 600_000 });
  const seconds = (performance.now() - begin) / 1000;
  console.log(`${await page.textContent("#verdict")}: ${seconds.toFixed(2)} s, ${(size / 1e6 / seconds).toFixed(0)} MB/s of ${size} bytes`);
  await page.close();
}
await browser.close();
await rm(profile, { recursive: true, force: true });
