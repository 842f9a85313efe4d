"""`cloudflare:sockets`: recorded cases beside workerd, and connections that end when they should."""

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from harness.processes import eventually
from harness.server import Server
from harness.tcp import TcpServers

REFERENCE = Path(__file__).parent / "reference" / "sockets"

WORKER = '''
    import asyncio
    import json

    import js
    from pyodide.code import run_js
    from workers import Response, WorkerEntrypoint, import_from_javascript

    connect = import_from_javascript("cloudflare:sockets").connect


    class Default(WorkerEntrypoint):
        async def fetch(self, request):
            path, _, rest = request.url.partition("://")[2].partition("/")[2].partition("/")
            return await getattr(self, path)(rest, request)

        async def cases(self, _, request):
            cases = import_from_javascript("cases.mjs")
            return Response(js.JSON.stringify(await cases.run(await request.js_object.json())))

        async def python(self, address, _):
            """A line there and back, as Python writes it."""
            socket = connect(address)
            info = await socket.opened
            writer = socket.writable.getWriter()
            await writer.write(js.TextEncoder.new().encode("from Python\\n"))
            text = ""
            async for chunk in socket.readable:
                text += chunk.to_bytes().decode()
                if text.endswith("\\n"):
                    break
            await socket.close()
            return Response(f"{info.remoteAddress} {text}")

        async def options(self, address, _):
            host, _, port = address.rpartition(":")
            socket = connect({"hostname": host, "port": int(port)}, secureTransport="on", allowHalfOpen=True)
            try:
                await socket.opened
            except Exception as error:
                return Response(f"{type(error).__name__} {error}")
            transport = socket.secureTransport
            await socket.close()
            return Response(transport)

        async def leave(self, address, _):
            """Opens a connection and forgets it."""
            socket = connect(address)
            await socket.opened
            return Response("left")

        async def last(self, address, _):
            """Writes something, and closes nothing."""
            socket = connect(address, allowHalfOpen=True)
            writer = socket.writable.getWriter()
            await writer.write(js.TextEncoder.new().encode("x" * 100_000))
            await writer.close()
            return js.Response.new(socket.readable)

        async def hold(self, address, _):
            self.socket = connect(address)
            await self.socket.opened
            await asyncio.sleep(3600)

        async def nowhere(self, address, _):
            """What all the parts of a socket to nowhere say."""
            socket = connect(address)
            writer = socket.writable.getWriter()
            reader = socket.readable.getReader()
            parts = {
                "opened": socket.opened, "closed": socket.closed, "read": reader.read(),
                "write": writer.write(js.TextEncoder.new().encode("x")), "writer closed": writer.closed,
            }
            outcomes = {}
            for name, part in parts.items():
                try:
                    outcomes[name] = str(await part)
                except Exception as error:
                    outcomes[name] = f"{type(error).__name__} {error}"
            outcomes["close"] = str(await socket.close())
            return Response.json(outcomes)

        async def many(self, address, _):
            """More sockets to nowhere than may be open at once."""
            address, count = address.split("/")

            async def attempt():
                try:
                    await connect(address).opened
                except Exception as error:
                    return str(error)

            outcomes = set()
            for _ in range(int(count) // 100):
                outcomes.update(await asyncio.gather(*(attempt() for _ in range(100))))
            return Response.json(sorted(outcomes))

        async def tunnel(self, address, request):
            """What the client sends goes to the server, what that answers to the client."""
            socket = connect(address, allowHalfOpen=True)
            self.ctx.waitUntil(request.js_object.body.pipeTo(socket.writable))
            return js.Response.new(socket.readable)

        async def forget(self, address, _):
            run_js("""async (connect, address) => {
                for (let i = 0; i < 50; i++) {
                    const socket = connect(address);
                    await socket.opened;
                    const reader = socket.readable.getReader();
                    if (i % 2) await reader.read();
                }
            }""")
            for number in range(50):
                socket = connect(address)
                await socket.opened
                if number % 2:
                    await socket.readable.getReader().read()
            return Response("forgotten")
'''


@pytest.fixture(scope="module")
def servers() -> Iterator[TcpServers]:
    with TcpServers() as servers:
        yield servers


@pytest.fixture
def worker(
    make_worker: Callable[..., Path], serve: Callable[..., Server], servers: TcpServers
) -> Callable[..., Server]:
    """Starts the Worker above: it trusts the servers' certificate."""

    def start(*flags: str, **environment: str) -> Server:
        folder = make_worker(WORKER)
        shutil.copy(REFERENCE / "cases.mjs", folder)
        return serve(folder, *flags, environment={"SSL_CERT_FILE": servers.certificate, **environment})

    return start


def closed(servers: TcpServers) -> None:
    eventually(lambda: servers.open == 0, "no connection is open")


def test_cases_are_like_the_reference_but_for_the_listed_differences(
    worker: Callable[..., Server], servers: TcpServers
) -> None:
    recorded = json.loads((REFERENCE / "recorded.json").read_text())
    differences = json.loads((REFERENCE / "differences.json").read_text())
    ours = worker().post("/cases", content=json.dumps(servers.where), timeout=120).json()
    assert set(ours) == set(recorded)
    assert set(differences) <= set(recorded)
    assert all(difference["why"] for difference in differences.values())
    assert {name: differences.get(name, {}).get("ours", answer) for name, answer in recorded.items()} == ours
    assert [name for name, difference in differences.items() if difference["ours"] == recorded[name]] == []
    closed(servers)


