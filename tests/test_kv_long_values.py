"""Long values of KV lie in files: what the server does with them while clients are slow, files damaged, databases old."""

import contextlib
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from harness import processes
from harness.command import isthmus
from harness.server import Server

WORKER = """
    import js
    from pyodide.ffi import JsException
    from workers import Response, WorkerEntrypoint

    class Default(WorkerEntrypoint):
        async def fetch(self, request):
            key = request.url.rpartition("/")[2]
            kv = self.env.KV
            try:
                if request.method == "PUT":
                    await kv._binding.put(key, request.js_object.body)
                    return Response("stored")
                if key.startswith("stream"):
                    return js.Response.new(await kv._binding.get(key, "stream"))
                if key.startswith("read"):
                    # Passed on as this isolate reads it.
                    source = await kv._binding.get(key, "stream")
                    return js.Response.new(source.pipeThrough(js.TransformStream.new()))
                value = await kv.get(key, "arrayBuffer")
            except JsException as error:
                return Response(error.message, status=500)
            return Response("", status=404) if value is None else Response(bytes(value))
"""
LARGEST = 25 * 1024 * 1024


@pytest.fixture
def folder(make_worker: Callable[..., Path]) -> Path:
    return make_worker(WORKER)


def files(folder: Path) -> list[Path]:
    return list((folder / ".wrangler/state/kv/test.bodies").iterdir())


@pytest.mark.parametrize("way", ["stream", "read"])
def test_memory_is_bounded_while_many_read_slowly(folder: Path, serve: Callable[..., Server], way: str) -> None:
    server = serve(folder)
    readers = 16
    content = bytes(range(256)) * (LARGEST // 256)
    assert server.client.put(f"/{way}", content=content).text == "stored"

    def memory() -> int:
        pids = server.pids()
        return sum(processes.private_bytes(pid) for pid in (pids.host, *pids.isolates))

    # What one reader makes grow for good comes before.
    assert server.get(f"/{way}").content == content
    before = memory()
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(httpx.Client(base_url=server.url, timeout=60))
        responses = [stack.enter_context(client.stream("GET", f"/{way}")) for _ in range(readers)]
        streams = [response.iter_bytes(65536) for response in responses]
        heads = [next(stream) for stream in streams]
        time.sleep(1)
        grown = memory() - before
        # All of the values at once would be 400 MiB.
        assert grown < readers * 6 * 1024 * 1024, f"{grown / 2**20:.0f} MiB"
        # It is overwritten under their hands.
        assert server.client.put(f"/{way}", content=b"new").text == "stored"
        for head, stream in zip(heads, streams, strict=True):
            assert head + b"".join(stream) == content
    assert server.get(f"/{way}").content == b"new"
    deadline = time.monotonic() + 20
    while files(folder):
        assert time.monotonic() < deadline, "the file stays though nobody reads it"
        time.sleep(0.1)


def test_a_damaged_file_is_named_and_other_keys_work(folder: Path, serve: Callable[..., Server]) -> None:
    server = serve(folder)
    assert server.client.put("/bad", content=b"b" * 500_000).text == "stored"
    [file] = files(folder)
    assert server.client.put("/good", content=b"g" * 500_000).text == "stored"
    file.write_bytes(b"cut")
    response = server.get("/bad")
    expected = (
        'KV GET failed: 500 the value of "bad" can\'t be read, its file is missing or has another length: '
        "put the key again, or delete it"
    )
    assert (response.status_code, response.text) == (500, expected)
    server.wait_for_log(file.name)
    server.wait_for_log("isthmus restore")
    assert server.get("/good").content == b"g" * 500_000
    told = isthmus(folder, "kv", "key", "get", "bad", "--binding=KV", ok=False)
    assert expected in told.err
    backup = isthmus(folder, "backup", str(folder / "copy"), ok=False)
    assert file.name in backup.err
    assert "delete that key, or put it again" in backup.err
    isthmus(folder, "kv", "key", "delete", "bad", "--binding=KV")
    assert server.get("/bad").status_code == 404
    isthmus(folder, "backup", str(folder / "again"))


def test_a_database_of_the_first_version_goes_on(folder: Path, serve: Callable[..., Server]) -> None:
    path = folder / ".wrangler/state/kv/test.sqlite"
    path.parent.mkdir(parents=True)
    long, longer = b"1" * 400_000, bytes(range(256)) * 20_000
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.executescript("""
            PRAGMA journal_mode = wal;
            CREATE TABLE entries (
                id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, expiration INTEGER, metadata TEXT, value BLOB NOT NULL
            ) STRICT;
            CREATE INDEX entries_by_expiration ON entries (expiration) WHERE expiration IS NOT NULL;
            PRAGMA application_id = 0x49734b56;
            PRAGMA user_version = 1;
        """)
        rows = [(b"short", b"s"), (b"long", long), (b"stream", longer)]
        database.executemany("INSERT INTO entries (key, value) VALUES (?, ?)", rows)
        database.commit()
    for _ in range(2):
        server = serve(folder)
        assert server.get("/short").content == b"s"
        assert server.get("/long").content == long
        assert server.get("/stream").content == longer
        assert server.client.put("/new", content=longer).text == "stored"
        assert server.get("/new").content == longer
        server.stop()
    assert isthmus(folder, "kv", "key", "get", "new", "--binding=KV").out == longer
    assert isthmus(folder, "kv", "key", "get", "stream", "--binding=KV").out == longer
    assert len(files(folder)) == 1


def test_commands_read_and_write_files(folder: Path, serve: Callable[..., Server], tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000
    (folder / "value").write_bytes(content)
    for server in (None, serve(folder)):
        key = "without" if server is None else "beside"
        isthmus(folder, "kv", "key", "put", key, "--path", str(folder / "value"), "--binding=KV")
        assert isthmus(folder, "kv", "key", "get", key, "--binding=KV").out == content
    assert len(files(folder)) == 2
    isthmus(folder, "backup", str(tmp_path / "copy"))
    isthmus(folder, "kv", "key", "delete", "without", "--binding=KV")
    server.stop()
    isthmus(folder, "restore", str(tmp_path / "copy"))
    for key in ("without", "beside"):
        assert isthmus(folder, "kv", "key", "get", key, "--binding=KV").out == content
