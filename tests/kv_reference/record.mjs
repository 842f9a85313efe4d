// Records what miniflare's KV answers: see ../recording/record.mjs.
import { record } from "../recording/record.mjs";
import { groups } from "./cases.mjs";

await record({
  here: new URL(".", import.meta.url),
  groups,
  // A case is an expression, or statements with a `return`.
  body: (code) => (/\breturn\b/.test(code) ? code.replace(/^\{|\}$/g, "") : `return ${code}`),
  parameters: () => "kv, now",
  worker: `
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
    };`,
  options: { kvNamespaces: ["KV"] },
});
