// Records what miniflare's D1 answers: see ../recording/record.mjs.
import { expression, record } from "../recording/record.mjs";
import { groups } from "./cases.mjs";

// A database of its own for each case.
const names = Object.values(groups).flatMap(Object.keys).map((_, index) => `DB${index}`);
const databases = [...names];

await record({
  here: new URL(".", import.meta.url),
  groups,
  // A case is an expression, or statements with a `return`.
  body: (code) => (/\breturn\b/.test(code) ? code : `return ${code}`),
  parameters: () => "db",
  worker: `
    const plain = ${expression(new URL("plain.js", import.meta.url))};
    export default {
      async fetch(request, env) {
        const [group, name, database] = await request.json();
        return Response.json(await outcome(() => cases[group][name](env[database])));
      },
    };`,
  options: { d1Databases: names },
  further: () => databases.pop(),
  notes: (code) => ({ awaits: /\bawait\b/.test(code) }),
});
