"""What the expectation files of the examples cannot say."""

import json
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from harness.processes import eventually
from harness.server import Server, copy_worker
from websockets.sync.client import connect

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


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
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = folder / "wrangler.jsonc"
    config.write_text(config.read_text().replace("8790", str(port)))
    upstream = subprocess.Popen([sys.executable, str(folder / "upstream.py"), str(port)], stderr=subprocess.DEVNULL)
    try:
        server = serve(folder)
        eventually(lambda: server.get().status_code == 200, "the server listens")
        assert server.get().json() == {
            "asked": {"numbers": [1, 2, 3], "text": "é"},
            "answered": {"sum": 6, "text": "É"},
        }
        assert server.get("/proxy/lines").text == "".join(f"line {number}\n" for number in range(100_000))
        answer = server.post("/proxy/json", json={"numbers": [4, 5], "text": "a"})
        assert answer.json() == {"sum": 9, "text": "A"}
    finally:
        upstream.kill()
        upstream.wait()


def test_fastapi_talks_through_a_websocket(serve: Callable[..., Server], tmp_path: Path) -> None:
    server = serve(copy_worker(EXAMPLES / "fastapi", tmp_path / "fastapi"))
    with connect(server.url.replace("http", "ws") + "/socket") as client:
        client.send("héllo")
        assert json.loads(client.recv(timeout=20)) == {"you said": "héllo"}
