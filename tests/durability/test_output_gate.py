"""What an isolate says waits until what D1 told it is durable: while the disk holds a sync back, nothing gets out."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from disk import FailingSync
from harness.command import isthmus
from harness.origin import Origin
from harness.processes import eventually
from harness.server import Server
from websockets.sync.client import connect

WORKER = """
    import asyncio
    from js import Response as JsResponse, WebSocketPair, fetch
    from pyodide.ffi import create_proxy
    from workers import Response, WorkerEntrypoint

    class Default(WorkerEntrypoint):
        async def count(self):
            return await self.env.DB.prepare("SELECT count(*) FROM t").first("count(*)")

        async def insert(self, times=1):
            for _ in range(times):
                await self.env.DB.prepare("INSERT INTO t VALUES (1)").run()
            print(f"inserted {times}")

        async def fetch(self, request):
            path = request.url.rpartition("/")[2]
            print(f"asked to {path}")
            if path == "make":
                await self.env.DB.exec("CREATE TABLE t (v INTEGER)")
            elif path == "insert":
                await self.insert()
            elif path == "many":
                await self.insert(100)
            elif path == "count":
                rows = await self.count()
                print(f"counted {rows}")
                return Response(str(rows))
            elif path == "refused":
                await self.insert()
                try:
                    await self.env.DB.prepare("SELECT nonsense FROM t").run()
                except Exception:
                    print("refused")
            elif path == "put":
                await self.insert()
                await self.env.KV.put("key", "value")
            elif path == "out":
                await self.insert()
                await fetch(await request.text())
            elif path == "wait":
                async def later():
                    await asyncio.sleep(0.1)
                    await self.insert()
                    await self.env.KV.put("later", "value")
                self.ctx.waitUntil(later())
            elif path == "socket":
                client, server = WebSocketPair.new().object_values()
                server.accept()
                async def echo(event):
                    await self.insert()
                    server.send(event.data)
                server.addEventListener("message", create_proxy(echo))
                return JsResponse.new(None, status=101, webSocket=client)
            elif path == "raise":
                await self.insert()
                raise ValueError("on purpose")
            return Response("done")
"""
CONFIG = {
    "name": "test",
    "main": "main.py",
    "compatibility_date": "2026-11-01",
    "compatibility_flags": ["python_workers"],
    "d1_databases": [{"binding": "DB", "database_name": "db", "database_id": "test"}],
    "kv_namespaces": [{"binding": "KV", "id": "test"}],
}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[FailingSync]:
    shim = FailingSync(tmp_path)
    yield shim
    shim.release()


@pytest.fixture
def server(make_worker: Callable[..., Path], serve: Callable[..., Server], disk: FailingSync) -> Server:
    server = serve(make_worker(WORKER, json.dumps(CONFIG)), environment=disk.environment)
    assert server.get("/make").text == "done"
    return server


class Asking:
    """A request on its way, on a connection of its own."""

    def __init__(self, server: Server, path: str, content: str = "") -> None:
        self.response: httpx.Response | None = None
        url = f"{server.url}/{path}"

        def ask() -> None:
            self.response = httpx.request("POST", url, content=content, timeout=60)

        self._thread = threading.Thread(target=ask, daemon=True)
        self._thread.start()

    def is_answered(self) -> bool:
        return self.response is not None

    def text(self) -> str:
        self._thread.join(60)
        assert self.response is not None
        return self.response.text


def stays(condition: Callable[[], object], what: str, seconds: float = 0.3) -> None:
    """Fails unless a condition holds for a while."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert condition(), what
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("path", "logged", "answer"),
    [
        ("insert", "inserted 1", "done"),
        ("many", "inserted 100", "done"),
        ("refused", "refused", "done"),
        ("raise", "inserted 1", "ValueError: on purpose"),
    ],
)
def test_an_answer_waits_until_what_its_worker_wrote_is_durable(
    server: Server, disk: FailingSync, path: str, logged: str, answer: str
) -> None:
    disk.hold()
    asking = Asking(server, path)
    # The Worker goes on meanwhile.
    server.wait_for_log(logged)
    stays(lambda: not asking.is_answered(), "the answer waits")
    disk.release()
    assert answer in asking.text()


