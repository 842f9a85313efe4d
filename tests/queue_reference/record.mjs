// Records what miniflare's queues answer: see ../recording/record.mjs.
import { kCurrentWorker, record } from "../recording/record.mjs";
import { groups } from "./cases.mjs";

await record({
  here: new URL(".", import.meta.url),
  groups,
  // A case of a producer is an expression, or statements with a `return`; one of a consumer is statements.
  body: (code, group) => (group === "consumer" || /\breturn\b/.test(code) ? code : `return ${code}`),
  parameters: (group) => (group === "producer" ? "queue" : "batch"),
  worker: `
    const sent = (value) => (value?.metadata ? "sent" : value);
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
    };`,
  options: {
    compatibilityFlags: ["service_binding_extra_handlers"],
    serviceBindings: { SELF: kCurrentWorker },
    queueProducers: { QUEUE: "queue" },
    // Without a consumer nothing is checked.
    queueConsumers: { queue: { maxBatchTimeout: 60, maxBatchSize: 100 } },
  },
});
