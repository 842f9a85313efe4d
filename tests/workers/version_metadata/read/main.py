import datetime
import uuid

from workers import Response, WorkerEntrypoint


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        version = self.env.VERSION
        began = datetime.datetime.fromisoformat(version.timestamp)
        age = datetime.datetime.now(datetime.timezone.utc) - began
        assert datetime.timedelta() <= age < datetime.timedelta(minutes=5), version.timestamp
        return Response(f"{uuid.UUID(version.id).version} {version.tag!r}")
