// Asks workerd what the cases of the JSON files beside this script give, and writes the answers into
// them. A case is `{code, workerd}`; one with `ours` deliberately differs, and `why` says for what reason.
//
//   cd /tmp/somewhere && npm i workerd && node …/record.mjs ./node_modules/.bin/workerd
//
// console.json: `code` is a list of statements, `workerd` what they print to standard output.
// platform.json, crypto.json: `code` is an expression, `workerd` its value as JSON, or "throws NAME: MESSAGE".
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const workerd = process.argv[2];
const here = dirname(fileURLToPath(import.meta.url));
const consoleCases = JSON.parse(readFileSync(join(here, "console.json"), "utf8"));
const valueFiles = ["platform.json", "crypto.json"].map((name) => join(here, name));
const valueCases = valueFiles.map((file) => JSON.parse(readFileSync(file, "utf8")));
const MARK = "\u0001case ";

const worker = `
const outputs = [${consoleCases.map(({ code }) => `() => { ${code}\n }`).join(",\n")}];
const values = [${valueCases.flat().map(({ code }) => `async () => (${code}\n)`).join(",\n")}];
const show = (value) => JSON.stringify(value, (_, v) => v === undefined ? "<undefined>" : typeof v === "bigint" ? v + "n" : v);
export default {
  async fetch() {
    for (let i = 0; i < outputs.length; i++) {
      console.log(${JSON.stringify(MARK)} + i);
      try {
        outputs[i]();
      } catch (error) {
        console.log("throws " + error.name + ": " + error.message);
      }
    }
    console.log(${JSON.stringify(MARK)} + "end");
    const results = [];
    for (const value of values) {
      try {
        results.push(show(await value()));
      } catch (error) {
        results.push("throws " + error?.name + ": " + error?.message);
      }
    }
    return Response.json(results);
  },
};`;

const folder = mkdtempSync(join(tmpdir(), "record-"));
writeFileSync(join(folder, "worker.mjs"), worker);
writeFileSync(join(folder, "config.capnp"), `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = (
    modules = [(name = "worker.mjs", esModule = embed "worker.mjs")],
    compatibilityDate = "2026-11-01",
  ))],
  sockets = [(name = "http", address = "127.0.0.1:8917", http = (), service = "main")],
);`);
const child = spawn(workerd, ["serve", join(folder, "config.capnp")], { stdio: ["ignore", "pipe", "ignore"] });
let printed = "";
child.stdout.on("data", (data) => (printed += data));

let results;
for (let attempt = 0; attempt < 50 && !results; attempt++) {
  await new Promise((resolve) => setTimeout(resolve, 100));
  results = await fetch("http://127.0.0.1:8917/").then((r) => r.text(), () => undefined);
}
await new Promise((resolve) => setTimeout(resolve, 300));
child.kill();

const answers = JSON.parse(results);
valueCases.flat().forEach((c, i) => (c.workerd = answers[i]));
const parts = printed.split(MARK).slice(1);
consoleCases.forEach((c, i) => (c.workerd = parts[i].slice(parts[i].indexOf("\n") + 1).replace(/\n$/, "")));
writeFileSync(join(here, "console.json"), JSON.stringify(consoleCases, null, 1) + "\n");
valueFiles.forEach((file, i) => writeFileSync(file, JSON.stringify(valueCases[i], null, 1) + "\n"));