def test_python_speaks_to_a_server(worker: Callable[..., Server], servers: TcpServers) -> None:
    server = worker()
    address = f"localhost:{servers.ports['echo']}"
    assert server.get(f"/python/{address}").text == f"{address} from Python\n"
    assert server.get(f"/options/localhost:{servers.ports['tls']}").text == "on"
    assert "cannot connect" in server.get(f"/options/127.0.0.1:{servers.ports['tls']}").text
    closed(servers)


def test_a_certificate_that_nobody_vouches_for_is_refused(
    make_worker: Callable[..., Path], serve: Callable[..., Server], servers: TcpServers, tmp_path: Path
) -> None:
    server = serve(make_worker(WORKER))
    text = server.get(f"/options/localhost:{servers.ports['tls']}").text
    assert text == "JsException Error: proxy request failed, cannot connect to the specified address"


NOWHERE = "JsException Error: proxy request failed, cannot connect to the specified address"


@pytest.mark.parametrize("address", ["127.0.0.1:{nobody}", "nowhere.invalid:80", "[::1]:{nobody}", "[::ffff:127.0.0.1]:{nobody}"])
def test_all_of_a_socket_to_nowhere_says_so(
    worker: Callable[..., Server], servers: TcpServers, address: str
) -> None:
    reason = NOWHERE
    if address.endswith(":80"):
        reason += ". It looks like you might be trying to connect to a HTTP-based service — consider using fetch instead"
    answer = worker().get(f"/nowhere/{address.format(**servers.ports)}").json()
    assert answer == {part: reason for part in ("opened", "closed", "read", "write", "writer closed")} | {"close": "None"}


def test_sockets_to_nowhere_leave_nothing(worker: Callable[..., Server], servers: TcpServers) -> None:
    server = worker()
    # An isolate may have 16,384 calls open.
    answer = server.get(f"/many/127.0.0.1:{servers.ports['nobody']}/17000", timeout=120)
    assert answer.json() == [NOWHERE.removeprefix("JsException ")]
    address = f"localhost:{servers.ports['echo']}"
    assert server.get(f"/python/{address}").text == f"{address} from Python\n"
    closed(servers)


def test_a_connection_ends_with_its_event(worker: Callable[..., Server], servers: TcpServers) -> None:
    server = worker()
    for habit in ("silent", "echo", "flood"):
        assert server.get(f"/leave/localhost:{servers.ports[habit]}").text == "left"
    closed(servers)
    assert server.get(f"/forget/localhost:{servers.ports['flood']}").text == "forgotten"
    closed(servers)


def test_what_was_written_arrives_and_the_readable_side_may_be_the_response(
    worker: Callable[..., Server], servers: TcpServers
) -> None:
    server = worker()
    # The event may be over before the host has read what was sent in its course.
    for _ in range(20):
        assert server.get(f"/last/localhost:{servers.ports['count']}").text == "100000"
    closed(servers)


def test_a_connection_ends_when_its_client_goes_away_or_a_process_is_killed(
    worker: Callable[..., Server], servers: TcpServers
) -> None:
    server = worker()
    address = f"localhost:{servers.ports['silent']}"
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(f"{server.url}/hold/{address}", timeout=httpx.Timeout(20, read=0.5))
    closed(servers)
    with ThreadPoolExecutor(1) as pool:

        def hold() -> None:
            with pytest.raises((httpx.TransportError, AssertionError)):
                httpx.get(f"{server.url}/hold/{address}", timeout=30).raise_for_status()
                raise AssertionError

        holding = pool.submit(hold)
        eventually(lambda: servers.open == 1, "the connection is open")
        server.kill_host()
        holding.result()
    closed(servers)


def test_a_tunnel_through_a_worker(worker: Callable[..., Server], servers: TcpServers) -> None:
    server = worker()
    body = bytes(range(256)) * 8000
    answer = server.post(f"/tunnel/localhost:{servers.ports['echo']}", content=body, timeout=30)
    assert answer.content == body
    closed(servers)


def test_a_peer_that_takes_nothing_holds_up_nobody_else(worker: Callable[..., Server], servers: TcpServers) -> None:
    server = worker(ISTHMUS_FETCH_TIMEOUT="2")
    stuck = servers.stuck()

    def endless() -> Iterator[bytes]:
        for _ in range(400):
            yield bytes(65536)

    def push() -> Any:
        try:
            return httpx.post(f"{server.url}/tunnel/localhost:{stuck}", content=endless(), timeout=30).status_code
        except httpx.TransportError as error:
            return str(error)

    thread = threading.Thread(target=push)
    thread.start()
    address = f"localhost:{servers.ports['echo']}"
    for _ in range(5):
        assert server.get(f"/python/{address}").text == f"{address} from Python\n"
    thread.join(60)
    assert not thread.is_alive()
    assert server.get(f"/python/{address}").text == f"{address} from Python\n"


def test_many_connections_of_many_isolates(worker: Callable[..., Server], servers: TcpServers) -> None:
    server = worker("--isolates", "2")
    address = f"localhost:{servers.ports['echo']}"
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: httpx.get(f"{server.url}/python/{address}", timeout=30).text, range(200)))
    assert set(answers) == {f"{address} from Python\n"}
    closed(servers)
