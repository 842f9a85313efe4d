// Records what the reference answers: `npm i miniflare@4` in some folder, then
//   NODE_PATH=that/node_modules node tests/d1_reference/record.mjs
// Run by hand; the tests only read the files it writes (GROUP.json beside this script).
import { createRequire } from "node:module";
import { readFileSync, writeFileSync } from "node:fs";
import { groups } from "./cases.mjs";

const { Miniflare } = createRequire(process.env.NODE_PATH + "/")("miniflare");
const here = new URL(".", import.meta.url);
const read = (path) => readFileSync(new URL(path, here), "utf8");
const describe = read("../kv_reference/describe.js");
const plain = read("plain.js");

// A case is an expression, or statements with a `return`.
const body = (text) => (/\breturn\b/.test(text) ? text : `return ${text}`);
const kind = (text) => (/\bawait\b/.test(text) ? "async " : "");

let script = `const outcome = ${describe.slice(describe.indexOf("(function")).trim().replace(/;$/, "")};\n`;
script += `const plain = ${plain.slice(plain.indexOf("(function")).trim().replace(/;$/, "")};\nconst cases = {\n`;
for (const [group, cases] of Object.entries(groups)) {
  script += `${JSON.stringify(group)}: {\n`;
  for (const [name, text] of Object.entries(cases)) {
    script += `${JSON.stringify(name)}: ${kind(text)}(db) => { ${body(text)} },\n`;
  }
  script += "},\n";
}
script += `};
export default {
  async fetch(request, env) {
    const [group, name, database] = await request.json();
    return Response.json(await outcome(() => cases[group][name](env[database])));
  },
};`;

// A database of its own for each case.
const names = Object.values(groups).flatMap(Object.keys).map((_, index) => `DB${index}`);
const miniflare = new Miniflare({
  modules: true,
  script,
  compatibilityDate: "2026-04-20",
  d1Databases: names,
});
for (const [group, cases] of Object.entries(groups)) {
  const recorded = [];
  for (const [name, text] of Object.entries(cases)) {
    const response = await miniflare.dispatchFetch("http://localhost/", {
      method: "POST",
      body: JSON.stringify([group, name, names.pop()]),
    });
    recorded.push({ name, code: body(text), awaits: kind(text) !== "", outcome: await response.json() });
  }
  writeFileSync(new URL(`${group}.json`, here), JSON.stringify(recorded, null, 1) + "\n");
}
await miniflare.dispose();
