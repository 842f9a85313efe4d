// The cases in Pyodide, for `reference.py`: node reference.mjs <folder of node_modules> <folder of the cases> <names as JSON>.
// Prints a line of JSON per case: [name, result].
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const [modules, cases, names] = process.argv.slice(2);
const { loadPyodide } = createRequire(join(modules, "node_modules/"))("pyodide");
const pyodide = await loadPyodide();
for (const file of ["ffi_bench.py", "own_cases.py"]) {
  pyodide.FS.writeFile(`/home/pyodide/${file}`, readFileSync(join(cases, file)));
}
globalThis.names = names;
globalThis.emit = (name, result) => process.stdout.write(`[${JSON.stringify(name)}, ${result}]\n`);
await pyodide.runPythonAsync(`
import json
import sys

import js

sys.path.insert(0, "/home/pyodide")
import ffi_bench
import own_cases

wanted = set(json.loads(js.names))
for name, setup, scale in ffi_bench.CASES:
    if name in wanted:
        try:
            result = await ffi_bench.measure(setup, scale, reps=25, target=0.003)
        except Exception as error:
            result = {"error": f"{type(error).__name__}: {error}"}
        js.emit(name, json.dumps(result))
`);
