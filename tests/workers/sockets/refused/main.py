from workers import Response, WorkerEntrypoint, import_from_javascript

sockets = import_from_javascript("cloudflare:sockets")


async def outcome(address, **options):
    try:
        await sockets.connect(address, **options).opened
        return "opened"
    except Exception as error:
        return f"{error.name}: {error.message}"


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        return Response.json({
            "nobody": await outcome("127.0.0.1:1"),
            "no port": await outcome("localhost"),
            "no host": await outcome({"port": 1, "hostname": ""}),
            "bad": await outcome("local host:1"),
            "port": await outcome({"hostname": "localhost", "port": 65536}),
            "option": await outcome("localhost:1", secureTransport="perhaps"),
        })
