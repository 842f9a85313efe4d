from pathlib import Path

import sibling
from package.inner import value
from vendored import where
from workers import Response, WorkerEntrypoint

PAGE = Path(__file__).parent / "page.html"


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        return Response(f"{sibling.name} {value} {where} {PAGE.read_text().strip()} {__name__}")
