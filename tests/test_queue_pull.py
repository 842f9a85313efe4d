"""Queues over HTTP: what `type: "http_pull"` and the paths of Cloudflare's REST API do."""

import base64
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from harness.command import isthmus
from harness.processes import eventually
from harness.server import Server

WORKER = """
    import json

    from workers import Response, WorkerEntrypoint

    seen = []

    class Default(WorkerEntrypoint):
        async def fetch(self, request):
            if request.method == "PUT":
                await self.env.Q.sendBatch([
                    {"body": "grüße", "contentType": "text"},
                    {"body": {"a": [1, None]}},
                    {"body": b"\\x00\\xff", "contentType": "bytes"},
                    {"body": {"v": 8}, "contentType": "v8"},
                ])
            return Response(json.dumps(seen))

        async def queue(self, batch, env, ctx):
            seen.extend([batch.queue, m.body, m.attempts] for m in batch.messages)
"""

CONFIG = """{
  "name": "pulled",
  "main": "main.py",
  "compatibility_date": "2026-11-01",
  "compatibility_flags": ["python_workers"],
  "queues": {
    "producers": [
      { "binding": "Q", "queue": "pulled" },
      { "binding": "SLOW", "queue": "slow", "delivery_delay": 3600 }
    ],
    "consumers": [
      { "queue": "pulled", "type": "http_pull", "visibility_timeout_ms": 400, "max_retries": 1, "dead_letter_queue": "dead" },
      { "queue": "dead", "max_batch_timeout": 0 },
      { "queue": "dropped letters", "type": "http_pull", "max_retries": 0, "retry_delay": 60, "max_batch_size": 2 },
      { "queue": "slow", "type": "http_pull" },
      { "queue": "patient", "type": "http_pull", "retry_delay": 60 }
    ]
  }
}
"""

BASE = "/cdn-cgi/client/v4/accounts/any/queues"


class Queue:
    """A queue over HTTP."""

    def __init__(self, server: Server, name: str = "pulled") -> None:
        self.server = server
        self.path = f"{BASE}/{name}/messages"

    def call(self, action: str, body: Any) -> Any:
        """The result of a call that must succeed."""
        response = self.server.post(f"{self.path}{action}", json=body, headers={"authorization": "Bearer x"})
        answer = response.json()
        assert (response.status_code, answer["success"]) == (200, True), answer
        assert (answer["errors"], answer["messages"]) == ([], [])
        return answer["result"]

    def send(self, body: Any, **options: Any) -> Any:
        return self.call("", {"body": body, **options})

    def pull(self, **options: Any) -> list[dict[str, Any]]:
        return self.call("/pull", options)["messages"]

    def ack(self, acks: list[str] = [], retries: list[Any] = []) -> Any:  # noqa: B006
        retries = [{"lease_id": it} if isinstance(it, str) else it for it in retries]
        return self.call("/ack", {"acks": [{"lease_id": it} for it in acks], "retries": retries})

    def count(self) -> int:
        return isthmus(self.server.folder, "queues", "info", self.name, "--json").json["backlogCount"]

    @property
    def name(self) -> str:
        return httpx.URL(self.path).path.split("/")[-2]


@pytest.fixture
def server(make_worker: Callable[..., Path], serve: Callable[..., Server]) -> Server:
    return serve(make_worker(WORKER, config=CONFIG))


def decoded(message: dict[str, Any]) -> Any:
    """The body of a message as its content type has it."""
    kind = message["metadata"]["CF-Content-Type"]
    if kind == "text":
        return message["body"]
    body = base64.b64decode(message["body"], validate=True)
    return json.loads(body) if kind == "json" else body


def test_bodies_come_as_their_types_say(server: Server) -> None:
    server.client.put("/")
    before = time.time() * 1000
    result = Queue(server).call("/pull", {})
    messages = result["messages"]
    assert [decoded(message) for message in messages[:3]] == ["grüße", {"a": [1, None]}, b"\x00\xff"]
    assert messages[3]["metadata"] == {"CF-Content-Type": "v8"}
    for message in messages:
        assert message.keys() == {"id", "body", "attempts", "timestamp_ms", "metadata", "lease_id"}
        assert message["attempts"] == 1
        assert abs(message["timestamp_ms"] - before) < 10_000
        assert len(message["id"]) == 32
    assert result["message_backlog_count"] == 4
    metrics = result["metadata"]["metrics"]
    assert (metrics["backlog_count"], metrics["oldest_message_timestamp_ms"]) == (4, messages[0]["timestamp_ms"])
    assert metrics["backlog_bytes"] > 20


