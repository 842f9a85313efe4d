"""Queues: see `run.py`. Miniflare keeps messages in memory, and none that nobody consumes: its figures are those of a call."""

from run import Case

CASES = [
    Case("send", "send of 1 kB, one after the other", count=500, goal_of_sync=1.5),
    Case("send_many", "send of 1 kB, 32 in flight", count=1920, goal_us=150),
    Case("send_batch", "sendBatch of 100 messages of 1 kB", count=30),
    Case("metrics", "metrics", count=1000),
]
CONFIG = {"queues": {"producers": [{"binding": "Q", "queue": "bench"}]}}
MINIFLARE = {"queueProducers": {"Q": "bench"}}
PYTHON = '''
    import asyncio

    BODY = {"text": "v" * 1000}


    async def send(env, count):
        for _ in range(count):
            await env.Q.send(BODY)


    async def send_many(env, count):
        for _ in range(count // 32):
            await asyncio.gather(*(env.Q.send(BODY) for _ in range(32)))


    async def send_batch(env, count):
        messages = [{"body": BODY} for _ in range(100)]
        for _ in range(count):
            await env.Q.sendBatch(messages)


    async def metrics(env, count):
        for _ in range(count):
            await env.Q.metrics()


'''
JAVASCRIPT = '''
    const BODY = { text: "v".repeat(1000) };
    const CASES = {
      async send(env, count) { for (let n = 0; n < count; n++) await env.Q.send(BODY); },
      async send_many(env, count) {
        for (let n = 0; n < count / 32; n++) await Promise.all(Array.from({ length: 32 }, () => env.Q.send(BODY)));
      },
      async send_batch(env, count) {
        const messages = Array.from({ length: 100 }, () => ({ body: BODY }));
        for (let n = 0; n < count; n++) await env.Q.sendBatch(messages);
      },
      async metrics(env, count) { for (let n = 0; n < count; n++) await env.Q.metrics(); },
    };
'''
