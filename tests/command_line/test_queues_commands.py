"""`isthmus queues …`."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from harness.command import isthmus
from harness.server import Server

WORKER = """
    import json

    from workers import Response, WorkerEntrypoint

    seen = []

    class Default(WorkerEntrypoint):
        async def fetch(self, request):
            if request.method == "PUT":
                await self.env.Q.send(await request.text())
            return Response(json.dumps(seen))

        async def queue(self, batch, env, ctx):
            seen.extend(bytes(m.body).decode() if isinstance(m.body, memoryview) else m.body for m in batch.messages)
"""

CONFIG = """{
  "name": "queues",
  "main": "main.py",
  "compatibility_date": "2026-11-01",
  "compatibility_flags": ["python_workers"],
  "queues": {
    "producers": [{ "binding": "Q", "queue": "kept" }],
    "consumers": [{ "queue": "jobs", "max_batch_timeout": 0, "dead_letter_queue": "dead" }]
  }
}
"""


def wait_for(server: Server, text: str) -> None:
    """Waits until the Worker has seen these messages."""
    deadline = time.monotonic() + 10
    while server.get("/").text != text:
        assert time.monotonic() < deadline, server.get("/").text
        time.sleep(0.02)


@pytest.fixture
def folder(make_worker: Callable[..., Path]) -> Path:
    return make_worker(WORKER, config=CONFIG)


def test_messages_are_sent_counted_and_purged(project: Path) -> None:
    assert isthmus(project, "queues", "send", "kept", "--message", "grüße").text == (
        "Sent a message of 7 bytes to queue kept.\n"
    )
    isthmus(project, "queues", "send", "kept", "-m", "-", "--content-type", "bytes", "--delay-secs", "9", stdin=b"\xff\x00")
    info = isthmus(project, "queues", "info", "kept", "--json").json
    assert info.pop("oldestMessageTimestamp") > 1.7e12
    assert info == {
        "name": "kept",
        "backlogCount": 2,
        "backlogBytes": 9,
        "inFlight": 0,
        "paused": False,
        "producers": ["Q"],
        "consumer": None,
    }
    assert isthmus(project, "queues", "info", "kept").text == (
        "Queue Name: kept\nProducers: Q\nConsumer: none\nMessages: 2 (9 bytes)\nIn flight: 0\nDelivery: active\n"
    )
    assert isthmus(project, "queues", "purge", "kept", "--json", "--force").json == {"queue": "kept", "messages": 2}
    assert isthmus(project, "queues", "purge", "kept").text == "Purged queue 'kept': 0 messages were deleted.\n"


def test_queues_are_listed_whoever_knows_them(project: Path) -> None:
    isthmus(project, "queues", "send", "kept", "--message", "a")
    listed = isthmus(project, "queues", "list").text
    assert listed == (
        "kept: 1 message, no consumer\njobs: 0 messages, consumer: worker\ndead: 0 messages, no consumer\n"
    )
    config = project / "wrangler.jsonc"
    config.write_text(CONFIG.replace('"kept"', '"other"'))
    names = [queue["name"] for queue in isthmus(project, "queues", "list", "--json").json]
    assert names == ["other", "jobs", "dead", "kept"]


def test_what_is_wrong_is_said(project: Path) -> None:
    def error(*arguments: str, stdin: bytes = b"") -> str:
        failed = isthmus(project, "queues", *arguments, stdin=stdin, ok=False)
        assert failed.out == b""
        return failed.err

    for command in ("info", "purge", "pause", "resume"):
        assert error(command, "nothing") == 'error: Queue "nothing" does not exist.\n\n'
    assert "does not exist" in error("send", "nothing", "--message", "a")
    send = ("send", "kept", "--message")
    assert "message delay -1 is invalid" in error(*send, "a", "--delay-secs", "-1")
    assert "message length of 128001 bytes exceeds limit of 128000" in error(*send, "-", stdin=b"a" * 128_001)
    assert "message length of 3000000 bytes exceeds limit" in error(*send, "-", stdin=b"a" * 3_000_000)
    assert "the message is not JSON" in error(*send, "{no", "--content-type", "json")
    assert "the message is not UTF-8" in error(*send, "-", stdin=b"\xff")
    assert "there is no remote data" in error("list", "--remote")
    assert isthmus(project, "queues", "info", "kept", "--json").json["backlogCount"] == 0


def test_a_running_worker_gets_what_is_sent_unless_it_is_paused(
    folder: Path, serve: Callable[..., Server]
) -> None:
    server = serve(folder)
    isthmus(folder, "queues", "send", "jobs", "--message", "one")
    wait_for(server, '["one"]')
    assert isthmus(folder, "queues", "pause", "jobs").text == "Paused message delivery for queue jobs.\n"
    isthmus(folder, "queues", "send", "jobs", "--message", '{"a": 1}', "--content-type", "json")
    assert isthmus(folder, "queues", "list", "--json").json[1]["paused"] is True
    assert "jobs: 1 message, consumer: worker, paused\n" in isthmus(folder, "queues", "list").text
    assert server.get("/").text == '["one"]'
    assert isthmus(folder, "queues", "resume", "jobs", "--json").json == {"queue": "jobs", "paused": False}
    wait_for(server, '["one", {"a": 1}]')
    # What the Worker sends is seen by commands, too.
    server.client.put("/", content="text")
    assert isthmus(folder, "queues", "info", "kept", "--json").json["backlogCount"] == 1