def test_what_is_sent_over_http_is_pulled(server: Server) -> None:
    queue = Queue(server)
    assert queue.send({"greeting": "hello", "b": 1, "a": 2})["metadata"]["metrics"]["backlog_count"] == 1
    queue.send("plain", content_type="text", delay_seconds=0)
    messages = [{"body": [1.5, "ü"], "content_type": "json"}, {"body": "x", "content_type": "text"}, {"body": None}]
    assert queue.call("/batch", {"messages": messages})["metadata"]["metrics"]["backlog_count"] == 5
    pulled = queue.pull(batch_size=100)
    # As it was written, the order of keys too.
    assert base64.b64decode(pulled[0]["body"]) == b'{"greeting":"hello","b":1,"a":2}'
    assert [decoded(message) for message in pulled[1:]] == ["plain", [1.5, "ü"], "x", None]
    queue.ack([message["lease_id"] for message in pulled])
    # Delays: the message's before the batch's before the queue's.
    slow = Queue(server, "slow")
    messages = [{"body": "now", "content_type": "text", "delay_seconds": 0}, {"body": "later", "content_type": "text"}]
    slow.call("/batch", {"messages": messages, "delay_seconds": 3600})
    slow.send("much later", content_type="text")
    assert [message["body"] for message in slow.pull()] == ["now"]


def test_a_batch_is_as_large_as_configured_or_asked_for(server: Server) -> None:
    queue = Queue(server, "dropped%20letters")
    queue.call("/batch", {"messages": [{"body": number} for number in range(6)]})
    assert [decoded(message) for message in queue.pull()] == [0, 1]
    assert [decoded(message) for message in queue.pull(batch_size=3, visibility_timeout_ms=None)] == [2, 3, 4]
    assert [decoded(message) for message in queue.pull(batch_size=None)] == [5]
    assert queue.pull() == []


def test_leases_end_in_words_or_silence(server: Server) -> None:
    queue = Queue(server, "patient")
    queue.call("/batch", {"messages": [{"body": number} for number in range(5)]})
    pulled = queue.pull(visibility_timeout_ms=60_000)
    leases = [message["lease_id"] for message in pulled]
    assert len(set(leases)) == 5
    assert queue.pull() == []
    settled = queue.ack([leases[0]], [{"lease_id": leases[1], "delay_seconds": 0}, leases[2]])
    assert settled == {"ackCount": 1, "retryCount": 2, "warnings": {}}
    # 2 waits for the delay that is configured, the others are leased.
    again = queue.pull(visibility_timeout_ms=1)
    assert [(decoded(message), message["attempts"]) for message in again] == [(1, 2)]
    # In silence it comes again at once.
    third = eventually(lambda: queue.pull(visibility_timeout_ms=60_000), "the lease ends")
    assert [(decoded(message), message["attempts"]) for message in third] == [(1, 3)]
    # A late acknowledgement counts, whoever has the message now, who then hears that it is gone.
    assert queue.ack([again[0]["lease_id"]])["ackCount"] == 1
    late = third[0]["lease_id"]
    assert queue.ack([late]) == {
        "ackCount": 0,
        "retryCount": 0,
        "warnings": {late: "the message is not in the queue any more"},
    }
    # A retry only counts while the message is leased so.
    assert queue.ack(retries=[leases[2]]) == {
        "ackCount": 0,
        "retryCount": 0,
        "warnings": {leases[2]: "the message is not leased so any more"},
    }


def test_unknown_leases_are_warned_of(server: Server) -> None:
    queue, other = Queue(server), Queue(server, "patient")
    queue.send(1)
    other.send(2)
    mine, foreign = queue.pull(visibility_timeout_ms=60_000)[0]["lease_id"], other.pull()[0]["lease_id"]
    settled = queue.ack([foreign, "", "ü", mine + "A", "A" * 43], ["nonsense"])
    assert (settled["ackCount"], settled["retryCount"]) == (0, 0)
    assert settled["warnings"].keys() == {foreign, "", "ü", mine + "A", "A" * 43, "nonsense"}
    assert queue.ack([mine, mine], [mine])["ackCount"] == 1
    assert queue.ack() == {"ackCount": 0, "retryCount": 0, "warnings": {}}


