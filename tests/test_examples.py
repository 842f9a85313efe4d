"""What the expectation files of the examples cannot say."""

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from harness.processes import eventually
from harness.server import Server, copy_worker
from websockets.sync.client import connect

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


@contextmanager
def upstream(folder: Path, port: str) -> Iterator[None]:
    """Runs the server that an example speaks to, on a free port in place of the one that its configuration names."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = str(probe.getsockname()[1])
    config = folder / "wrangler.jsonc"
    config.write_text(config.read_text().replace(port, free))
    process = subprocess.Popen([sys.executable, str(folder / "upstream.py"), free], stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("other", ["wrangler.jsonc", "wrangler.toml"])
def test_kv_is_configured_in_either_notation(serve: Callable[..., Server], tmp_path: Path, other: str) -> None:
    folder = copy_worker(EXAMPLES / "kv", tmp_path / "kv")
    (folder / other).unlink()
    assert serve(folder).get().text == "baz"


@pytest.mark.parametrize("example", sorted(path.name for path in EXAMPLES.iterdir()))
def test_every_example_is_explained_and_tested(example: str) -> None:
    files = {file.name for file in (EXAMPLES / example).iterdir()}
    assert {"README.md", "main.py", "expect.toml"} <= files


def test_fetch_asks_and_passes_on(serve: Callable[..., Server], tmp_path: Path) -> None:
    folder = copy_worker(EXAMPLES / "fetch", tmp_path / "fetch")
    with upstream(folder, port="8790"):
        server = serve(folder)
        eventually(lambda: server.get().status_code == 200, "the server listens")
        assert server.get().json() == {
            "asked": {"numbers": [1, 2, 3], "text": "é"},
            "answered": {"sum": 6, "text": "É"},
        }
        assert server.get("/proxy/lines").text == "".join(f"line {number}\n" for number in range(100_000))
        answer = server.post("/proxy/json", json={"numbers": [4, 5], "text": "a"})
        assert answer.json() == {"sum": 9, "text": "A"}


def test_cache_keeps_what_it_made(serve: Callable[..., Server], tmp_path: Path) -> None:
    server = serve(copy_worker(EXAMPLES / "cache", tmp_path / "cache"))
    made = server.get("/you")
    assert made.text == "<h1>Made for you</h1>\n" and "cf-cache-status" not in made.headers
    eventually(lambda: server.get("/you").headers.get("cf-cache-status") == "HIT", "it is kept")
    assert server.get("/you").text == made.text
    part = server.get("/you", headers={"range": "bytes=4-7"})
    assert (part.status_code, part.text) == (206, "Made")
    assert server.get("/you", headers={"if-none-match": '"1"'}).status_code == 304
    assert server.client.delete("/you").text == "deleted\n"
    assert "cf-cache-status" not in server.get("/you").headers


def test_sockets_ask_and_tunnel(serve: Callable[..., Server], tmp_path: Path) -> None:
    folder = copy_worker(EXAMPLES / "sockets", tmp_path / "sockets")
    with upstream(folder, port="8791"):
        server = serve(folder)
        eventually(lambda: server.get("/stressed").status_code == 200, "the server listens")
        assert server.get("/stressed").text == "desserts\n"
        text = "".join(f"line {number}\n" for number in range(20_000))
        answer = server.post("/", content=text.encode())
        assert answer.text == "".join(f"{line[::-1]}\n" for line in text.splitlines())


def test_fastapi_talks_through_a_websocket(serve: Callable[..., Server], tmp_path: Path) -> None:
    server = serve(copy_worker(EXAMPLES / "fastapi", tmp_path / "fastapi"))
    with connect(server.url.replace("http", "ws") + "/socket") as client:
        client.send("héllo")
        assert json.loads(client.recv(timeout=20)) == {"you said": "héllo"}
