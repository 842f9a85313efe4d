"""The example of a chat, with clients of the package `websockets` and with a browser."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from websockets.sync.client import ClientConnection, connect

from harness.server import Server, copy_worker

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "websocket-chat"


@pytest.fixture
def server(serve: Callable[..., Server], tmp_path: Path) -> Server:
    return serve(copy_worker(EXAMPLE, tmp_path / "chat"))


def enter(server: Server, name: str) -> ClientConnection:
    return connect(server.url.replace("http", "ws", 1) + f"/chat?name={name}")


def hear(client: ClientConnection) -> dict[str, object]:
    return json.loads(client.recv(5))


def test_everybody_hears_everything(server: Server) -> None:
    with enter(server, "ada") as ada:
        assert hear(ada) == {"kind": "came", "name": "ada", "count": 1}
        with enter(server, "bob") as bob:
            for client in ada, bob:
                assert hear(client) == {"kind": "came", "name": "bob", "count": 2}
            bob.send("hi <b>all</b>")
            for client in ada, bob:
                assert hear(client) == {"kind": "said", "name": "bob", "text": "hi <b>all</b>"}
            ada.send("")
            ada.send(b"bytes")
            ada.send("hello")
            assert hear(bob) == {"kind": "said", "name": "ada", "text": "hello"}
        assert hear(ada)["kind"] == "said"
        assert hear(ada) == {"kind": "left", "name": "bob", "count": 1}


def test_who_vanishes_has_left(server: Server) -> None:
    with enter(server, "ada") as ada:
        hear(ada)
        bob = enter(server, "bob")
        hear(ada)
        bob.socket.close()
        assert hear(ada) == {"kind": "left", "name": "bob", "count": 1}


BROWSERS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "headless_shell"]


def test_a_browser_shows_the_page_and_joins(server: Server) -> None:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip(f"no Chromium on PATH (looked for {', '.join(BROWSERS)})")
    with enter(server, "ada") as ada:
        hear(ada)
        # The page's own clock runs fast; the socket is real.
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", "--virtual-time-budget=3000"]
        dom = subprocess.run([*command, f"{server.url}/?name=eve"], capture_output=True, text=True, timeout=50).stdout
        assert hear(ada) == {"kind": "came", "name": "eve", "count": 2}
        assert "eve came (2 here)" in dom
        assert hear(ada) == {"kind": "left", "name": "eve", "count": 1}
