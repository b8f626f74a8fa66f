// Builds the page into one file: node build.mjs [--check]
//
// custodia-verify.html is committed; --check builds it again and compares, so that what is published is what the sources say.

import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { build } from "esbuild";

const OUTPUT = "custodia-verify.html";
const { version } = JSON.parse(await readFile("package.json", "utf8"));

/** One script from a source file and all that it imports. */
async function bundle(entry, define) {
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    minify: true,
    format: "iife",
    target: ["es2022"],
    charset: "utf8",
    legalComments: "none",
    define,
  });
  // The end of a script element within a script would end it.
  return outputFiles[0].text.trim().replaceAll("</script", "<\\/script");
}

const hashOf = (text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

const worker = await bundle("src/ui/worker.ts", {});
const script = await bundle("src/ui/main.ts", { WORKER_SOURCE: JSON.stringify(worker), VERSION: JSON.stringify(version) });
const style = (await readFile("src/ui/page.css", "utf8")).trim();
// Nothing may be loaded or asked for; only this very script and style run, the worker that the script makes, and the WebAssembly that it
// writes itself ('wasm-unsafe-eval' allows no other evaluation).
const policy = [
  "default-src 'none'",
  `script-src ${hashOf(script)} 'wasm-unsafe-eval'`,
  `style-src ${hashOf(style)}`,
  "worker-src blob:",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");
const template = await readFile("src/ui/page.html", "utf8");
const parts = { policy, style, script };
const page = template.replace(/\{\{(\w+)\}\}/g, (_, name) => parts[name]);

if (process.argv.includes("--check")) {
  const committed = await readFile(OUTPUT, "utf8").catch(() => "");
  if (committed !== page) {
    console.error(`${OUTPUT} is not what the sources make: run node build.mjs and commit it`);
    process.exitCode = 1;
  }
} else {
  await writeFile(OUTPUT, page);
}
for (const [entry, output] of [["src/node.ts", "out/cli.mjs"], ["tests/vectors.ts", "out/vectors.mjs"]]) {
  await build({ entryPoints: [entry], bundle: true, outfile: output, platform: "node", format: "esm", target: "node18", logLevel: "warning" });
}
console.log(`${OUTPUT}: ${Buffer.byteLength(page)} bytes, SHA-256 ${createHash("sha256").update(page).digest("hex")}`);
