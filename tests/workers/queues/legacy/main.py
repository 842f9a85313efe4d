import asyncio

from js import Map, Response

seen = []


async def until(condition):
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError("waited in vain")


async def on_fetch(request, env):
    # Before 2024-03-18 a message is a JavaScript value unless it says otherwise.
    await env.Q.send(Map.new([["a", 1]]))
    await until(lambda: seen)
    return Response.new(seen[0])


async def on_queue(batch, env, ctx):
    message = batch.messages[0]
    seen.append(f"{batch.queue} {message.body.constructor.name} {env.Q.constructor.name} {ctx.constructor.name}")
