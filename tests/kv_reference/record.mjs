// Records what the reference answers: `npm i miniflare@4` in some folder, then
//   NODE_PATH=that/node_modules node tests/kv_reference/record.mjs
// Run by hand; the tests only read the files it writes (GROUP.json beside this script).
import { createRequire } from "node:module";
import { readFileSync, writeFileSync } from "node:fs";
import { groups } from "./cases.mjs";

const { Miniflare } = createRequire(process.env.NODE_PATH + "/")("miniflare");
const here = new URL(".", import.meta.url);
const describe = readFileSync(new URL("describe.js", here), "utf8").trim().replace(/;$/, "");

// A case is an expression, or statements with a `return`.
const body = (text) => (/\breturn\b/.test(text) ? text.replace(/^\{|\}$/g, "") : `return ${text}`);

let script = `const outcome = ${describe.slice(describe.indexOf("("))};\nconst cases = {\n`;
for (const [group, cases] of Object.entries(groups)) {
  script += `${JSON.stringify(group)}: {\n`;
  for (const [name, text] of Object.entries(cases)) {
    script += `${JSON.stringify(name)}: (kv, now) => { ${body(text)} },\n`;
  }
  script += "},\n";
}
script += `};
async function clear(kv) {
  let cursor;
  do {
    const page = await kv.list({ cursor });
    await Promise.all(page.keys.map((key) => kv.delete(key.name)));
    cursor = page.cursor;
  } while (cursor);
}
export default {
  async fetch(request, { KV: kv }) {
    const [group, name] = await request.json();
    await clear(kv);
    const now = Math.floor(Date.now() / 1000);
    return Response.json(await outcome(() => cases[group][name](kv, now)));
  },
};`;

const miniflare = new Miniflare({
  modules: true,
  script,
  compatibilityDate: "2026-04-20",
  kvNamespaces: ["KV"],
});
for (const [group, cases] of Object.entries(groups)) {
  const recorded = [];
  for (const [name, text] of Object.entries(cases)) {
    const response = await miniflare.dispatchFetch("http://localhost/", {
      method: "POST",
      body: JSON.stringify([group, name]),
    });
    recorded.push({ name, code: body(text), outcome: await response.json() });
  }
  writeFileSync(new URL(`${group}.json`, here), JSON.stringify(recorded, null, 1) + "\n");
}
await miniflare.dispose();
