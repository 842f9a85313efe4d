from js import Response

seen = []


def on_fetch(request, env):
    return Response.new("; ".join(seen))


async def on_scheduled(controller, env, ctx):
    seen.append(f"{controller.cron} {env.GREETING} {ctx.constructor.name}")
