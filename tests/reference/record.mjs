// Records what workerd with miniflare answers: `npm i miniflare` in some folder, then
//   NODE_PATH=that/node_modules PYTHON=.venv/bin/python node tests/reference/record.mjs [cache] [sockets]
// Run by hand; the tests only read the files it writes (recorded.json in each folder).
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { readFileSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const here = new URL(".", import.meta.url);
const names = process.argv.length > 2 ? process.argv.slice(2) : ["cache", "sockets"];

// The servers that the cases of sockets talk to; they say where they listen, and what certificate to trust.
const servers = async () => {
  const script = fileURLToPath(new URL("../harness/tcp.py", here));
  const child = spawn(process.env.PYTHON ?? "python3", [script], { stdio: ["pipe", "pipe", "inherit"] });
  for await (const line of createInterface({ input: child.stdout })) return { child, where: JSON.parse(line) };
  throw new Error("no servers");
};

for (const name of names) {
  const around = name === "sockets" ? await servers() : undefined;
  if (around !== undefined) process.env.NODE_EXTRA_CA_CERTS = around.where.certificate;
  const { Miniflare } = createRequire(process.env.NODE_PATH + "/")("miniflare");
  const miniflare = new Miniflare({
    modules: [
      {
        type: "ESModule", path: "worker.mjs",
        contents: `import { run } from "./cases.mjs";
export default { async fetch(request) { return new Response(JSON.stringify(await run(await request.json()), null, 1) + "\\n"); } };`,
      },
      { type: "ESModule", path: "cases.mjs", contents: readFileSync(new URL(`${name}/cases.mjs`, here), "utf8") },
    ],
    compatibilityDate: "2026-04-01",
  });
  const response = await miniflare.dispatchFetch("http://localhost/", { method: "POST", body: JSON.stringify(around?.where ?? {}) });
  writeFileSync(new URL(`${name}/recorded.json`, here), await response.text());
  await miniflare.dispose();
  around?.child.kill();
}
