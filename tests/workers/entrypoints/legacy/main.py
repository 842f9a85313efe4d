from js import Response


async def on_fetch(request, env, ctx):
    return Response.new(f"{request.method} {env.NAME}")