def test_a_message_that_was_tried_too_often_is_a_dead_letter(server: Server) -> None:
    queue = Queue(server)
    queue.send("silence", content_type="text")
    queue.send("words", content_type="text")
    first = queue.pull()
    assert [message["body"] for message in first] == ["silence", "words"]
    queue.ack(retries=[first[1]["lease_id"]])
    second = eventually(lambda: queue.pull(batch_size=1), "it comes again")
    assert [(message["body"], message["attempts"]) for message in second] == [("words", 2)]
    assert queue.ack(retries=[second[0]["lease_id"]])["retryCount"] == 1
    server.wait_for_log('to dead letter queue "dead" after 2 failed attempts...')
    eventually(lambda: server.get("/").json() == [["dead", "words", 1]], "the dead letter comes")
    # The other's last lease ends with nobody pulling again.
    last = eventually(lambda: queue.pull(), "the lease ends")
    assert [(message["body"], message["attempts"]) for message in last] == [("silence", 2)]
    eventually(lambda: server.get("/").json()[1:] == [["dead", "silence", 1]], "the dead letter comes")
    assert queue.count() == 0
    # The name and the time go with a message, so a client that is late still says something of it.
    assert queue.ack([last[0]["lease_id"]])["ackCount"] == 0


def test_without_dead_letters_it_is_dropped(server: Server) -> None:
    queue = Queue(server, "dropped%20letters")
    queue.send("once", content_type="text")
    assert queue.pull(visibility_timeout_ms=1)[0]["body"] == "once"
    server.wait_for_log('on queue "dropped letters" after 1 failed attempt!')
    assert queue.pull() == []


def test_leases_outlive_the_server(server: Server) -> None:
    queue = Queue(server, "patient")
    queue.call("/batch", {"messages": [{"body": number} for number in range(3)]})
    leases = [message["lease_id"] for message in queue.pull(visibility_timeout_ms=60_000)]
    dying = Queue(server, "pulled")
    dying.send("last")
    dying.pull(visibility_timeout_ms=1)
    eventually(lambda: dying.pull(visibility_timeout_ms=500), "it comes for the last time")
    server.kill_host()
    server.start()
    assert queue.pull() == []
    assert queue.ack(leases[:2], [{"lease_id": leases[2], "delay_seconds": 0}])["ackCount"] == 2
    assert [(decoded(message), message["attempts"]) for message in queue.pull()] == [(2, 2)]
    # Nobody has to pull for that.
    eventually(lambda: server.get("/").json() == [["dead", "last", 1]], "the dead letter comes", 30)


def test_a_paused_queue_gives_nothing(server: Server) -> None:
    queue = Queue(server)
    queue.send(1)
    isthmus(server.folder, "queues", "pause", "pulled")
    refused = server.post(f"{queue.path}/pull", json={})
    assert (refused.status_code, refused.json()["errors"]) == (
        409,
        [{"code": 10252, "message": "queue_delivery_paused"}],
    )
    queue.send(2)
    isthmus(server.folder, "queues", "resume", "pulled")
    assert [decoded(message) for message in queue.pull()] == [1, 2]


