// Records what the reference answers: `npm i miniflare@4` in some folder, then
//   NODE_PATH=that/node_modules node tests/r2_reference/record.mjs
// Run by hand; the tests only read the files it writes (GROUP.json beside this script).
import { createRequire } from "node:module";
import { readFileSync, writeFileSync } from "node:fs";
import { groups } from "./cases.mjs";

const { Miniflare } = createRequire(process.env.NODE_PATH + "/")("miniflare");
const here = new URL(".", import.meta.url);
const describe = readFileSync(new URL("describe.js", here), "utf8").trim().replace(/;$/, "");

// A case is an expression, or statements: then it begins with one of these.
const body = (text) => (/^(const|let|return|\{) ?/.test(text) ? text.replace(/^\{(.*)\}$/s, "$1") : `return ${text}`);

let script = `const outcome = ${describe.slice(describe.indexOf("("))};\nconst cases = {\n`;
for (const [group, cases] of Object.entries(groups)) {
  script += `${JSON.stringify(group)}: {\n`;
  for (const [name, text] of Object.entries(cases)) {
    script += `${JSON.stringify(name)}: (r2) => { ${body(text)} },\n`;
  }
  script += "},\n";
}
script += `};
async function clear(r2) {
  let cursor;
  do {
    const page = await r2.list({ cursor });
    await r2.delete(page.objects.map((object) => object.key));
    cursor = page.cursor;
  } while (cursor);
}
export default {
  async fetch(request, { R2: r2 }) {
    const [group, name] = await request.json();
    await clear(r2);
    return Response.json(await outcome(() => cases[group][name](r2)));
  },
};`;

const miniflare = new Miniflare({
  modules: true,
  script,
  compatibilityDate: "2026-04-20",
  r2Buckets: ["R2"],
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
