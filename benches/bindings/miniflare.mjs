// Runs miniflare with the Worker and the options in a folder, until it is ended; prints the URL. See run.py.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const { Miniflare } = createRequire(join(process.env.MINIFLARE_FROM, "package.json"))("miniflare");
const folder = process.argv[2];
const { persist, ...options } = JSON.parse(readFileSync(join(folder, "options.json"), "utf8"));
const frame = `
async function nothing() {}
export default {
  async fetch(request, env) {
    const query = new URL(request.url).searchParams;
    const cases = { nothing, ...CASES };
    await cases[query.get("case")](env, Number(query.get("count")));
    return new Response("done");
  },
};
`;
const miniflare = new Miniflare({
  modules: true,
  script: readFileSync(join(folder, "worker.mjs"), "utf8") + frame,
  compatibilityDate: "2025-01-01",
  host: "127.0.0.1",
  port: 0,
  defaultPersistRoot: persist,
  ...options,
});
console.log(String(await miniflare.ready));
for (const signal of ["SIGTERM", "SIGINT"]) {
  process.on(signal, async () => {
    await miniflare.dispose();
    process.exit(0);
  });
}