BAD = [
    ("pulled/messages/pull", '{"batch_size": 0}', 400, 10207, 'whole number from 1 to 100 at "batch_size"'),
    ("pulled/messages/pull", '{"batch_size": 101}', 400, 10207, 'whole number from 1 to 100 at "batch_size"'),
    ("pulled/messages/pull", '{"batch_size": 1.5}', 400, 10207, '"batch_size"'),
    ("pulled/messages/pull", '{"batch_size": 1e300}', 400, 10207, '"batch_size"'),
    ("pulled/messages/pull", '{"batch_size": "5"}', 400, 10207, 'Expected number, received string at "batch_size"'),
    ("pulled/messages/pull", '{"visibility_timeout_ms": -1}', 400, 10207, '"visibility_timeout_ms"'),
    ("pulled/messages/pull", '{"visibility_timeout_ms": 43200001}', 400, 10207, "from 0 to 43200000"),
    ("pulled/messages/pull", "[]", 400, 10207, "Expected object, received array"),
    ("pulled/messages/pull", "{no", 400, 10208, "not valid JSON"),
    ("pulled/messages/pull", "\x00", 400, 10208, "not valid JSON"),
    ("pulled/messages/pull", "[" * 100_000, 400, 10208, "not valid JSON"),
    ("pulled/messages/ack", '{"acks": 5}', 400, 10207, 'Expected array, received number at "acks"'),
    ("pulled/messages/ack", '{"acks": [{}]}', 400, 10207, 'Required at "acks[0].lease_id"'),
    ("pulled/messages/ack", '{"retries": [{"lease_id": 5}]}', 400, 10207, 'received number at "retries[0].lease_id"'),
    (
        "pulled/messages/ack",
        '{"retries": [{"lease_id": "a", "delay_seconds": 86401}]}',
        400,
        10207,
        'from 0 to 86400 at "retries[0].delay_seconds"',
    ),
    ("pulled/messages", "", 400, 10207, 'Required at "body"'),
    ("pulled/messages", '{"body": 1, "content_type": "text"}', 400, 10207, 'Expected string, received number at "body"'),
    ("pulled/messages", '{"body": 1, "content_type": "v8"}', 400, 10203, "Invalid content type"),
    ("pulled/messages", '{"body": 1, "delay_seconds": -1}', 400, 10207, '"delay_seconds"'),
    ("pulled/messages", json.dumps({"body": "a" * 127_999}), 413, 10204, "message length of 128001 bytes"),
    ("pulled/messages/batch", '{"messages": []}', 400, 10207, "at least 1 element"),
    ("pulled/messages/batch", "{}", 400, 10207, 'Required at "messages"'),
    ("pulled/messages/batch", '{"messages": [1]}', 400, 10207, 'received number at "messages[0]"'),
    ("pulled/messages/batch", json.dumps({"messages": [{"body": 1}] * 101}), 413, 10206, "count of 101 exceeds"),
    ("pulled/messages/batch", json.dumps({"messages": [{"body": "a" * 99_000}] * 3}), 413, 10205, "batch size of"),
    ("pulled/messages", '{"body": "' + "a" * (4 << 20) + '"}', 413, 10205, "exceeds 4 MiB"),
    ("nothing/messages/pull", "{}", 404, 10104, "does not exist"),
    ("../queues/messages", "{}", 404, 7003, "No route"),
    ("pulled/messages/peek", "{}", 404, 7003, "No route"),
    ("pulled", "{}", 404, 7003, "No route"),
    ("dead/messages/pull", "{}", 405, 0, "messages cannot be pulled unless http_pull mode is enabled"),
    ("dead/messages/ack", "{}", 405, 0, "http_pull mode"),
]


def test_what_is_wrong_is_said_in_upstreams_shape(server: Server) -> None:
    for path, body, status, code, text in BAD:
        response = server.post(f"{BASE}/{path}", content=body)
        answer = response.json()
        [error] = answer.pop("errors")
        assert answer == {"success": False, "messages": [], "result": None}, path
        assert (response.status_code, error["code"]) == (status, code), (path, body[:80], error)
        assert text in error["message"], error
    get = server.get(f"{BASE}/pulled/messages/pull")
    assert (get.status_code, get.json()["errors"][0]["code"], get.headers["allow"]) == (405, 10405, "POST")
    # None of it did anything.
    assert Queue(server).pull() == []


def test_only_this_machine_is_answered(server: Server) -> None:
    queue = Queue(server)
    queue.send(1)
    for headers in ({"host": "example.com"}, {"origin": "https://evil.example"}, {"origin": "null"}):
        refused = server.post(f"{queue.path}/pull", json={}, headers=headers)
        assert refused.status_code == 403
        assert refused.json()["errors"][0]["code"] == 10106
    assert [decoded(message) for message in queue.pull()] == [1]


def test_clients_at_the_same_time_get_different_messages(server: Server) -> None:
    queue = Queue(server, "patient")
    queue.call("/batch", {"messages": [{"body": number} for number in range(100)]})
    with httpx.Client(base_url=server.url) as one, httpx.Client(base_url=server.url) as two:
        pulled = []
        for number in range(20):
            client = (one, two)[number % 2]
            pulled += client.post(f"{queue.path}/pull", json={"batch_size": 7}).json()["result"]["messages"]
    assert sorted(decoded(message) for message in pulled) == list(range(100))


def test_a_damaged_queue_is_said_to_be(make_worker: Callable[..., Path], serve: Callable[..., Server]) -> None:
    folder = make_worker(WORKER, config=CONFIG)
    file = folder / ".wrangler/state/queues/patient.sqlite"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"no database" * 1000)
    server = serve(folder)
    server.wait_for_log("nothing can be pulled of the queue `patient` until its file is restored")
    refused = server.post(f"{BASE}/patient/messages/pull", json={})
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (500, 15000)
    Queue(server).send(1)
    assert [decoded(message) for message in Queue(server).pull()] == [1]