def test_who_reads_what_is_not_durable_waits_too(server: Server, disk: FailingSync) -> None:
    disk.hold()
    writing = Asking(server, "insert")
    server.wait_for_log("inserted 1")
    reading = Asking(server, "count")
    server.wait_for_log("counted 1")
    stays(lambda: not (writing.is_answered() or reading.is_answered()), "both wait")
    disk.release()
    assert (writing.text(), reading.text()) == ("done", "1")


def keys(server: Server) -> list[str]:
    """What is in the KV namespace, as the command line sees it."""
    listed = isthmus(server.folder, "kv", "key", "list", "--binding", "KV")
    return [key["name"] for key in listed.json]


def test_another_store_is_not_written_before(server: Server, disk: FailingSync) -> None:
    disk.hold()
    asking = Asking(server, "put")
    server.wait_for_log("inserted 1")
    stays(lambda: not keys(server), "the value isn't there", 1)
    disk.release()
    assert asking.text() == "done"
    assert keys(server) == ["key"]


def test_what_goes_on_after_the_answer_waits(server: Server, disk: FailingSync) -> None:
    disk.hold()
    # Nothing was written yet.
    assert server.get("/wait").text == "done"
    server.wait_for_log("inserted 1")
    stays(lambda: not keys(server), "the value isn't there", 1)
    disk.release()
    eventually(lambda: keys(server) == ["later"], "the value is written")


def test_no_request_goes_out_before(server: Server, disk: FailingSync) -> None:
    with Origin() as origin:
        disk.hold()
        asking = Asking(server, "out", f"{origin.url}/text")
        server.wait_for_log("inserted 1")
        stays(lambda: not origin.paths, "nothing goes out")
        disk.release()
        assert asking.text() == "done"
        assert origin.paths == ["/text"]


def test_no_message_of_a_websocket_goes_out_before(server: Server, disk: FailingSync) -> None:
    with connect(f"{server.url.replace('http', 'ws')}/socket") as socket:
        disk.hold()
        socket.send("hello")
        server.wait_for_log("inserted 1")
        with pytest.raises(TimeoutError):
            socket.recv(timeout=0.3)
        disk.release()
        assert socket.recv(timeout=30) == "hello"


def test_a_command_waits_for_what_it_reads(server: Server, disk: FailingSync) -> None:
    disk.hold()
    asking = Asking(server, "insert")
    server.wait_for_log("inserted 1")
    told: list[object] = []

    def count() -> None:
        sql = "SELECT count(*) AS n FROM t"
        told.append(isthmus(server.folder, "d1", "execute", "db", "--command", sql, "--json").json)

    thread = threading.Thread(target=count, daemon=True)
    thread.start()
    stays(lambda: not told, "the command waits", 1)
    disk.release()
    thread.join(30)
    assert "{'n': 1}" in str(told)
    assert asking.text() == "done"


def test_what_an_isolate_was_told_is_never_let_out_if_the_disk_fails(server: Server, disk: FailingSync) -> None:
    disk.hold()
    askings = [Asking(server, "put")]
    server.wait_for_log("inserted 1")
    # They wait for the disk themselves, or read what isn't durable.
    askings += [Asking(server, path) for path in ("insert", "raise", "count")]
    for said in ("asked to insert", "asked to raise", "counted 1"):
        server.wait_for_log(said)
    disk.fail()
    disk.release()
    for asking in askings:
        assert "can't be made durable" in asking.text()
        assert asking.response is not None
        assert asking.response.status_code == 502
    assert not keys(server)
    # Whoever reads is not kept from it, and who writes is told in the usual way.
    assert int(server.get("/count").text) <= 3
    assert "disk I/O error" in server.get("/insert").text
    disk.work()
    before = int(server.get("/count").text)
    assert server.get("/insert").text == "done"
    server.kill_host()
    server.start()
    assert int(server.get("/count").text) == before + 1
