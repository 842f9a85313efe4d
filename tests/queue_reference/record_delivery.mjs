// Records what miniflare delivers when: `npm i miniflare@4` in some folder, then
//   NODE_PATH=that/node_modules node tests/queue_reference/record_delivery.mjs
// Run by hand; `tests/test_queue_delivery.py` reads `delivery.json` and does the same. Each case has queues of its own, `qN` and,
// for dead letters, `dN`; `says` is what is said to its batches, in their order. What is recorded is which batches came: the
// queue, and each message's body, attempt and name (a number, since it differs each time).
import { createRequire } from "node:module";
import { readFileSync, writeFileSync } from "node:fs";

const { Miniflare } = createRequire(process.env.NODE_PATH + "/")("miniflare");
const here = new URL(".", import.meta.url);
const cases = JSON.parse(readFileSync(new URL("delivery_cases.json", here), "utf8"));

const producers = {};
const consumers = {};
cases.forEach(({ consumer = {}, dead, delivery_delay }, number) => {
  producers[`Q${number}`] = { queueName: `q${number}`, deliveryDelay: delivery_delay };
  const settings = ({ max_batch_size, max_batch_timeout, max_retries, retry_delay }) => ({
    maxBatchSize: max_batch_size, maxBatchTimeout: max_batch_timeout ?? 0, maxRetries: max_retries, retryDelay: retry_delay,
  });
  consumers[`q${number}`] = { ...settings(consumer), deadLetterQueue: dead && `d${number}` };
  if (dead) consumers[`d${number}`] = settings(dead);
});

const script = `
const cases = ${JSON.stringify(cases)};
const came = {};
const names = {};
function said(batch, step) {
  const [word, body, delay] = step.split(" ");
  const options = (delay) => delay === undefined ? undefined : { delaySeconds: Number(delay) };
  const message = () => batch.messages.find((message) => message.body === body);
  if (word === "ack") message()?.ack();
  if (word === "retry") message()?.retry(options(delay));
  if (word === "ackAll") batch.ackAll();
  if (word === "retryAll") batch.retryAll(options(body));
  if (word === "raise") throw new Error("raised");
}
export default {
  async fetch(request, env) {
    if (request.method === "GET") return Response.json(came);
    await Promise.all(cases.map(async ({ sends, delay }, number) => {
      for (const send of sends) {
        await env["Q" + number].sendBatch(send.map((text) => {
          const [body, delaySeconds] = text.split(" ");
          return { body, ...(delaySeconds && { delaySeconds: Number(delaySeconds) }) };
        }), delay && { delaySeconds: delay });
        await scheduler.wait(300);
      }
    }));
    return new Response("sent");
  },
  async queue(batch) {
    const number = Number(batch.queue.slice(1));
    const batches = came[number] ??= [];
    const known = names[number] ??= [];
    const before = batches.filter(([queue]) => queue === batch.queue[0]).length;
    batches.push([batch.queue[0], batch.messages.map(({ body, attempts, id }) => {
      if (!known.includes(id)) known.push(id);
      return [body, attempts, known.indexOf(id)];
    })]);
    const { says = [], dead } = cases[number];
    for (const step of (batch.queue[0] === "q" ? says : dead.says ?? [])[before] ?? []) said(batch, step);
  },
};`;

const miniflare = new Miniflare({
  modules: true,
  script,
  compatibilityDate: "2026-04-20",
  queueProducers: producers,
  queueConsumers: consumers,
});
await miniflare.dispatchFetch("http://localhost/", { method: "POST" });
// The longest case takes four seconds.
await new Promise((done) => setTimeout(done, 7000));
const came = await (await miniflare.dispatchFetch("http://localhost/")).json();
// Queues know nothing of each other: only the order within each counts.
const recorded = cases.map(({ name }, number) => ({
  name, came: ["q", "d"].flatMap((queue) => came[number].filter(([its]) => its === queue)),
}));
const lines = recorded.map((line) => ` ${JSON.stringify(line)}`);
writeFileSync(new URL("delivery.json", here), `[\n${lines.join(",\n")}\n]\n`);
await miniflare.dispose();
