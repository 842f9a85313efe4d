// Records what miniflare's R2 answers: see ../recording/record.mjs.
import { record } from "../recording/record.mjs";
import { groups } from "./cases.mjs";

await record({
  here: new URL(".", import.meta.url),
  groups,
  // A case is an expression, or statements: then it begins with one of these.
  body: (code) => (/^(const|let|return|\{) ?/.test(code) ? code.replace(/^\{(.*)\}$/s, "$1") : `return ${code}`),
  parameters: () => "r2",
  worker: `
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
    };`,
  options: { r2Buckets: ["R2"] },
});
