"""`isthmus queues …`."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
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
        "messageRetentionPeriodSecs": 345600,
        "producers": ["Q"],
        "consumer": None,
    }
    assert isthmus(project, "queues", "info", "kept").text == (
        "Queue Name: kept\nProducers: Q\nConsumer: none\nMessages: 2 (9 bytes)\nIn flight: 0\nDelivery: active\n"
        "Message retention: 345600 seconds\n"
    )
    assert isthmus(project, "queues", "purge", "kept", "--json", "--force").json == {"queue": "kept", "messages": 2}
    assert isthmus(project, "queues", "purge", "kept").text == "Purged queue 'kept': 0 messages were deleted.\n"


def test_messages_are_kept_for_as_long_as_is_said(project: Path) -> None:
    keep = ("update", "kept", "--message-retention-period-secs")
    assert isthmus(project, "queues", *keep, "60").text == "Updated queue kept: messages are kept for 60 seconds.\n"
    assert isthmus(project, "queues", *keep, "90", "--json").json == {"queue": "kept", "messageRetentionPeriodSecs": 90}
    assert isthmus(project, "queues", "info", "kept", "--json").json["messageRetentionPeriodSecs"] == 90


def test_what_is_too_old_is_dropped_and_said_to_be(folder: Path, serve: Callable[..., Server]) -> None:
    for text in ("a", "b", "young"):
        isthmus(folder, "queues", "send", "kept", "--message", text)
    with closing(sqlite3.connect(folder / ".wrangler/state/queues/kept.sqlite")) as file, file:
        file.execute("UPDATE messages SET arrived = arrived - 345600 * 1000 - 1 WHERE id < 3")
    server = serve(folder)
    server.wait_for_log('Dropped 2 messages on queue "kept" older than its retention period')
    assert isthmus(folder, "queues", "info", "kept", "--json").json["backlogCount"] == 1


def test_queues_are_where_is_said(folder: Path, tmp_path: Path) -> None:
    elsewhere = ("--persist-to", str(tmp_path / "elsewhere"), "--local")
    isthmus(folder, "queues", "send", "kept", "--message", "a", *elsewhere)
    assert isthmus(folder, "queues", "info", "kept", "--json", *elsewhere).json["backlogCount"] == 1
    assert isthmus(folder, "queues", "info", "kept", "--json").json["backlogCount"] == 0


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

    keep = ("update", "kept", "--message-retention-period-secs")
    for command in (("info",), ("purge",), ("pause",), ("resume",), (keep[0], *keep[2:], "60")):
        assert error(*command, "nothing").startswith('error: Queue "nothing" does not exist.\n')
    assert "does not exist" in error("send", "nothing", "--message", "a")
    assert "message retention period 59 is invalid: it must be a number of seconds from 60 to 1209600" in error(*keep, "59")
    assert "--message-retention-period-secs" in error("update", "kept")
    assert "invalid value" in error(*keep, "4 days")
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
