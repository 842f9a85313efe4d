// Records what the reference answers: `npm i miniflare@4` in some folder, then
//   NODE_PATH=that/node_modules node tests/queue_reference/record.mjs
// Run by hand; the tests only read the files it writes (GROUP.json beside this script).
import { createRequire } from "node:module";
import { readFileSync, writeFileSync } from "node:fs";
import { groups } from "./cases.mjs";

const { Miniflare, kCurrentWorker } = createRequire(process.env.NODE_PATH + "/")("miniflare");
const here = new URL(".", import.meta.url);
const describe = readFileSync(new URL("../kv_reference/describe.js", here), "utf8").trim().replace(/;$/, "");

// A case is an expression, or statements with a `return`.
const body = (group, text) => (group === "consumer" || /\breturn\b/.test(text) ? text : `return ${text}`);

let script = `const outcome = ${describe.slice(describe.indexOf("("))};
const sent = (value) => (value?.metadata ? "sent" : value);
const cases = {\n`;
for (const [group, cases] of Object.entries(groups)) {
  const parameter = group === "producer" ? "queue" : "batch";
  script += `${group}: {\n`;
  for (const [name, text] of Object.entries(cases)) {
    script += `${JSON.stringify(name)}: (${parameter}) => { ${body(group, text)} },\n`;
  }
  script += "},\n";
}
script += `};
let said;
export default {
  async fetch(request, { QUEUE, SELF }) {
    const [group, name] = await request.json();
    if (group === "producer") {
      return Response.json(await outcome(() => {
        const value = cases.producer[name](QUEUE);
        return value instanceof Promise ? value.then(sent) : value;
      }));
    }
    said = undefined;
    const messages = ["a", "b", "c"].map((id, index) => ({
      id, timestamp: new Date(1000 + index), attempts: index + 1, body: [1, "text", { x: null }][index],
    }));
    const result = await SELF.queue(name, messages);
    const { ackAll, retryBatch, explicitAcks, retryMessages } = result;
    return Response.json({ said, outcome: result.outcome, ackAll, retryBatch, explicitAcks, retryMessages });
  },
  async queue(batch) {
    said = await outcome(() => cases.consumer[batch.queue](batch));
  },
};`;

const miniflare = new Miniflare({
  modules: true,
  script,
  compatibilityDate: "2026-04-20",
  compatibilityFlags: ["service_binding_extra_handlers"],
  serviceBindings: { SELF: kCurrentWorker },
  queueProducers: { QUEUE: "queue" },
  // Without a consumer nothing is checked.
  queueConsumers: { queue: { maxBatchTimeout: 60, maxBatchSize: 100 } },
});
for (const [group, cases] of Object.entries(groups)) {
  const recorded = [];
  for (const [name, text] of Object.entries(cases)) {
    const response = await miniflare.dispatchFetch("http://localhost/", {
      method: "POST",
      body: JSON.stringify([group, name]),
    });
    recorded.push({ name, code: body(group, text), outcome: await response.json() });
  }
  writeFileSync(new URL(`${group}.json`, here), JSON.stringify(recorded, null, 1) + "\n");
}
await miniflare.dispose();
