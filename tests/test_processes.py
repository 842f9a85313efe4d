"""The processes behind a Worker: that they are confined, replaced when they die, and end together."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from harness import processes
from harness.processes import eventually
from harness.server import Server

HELLO = """
    import os
    from workers import Response, WorkerEntrypoint

    class Default(WorkerEntrypoint):
        async def fetch(self, request):
            return Response(str(os.getpid()))
"""

# Waits, told apart by the path, and says in the log how each wait ended.
WAITING = """
    import asyncio
    from workers import Response, WorkerEntrypoint

    class Default(WorkerEntrypoint):
        async def fetch(self, request):
            if request.url.endswith("/wait"):
                print("waiting")
                try:
                    await asyncio.sleep(3600)
                finally:
                    print("the wait is over")
            if request.url.endswith("/block"):
                print("blocking")
                while True:
                    pass
            return Response("fine")
"""


@pytest.fixture
def hello(make_worker: Callable[..., Path], serve: Callable[..., Server]) -> Server:
    return serve(make_worker(HELLO))


def in_background(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def abandoned_get(server: Server, path: str, until_logged: str) -> None:
    """Sends a request and hangs up once the log contains a text."""
    with socket.create_connection(server.address) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        server.wait_for_log(until_logged)


def test_an_isolate_keeps_nothing_of_the_hosts(hello: Server) -> None:
    hello.get()
    pids = hello.wait_for_isolates()
    for isolate in pids.isolates:
        descriptors = sorted(int(entry.name) for entry in Path(f"/proc/{isolate}/fd").iterdir())
        links = {fd: os.readlink(f"/proc/{isolate}/fd/{fd}") for fd in descriptors}
        sockets = [fd for fd, link in links.items() if link.startswith("socket:")]
        regular = [link for link in links.values() if link.startswith("/") and link != "/dev/null"]
        # Events and broker, and what its own event loop makes after the fork.
        assert len(sockets) <= 4, links
        assert not [link for link in regular if ".sqlite" in link or "/.wrangler/" in link], links
        status = Path(f"/proc/{isolate}/status").read_text()
        assert "NoNewPrivs:\t1" in status


def test_a_worker_is_alone_in_its_pid_namespace(hello: Server) -> None:
    inner = int(hello.get().text)
    pids = hello.wait_for_isolates()
    namespaces = {os.readlink(f"/proc/{pid}/ns/pid") for pid in [*pids.zygotes, *pids.isolates]}
    if os.readlink(f"/proc/{pids.host}/ns/pid") in namespaces:
        assert "PID namespace" in hello.log, "where the kernel refuses one, the log says so"
    else:
        assert inner not in pids.isolates
        assert len(namespaces) == 1


def test_a_killed_isolate_is_replaced(hello: Server) -> None:
    before = hello.wait_for_isolates()
    hello.get()
    for isolate in before.isolates:
        processes.kill(isolate)
    hello.wait_for_log("SIGKILL")
    assert hello.get().status_code == 200
    after = hello.wait_for_isolates(len(before.isolates))
    assert not set(before.isolates) & set(after.isolates)
    assert after.zygotes == before.zygotes


def test_an_isolates_death_fails_its_own_request_only(
    make_worker: Callable[..., Path], serve: Callable[..., Server]
) -> None:
    server = serve(make_worker(WAITING))
    answers: list[httpx.Response] = []
    thread = in_background(lambda: answers.append(httpx.get(f"{server.url}/wait", timeout=30)))
    server.wait_for_log("waiting")
    for isolate in server.pids().isolates:
        processes.kill(isolate)
    thread.join(20)
    assert answers[0].status_code == 502
    assert answers[0].text.strip(), "a page says what happened"
    server.wait_for_log("signal 9 (SIGKILL)")
    assert server.get().text == "fine"


def test_a_killed_zygote_is_replaced(hello: Server) -> None:
    before = hello.wait_for_isolates()
    hello.get()
    [zygote] = before.zygotes
    processes.kill(zygote)
    for isolate in before.isolates:
        eventually(lambda pid=isolate: not processes.is_running(pid), "its isolates end with it")
    hello.wait_for_log("zygote")
    eventually(lambda: hello.get().status_code == 200, "requests are answered again")
    assert hello.wait_for_isolates().zygotes != before.zygotes


def test_a_killed_host_takes_all_with_it(hello: Server) -> None:
    pids = hello.wait_for_isolates()
    hello.kill_host()
    assert not [pid for pid in [*pids.zygotes, *pids.isolates] if processes.is_running(pid)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(hello: Server, number: signal.Signals) -> None:
    pids = hello.wait_for_isolates()
    hello.get()
    assert hello.stop(number) == 0
    assert not [pid for pid in [*pids.zygotes, *pids.isolates] if processes.is_running(pid)]
    assert "Traceback" not in hello.log


def test_open_requests_are_finished_before_the_end(
    make_worker: Callable[..., Path], serve: Callable[..., Server]
) -> None:
    server = serve(
        make_worker("""
            import asyncio
            from workers import Response, WorkerEntrypoint

            class Default(WorkerEntrypoint):
                async def fetch(self, request):
                    print("begun")
                    await asyncio.sleep(0.5)
                    return Response("finished")
        """)
    )
    answers: list[str] = []
    thread = in_background(lambda: answers.append(httpx.get(server.url, timeout=30).text))
    server.wait_for_log("begun")
    assert server.stop() == 0
    thread.join(10)
    assert answers == ["finished"]


def test_a_client_that_goes_away_cancels_its_request(
    make_worker: Callable[..., Path], serve: Callable[..., Server]
) -> None:
    server = serve(make_worker(WAITING))
    abandoned_get(server, "/wait", "waiting")
    server.wait_for_log("the wait is over")
    assert server.get().text == "fine"
    assert "Traceback" not in server.log


def test_requests_whose_clients_go_away_before_they_begin_come_to_an_end(
    make_worker: Callable[..., Path], serve: Callable[..., Server]
) -> None:
    server = serve(
        make_worker("""
            import time
            from workers import Response, WorkerEntrypoint

            class Default(WorkerEntrypoint):
                async def fetch(self, request):
                    if request.url.endswith("/doze"):
                        print("dozing")
                        time.sleep(1)
                    return Response("fine")
        """)
    )
    thread = in_background(lambda: httpx.get(f"{server.url}/doze", timeout=30))
    for _ in range(10):
        abandoned_get(server, "/", "dozing")
    thread.join(10)
    assert server.get().text == "fine"
    assert server.stop() == 0
    assert "unfinished" not in server.log
    assert "never awaited" not in server.log


def test_an_isolate_blocked_for_nobody_is_replaced(
    make_worker: Callable[..., Path], serve: Callable[..., Server]
) -> None:
    server = serve(make_worker(WAITING), environment={"ISTHMUS_UNRESPONSIVE_TIMEOUT": "1"})
    blocked = set(server.wait_for_isolates().isolates)
    abandoned_get(server, "/block", "blocking")
    eventually(lambda: blocked - set(server.pids().isolates), "the blocked isolate is ended", 30)
    assert server.get().text == "fine"


def test_a_worker_that_is_mended_is_served_without_a_restart(
    make_worker: Callable[..., Path], serve: Callable[..., Server]
) -> None:
    folder = make_worker("this is no Python")
    server = serve(folder)
    assert server.get().status_code == 500
    assert "SyntaxError" in server.log
    # Compiled files are told apart by their second and size; the mended file must not look the same.
    (folder / "main.py").write_text(HELLO.replace("\n    ", "\n"))
    assert server.get().status_code == 200


def test_http_2_is_served(hello: Server) -> None:
    with httpx.Client(http1=False, http2=True) as client:
        response = client.get(hello.url)
    assert (response.status_code, response.http_version) == (200, "HTTP/2")


def test_a_taken_port_is_explained(make_worker: Callable[..., Path]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = subprocess.run(
            [sys.executable, "-m", "isthmus", "dev", str(make_worker(HELLO)), "--port", str(port)],
            capture_output=True,
            text=True,
            timeout=30,
        )
    output = result.stdout + result.stderr
    assert result.returncode == 1, output
    assert str(port) in output and "--port" in output
    assert str(os.getpid()) in output, "it says who holds the port"


def test_the_version_is_the_wheels() -> None:
    command = [sys.executable, "-m", "isthmus", "--version"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("isthmus ")
