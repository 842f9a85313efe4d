// Records what miniflare answers to the cases of a binding; `tests/*_reference/record.mjs` say which and how. They are run
// by hand: `npm i miniflare@4` in some folder, then
//   NODE_PATH=that/node_modules node tests/kv_reference/record.mjs
// The tests only read the files that are written, GROUP.json beside each script.
import { createRequire } from "node:module";
import { readFileSync, writeFileSync } from "node:fs";

export const { Miniflare, kCurrentWorker } = createRequire(process.env.NODE_PATH + "/")("miniflare");

// A script that is one expression, a function.
export const expression = (url) => {
  const text = readFileSync(url, "utf8");
  return text.slice(text.indexOf("(function")).trim().replace(/;$/, "");
};

// Runs all cases in one Worker, and writes down their code and their outcomes.
//
// `here`: the folder's URL. `groups`: names of cases and their code, by groups. `body(code, group)`: the code as the body of
// a function of `parameters(group)`; it is `async` if it awaits. `worker`: the text of a module that answers `[group, name,
// further]` with what `await outcome(() => cases[group][name](…))` says. `options`: miniflare's, for the bindings.
// `further(group, name)`: what the Worker is told beside. `notes(code)`: what is noted beside a case.
export async function record({ here, groups, body, parameters, worker, options, further = () => null, notes = () => ({}) }) {
  const kind = (code) => (/\bawait\b/.test(code) ? "async " : "");
  let script = `const outcome = ${expression(new URL("describe.js", import.meta.url))};\nconst cases = {\n`;
  for (const [group, cases] of Object.entries(groups)) {
    script += `${JSON.stringify(group)}: {\n`;
    for (const [name, code] of Object.entries(cases)) {
      script += `${JSON.stringify(name)}: ${kind(code)}(${parameters(group)}) => { ${body(code, group)} },\n`;
    }
    script += "},\n";
  }
  script += `};\n${worker}`;
  const miniflare = new Miniflare({ modules: true, script, compatibilityDate: "2026-04-20", ...options });
  for (const [group, cases] of Object.entries(groups)) {
    const recorded = [];
    for (const [name, code] of Object.entries(cases)) {
      const response = await miniflare.dispatchFetch("http://localhost/", {
        method: "POST",
        body: JSON.stringify([group, name, further(group, name)]),
      });
      recorded.push({ name, code: body(code, group), ...notes(code), outcome: await response.json() });
    }
    writeFileSync(new URL(`${group}.json`, here), JSON.stringify(recorded, null, 1) + "\n");
  }
  await miniflare.dispose();
}
