// Records what upstream answers to cases.json: node --experimental-wasm-jspi record.mjs > answers.json
// (Node 24; `npm i pyodide@314.0.7` in a folder named by NODE_PATH or an ancestor of this file).
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const require = createRequire(process.env.PYODIDE_HOME ? process.env.PYODIDE_HOME + "/" : import.meta.url);
const { loadPyodide } = await import(pathToFileURL(require.resolve("pyodide/pyodide.mjs")));
const here = (name) => readFileSync(new URL(name, import.meta.url), "utf8");
const pyodide = await loadPyodide();
pyodide.globals.set("cases", here("cases.json"));
pyodide.globals.set("answer_source", here("answer.py"));
await pyodide.runPythonAsync(
  "import sys, types; m = types.ModuleType('answer'); exec(answer_source, m.__dict__); sys.modules['answer'] = m",
);
console.log(await pyodide.runPythonAsync("import answer; await answer.answer_all(cases)"));
