from urllib.parse import parse_qs, urlsplit

from workers import Response, WorkerEntrypoint


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        url = urlsplit(request.url)
        match url.path:
            case "/api/greeting":
                name = parse_qs(url.query).get("name", ["you"])[0]
                return Response.json({"greeting": f"Hello, {name}"})
            case "/api/page":
                # A file, for a route of the Worker's own; only the path of the URL matters.
                return await self.env.ASSETS.fetch("https://assets.local/about")
        return Response.json({"error": f"there is no {url.path}"}, status=404)
