// Records what the reference answers: `npm i miniflare@4` in some folder, then
//   NODE_PATH=that/node_modules node crates/assets/tests/reference/record.mjs
// Run by hand; the tests only read `answers.json`. What is asked is in `cases.json`.
import { createRequire } from "node:module";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { request } from "node:http";
import { join } from "node:path";

const { Miniflare } = createRequire(process.env.NODE_PATH + "/")("miniflare");
const here = (name) => new URL(name, import.meta.url);
const { files, runs } = JSON.parse(readFileSync(here("cases.json"), "utf8"));

// What the Worker gets, it says so.
const script = `export default { fetch(request, env) {
  const url = new URL(request.url);
  return url.searchParams.has("binding") ? env.ASSETS.fetch(request) : new Response("worker " + url.pathname);
} };`;

// Not by fetch(), which says `sec-fetch-mode: cors` whatever one asks for.
const ask = (origin, method, target, headers) => new Promise((resolve, reject) => {
  const { pathname, search } = new URL("http://example.com" + target);
  const path = pathname + search;
  const sent = request(origin, { method, path, headers: { ...headers, host: "example.com" } }, async (response) => {
    let body = "";
    for await (const chunk of response) body += chunk;
    const kept = {};
    for (const name of ["location", "content-type", "cache-control", "x", "y", "link"]) {
      if (name in response.headers) kept[name] = response.headers[name];
    }
    resolve({ status: response.statusCode, headers: kept, tagged: "etag" in response.headers, body });
  });
  sent.on("error", reject);
  sent.end();
});

const answers = [];
for (const { options, extra = {}, asked } of runs) {
  const directory = mkdtempSync(join(tmpdir(), "assets-"));
  for (const [path, text] of Object.entries({ ...files, ...extra })) {
    const file = join(directory, path);
    mkdirSync(join(file, ".."), { recursive: true });
    writeFileSync(file, text);
  }
  const { html_handling, not_found_handling, static_routing, compatibility_date = "2026-04-20" } = options;
  const miniflare = new Miniflare({
    modules: true,
    script,
    name: "worker",
    compatibilityDate: compatibility_date,
    assets: {
      directory,
      binding: "ASSETS",
      workerName: "worker",
      routerConfig: { has_user_worker: true, invoke_user_worker_ahead_of_assets: options.worker_first === true, static_routing },
      assetConfig: { html_handling, not_found_handling },
    },
  });
  const answered = [];
  for (const [line, headers = {}] of asked) {
    const [method, target] = line.split(" ");
    answered.push(await ask(await miniflare.ready, method, target, headers));
  }
  answers.push(answered);
  await miniflare.dispose();
  rmSync(directory, { recursive: true });
}
writeFileSync(here("answers.json"), JSON.stringify(answers, null, 1) + "\n");
