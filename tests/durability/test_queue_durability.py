"""What a resolved `send` promises: its message is delivered, though the host dies, and again only if it died before the
acknowledgement was on disk.
"""

import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import httpx
import pytest
from crash import KILLS, TIMEOUT, survive_kills
from disk import FailingSync, seen_by, small_disk
from harness.server import Server

WORKER = """
    import json

    from workers import Response, WorkerEntrypoint


    def text(number):
        return f"message {number} " * (1, 20, 500, 8000)[number % 4]


    class Default(WorkerEntrypoint):
        async def fetch(self, request):
            if request.method == "PUT":
                number = int(request.url.rpartition("/")[2])
                bodies = [{"number": number, "text": text(number)}, {"number": -number, "text": text(number)}]
                if number % 3 == 0:
                    await self.env.Q.sendBatch([{"body": body} for body in bodies])
                else:
                    for body in bodies:
                        await self.env.Q.send(body)
                return Response("sent")
            seen = {}
            for number in json.loads(await request.text()):
                attempts = await self.env.KV.get(f"got {number}")
                seen[number] = int(attempts or 0)
            return Response.from_json({"seen": seen, "waiting": (await self.env.Q.metrics())["backlogCount"]})

        async def queue(self, batch, env, ctx):
            for message in batch.messages:
                number = message.body["number"]
                assert message.body["text"] == text(abs(number)), number
                key = f"got {number}"
                # How often it came, of which the last time is the one that counts.
                before = await self.env.KV.get(key)
                await self.env.KV.put(key, str(int(before or 0) + 1))
                message.ack()
"""

CONFIG = """{
  "name": "queues",
  "main": "main.py",
  "compatibility_date": "2026-11-01",
  "compatibility_flags": ["python_workers"],
  "kv_namespaces": [{ "binding": "KV", "id": "seen" }],
  "queues": {
    "producers": [{ "binding": "Q", "queue": "jobs" }],
    "consumers": [
      { "queue": "jobs", "max_batch_size": 10, "max_batch_timeout": 0, "max_retries": 100, "max_concurrency": 2 }
    ]
  }
}
"""

IN_FLIGHT = 2 * 10
"""How many messages are at most with the consumer at once."""


class Queue:
    """Each write sends two messages, in one batch or one after the other."""

    def __init__(self) -> None:
        self.times: dict[int, int] = {}

    def write(self, client: httpx.Client, number: int) -> None:
        response = client.put(f"/{number + 1}")
        assert (response.status_code, response.text) == (200, "sent"), response.text

    def check(self, server: Server, acknowledged: Iterable[int], unsure: Iterable[int]) -> list[str]:
        sent = {sign * (number + 1) for number in acknowledged for sign in (1, -1)}
        maybe = {sign * (number + 1) for number in unsure for sign in (1, -1)}
        deadline = time.monotonic() + 30
        while True:
            answer = server.client.post("/", content=json.dumps(sorted(sent | maybe))).json()
            seen = {int(number): times for number, times in answer["seen"].items()}
            missing = [number for number in sent if not seen[number]]
            # A batch is all there or not at all; a half may only be with the consumer still.
            halves = [n for n in unsure if n % 3 == 2 and bool(seen[n + 1]) != bool(seen[-n - 1])]
            if not (missing or halves or answer["waiting"]) or time.monotonic() > deadline:
                break
            time.sleep(0.05)
        self.times |= seen
        wrong = [f"message {number} was lost" for number in missing]
        wrong += [f"half of batch {number} is there" for number in halves]
        if answer["waiting"]:
            wrong.append(f"{answer['waiting']} messages were not delivered")
        return wrong


@pytest.mark.slow
@pytest.mark.timeout(TIMEOUT)
def test_no_message_is_lost_when_the_host_is_killed(
    make_worker: Callable[..., Path], serve: Callable[..., Server]
) -> None:
    folder = make_worker(WORKER)
    (folder / "wrangler.jsonc").write_text(CONFIG)
    queue = Queue()
    survive_kills(queue, serve(folder))
    again = sum(times - 1 for times in queue.times.values() if times > 1)
    assert again <= KILLS * IN_FLIGHT, f"{again} deliveries too many after {KILLS} kills"


FAULTS = """
    import json

    from workers import Response, WorkerEntrypoint

    seen = []


    class Default(WorkerEntrypoint):
        async def fetch(self, request):
            if request.method == "PUT":
                try:
                    sent = await self.env.Q.send(await request.text(), contentType="text")
                except Exception as error:
                    return Response(str(error), status=500)
                return Response("sent")
            return Response.from_json({"seen": seen, "waiting": (await self.env.Q.metrics())["backlogCount"]})

        async def queue(self, batch, env, ctx):
            seen.extend(message.body for message in batch.messages)
"""

WITHOUT_CONSUMER = """{
  "name": "queues",
  "main": "main.py",
  "compatibility_date": "2026-11-01",
  "compatibility_flags": ["python_workers"],
  "queues": { "producers": [{ "binding": "Q", "queue": "jobs" }] }
}
"""
WITH_CONSUMER = WITHOUT_CONSUMER.replace(
    '"queue": "jobs" }]', '"queue": "jobs" }], "consumers": [{ "queue": "jobs", "max_batch_timeout": 0 }]'
)


def test_a_full_disk_is_a_clear_error_and_the_queue_stays_whole(
    make_worker: Callable[..., Path], serve: Callable[..., Server], tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    folder = make_worker(FAULTS, config=WITHOUT_CONSUMER)
    server = serve(folder, "--persist-to", str(disk / "state"), prefix=small_disk(disk, "8m"))
    ballast = seen_by(server.host_pid, disk) / "ballast"
    ballast.write_bytes(bytes(2 << 20))
    sent = 0
    for _ in range(200):
        response = server.client.put("/", content="x" * 100_000)
        if response.text != "sent":
            break
        sent += 1
    assert response.text == "Error: there is no room left in the database or on the disk"
    assert sent, "the disk is too small to show anything"
    assert server.get("/").json()["waiting"] == sent
    ballast.unlink()
    assert server.client.put("/", content="small").text == "sent"
    assert server.get("/").json()["waiting"] == sent + 1


def test_a_failing_sync_is_a_clear_error_and_the_queue_stays_whole(
    make_worker: Callable[..., Path], serve: Callable[..., Server], tmp_path: Path
) -> None:
    shim = FailingSync(tmp_path)
    folder = make_worker(FAULTS, config=WITHOUT_CONSUMER)
    server = serve(folder, environment=shim.environment)
    acknowledged = [f"before {number}" for number in range(20)]
    for body in acknowledged:
        assert server.client.put("/", content=body).text == "sent"
    shim.fail()
    failed = [f"failed {number} " * 1000 for number in range(5)]
    for body in failed:
        response = server.client.put("/", content=body)
        assert (response.status_code, response.text) == (500, "Error: the database failed: disk I/O error")
    shim.work()
    for number in range(5):
        assert server.client.put("/", content=f"after {number}").text == "sent"
        acknowledged.append(f"after {number}")
    server.kill_host()
    (folder / "wrangler.jsonc").write_text(WITH_CONSUMER)
    server.start()
    deadline = time.monotonic() + 20
    while not set(acknowledged) <= set(seen := server.get("/").json()["seen"]):
        assert time.monotonic() < deadline, seen
        time.sleep(0.05)
    # What failed is not there, unless the whole of it is; nothing came twice.
    assert set(seen) <= {*acknowledged, *failed}
    assert len(seen) == len(set(seen))
