"""FastAPI's WebSockets behind Isthmus, beside uvicorn, with the client `websockets`."""

import concurrent.futures
import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from harness.processes import eventually
from harness.twins import HOST, Twins
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

Talk = Callable[[str], Any]


@contextlib.contextmanager
def talk_to(server: str, path: str, **options: Any) -> Iterator[ClientConnection]:
    url = urlsplit(server)
    connection = socket.create_connection((url.hostname or "", url.port or 0), timeout=20)
    with connect(f"ws://{HOST}{path}", sock=connection, open_timeout=20, close_timeout=20, **options) as client:
        yield client


def end(client: ClientConnection) -> tuple[list[Any], int | None, str | None]:
    """What still comes, and how it is closed."""
    told = []
    try:
        while True:
            told.append(client.recv(timeout=20))
    except ConnectionClosed as closed:
        received = closed.rcvd
        return told, received and received.code, received and received.reason


@pytest.fixture
def both(fastapi: Twins) -> Callable[[Talk], Any]:
    """Has a conversation with either server; both must say the same."""

    def both(talk: Talk) -> Any:
        ours, theirs = talk(fastapi.isthmus.url), talk(fastapi.peer.url)
        assert ours == theirs, fastapi.isthmus.log[-3000:]
        return ours

    return both


@pytest.mark.parametrize(
    "message",
    ["text", "", "ü\U0001f600\x00", b"bytes", b"", bytes(range(256)), "x" * 100_000, b"y" * 900_000],
    ids=["text", "empty", "unicode", "bytes", "no-bytes", "all-bytes", "long-text", "long-bytes"],
)
def test_messages_come_back(both: Callable[[Talk], Any], message: str | bytes) -> None:
    def talk(server: str) -> Any:
        with talk_to(server, "/sockets/echo", max_size=None) as client:
            client.send(message)
            return client.recv(timeout=20)

    assert both(talk) == message


def test_many_messages_stay_in_order(both: Callable[[Talk], Any]) -> None:
    def talk(server: str) -> Any:
        with talk_to(server, "/sockets/echo") as client:
            sent = [str(number) if number % 2 else b"%d" % number for number in range(500)]
            for message in sent:
                client.send(message)
            assert [client.recv(timeout=20) for _ in sent] == sent

    both(talk)


def test_fragmented_messages_come_whole(both: Callable[[Talk], Any]) -> None:
    def talk(server: str) -> Any:
        with talk_to(server, "/sockets/echo") as client:
            client.send(["one ", "two ", "three"])
            return client.recv(timeout=20)

    assert both(talk) == "one two three"


def test_json(both: Callable[[Talk], Any]) -> None:
    def talk(server: str) -> Any:
        with talk_to(server, "/sockets/json") as client:
            client.send('{"a": [1, "é"]}')
            told = client.recv(timeout=20)
            client.send("null")
            return told, end(client)

    told, ended = both(talk)
    assert told == '{"told":{"a":[1,"é"]},"kind":"dict"}' and ended == ([], 4000, "told nothing")


def test_parameters_and_dependencies(both: Callable[[Talk], Any]) -> None:
    def talk(server: str) -> Any:
        headers = {"x-own": "own", "cookie": "session=s"}
        with talk_to(server, "/sockets/parameters/7?token=t%20", additional_headers=headers) as client:
            return end(client)

    told, code, _ = both(talk)
    assert '"number":7' in told[0] and '"session":"s"' in told[0] and code == 1000


def test_a_dependency_refuses(both: Callable[[Talk], Any]) -> None:
    def talk(server: str) -> Any:
        with talk_to(server, "/sockets/parameters/7") as client:
            return end(client)

    assert both(talk) == ([], 1008, "no token")


def test_messages_of_the_server_alone(both: Callable[[Talk], Any]) -> None:
    def talk(server: str) -> Any:
        with talk_to(server, "/sockets/count/1000") as client:
            return end(client)

    assert both(talk) == ([str(number) for number in range(1000)], 1000, "counted")


@pytest.mark.parametrize("code, reason", [(1000, ""), (1001, "going"), (1008, "policy"), (3000, "ü"), (4999, "x" * 120)])
def test_the_server_closes(both: Callable[[Talk], Any], code: int, reason: str) -> None:
    def talk(server: str) -> Any:
        with talk_to(server, f"/sockets/close/{code}?reason={reason}") as client:
            return end(client)

    assert both(talk) == ([], code, reason)


@pytest.mark.parametrize("path, told, code", [("returns", ["bye"], 1000), ("raises", [], 1011)])
def test_the_application_ends(fastapi: Twins, path: str, told: list[str], code: int) -> None:
    """The adapter then closes; uvicorn drops the connection."""
    for server, sent in ((fastapi.isthmus.url, code), (fastapi.peer.url, None)):
        with talk_to(server, f"/sockets/{path}") as client:
            with contextlib.suppress(ConnectionClosed):
                client.send("now")
            assert end(client)[:2] == (told, sent)


def test_the_client_closes(fastapi: Twins, both: Callable[[Talk], Any]) -> None:
    def talk(server: str) -> Any:
        with talk_to(server, "/sockets/iterated") as client:
            client.send("text")
            told = client.recv(timeout=20)
        with talk_to(server, "/sockets/echo") as client:
            client.close(4001, "mine")
        return told

    assert both(talk) == "TEXT"
    for client in fastapi.clients:
        eventually(
            lambda client=client: all(entry in client.get("/sockets/left").json()["left"] for entry in (["iterated"], ["echo", 4001])),
            "the application hears of it",
        )


def test_several_clients_talk_to_each_other(fastapi: Twins, both: Callable[[Talk], Any]) -> None:
    def talk(server: str) -> Any:
        with talk_to(server, "/sockets/room/a") as a:
            told = [a.recv(timeout=20)]
            with talk_to(server, "/sockets/room/b") as b:
                told.append(b.recv(timeout=20))
                a.send("hello")
                told += [a.recv(timeout=20), b.recv(timeout=20)]
                b.send("you")
                told += [a.recv(timeout=20), b.recv(timeout=20)]
        return told

    assert both(talk) == ["1 here", "2 here", "a: hello", "a: hello", "b: you", "b: you"]
    for client in fastapi.clients:
        eventually(lambda client=client: client.get("/sockets/left").json()["room"] == 0, "all have left the room")


def test_clients_that_vanish(fastapi: Twins) -> None:
    server = fastapi.isthmus
    isolates = sorted(server.pids().isolates)

    def vanish(_: int) -> None:
        connection = socket.create_connection(server.address, timeout=20)
        handshake = "GET /sockets/room/x HTTP/1.1\nhost: example.test\nupgrade: websocket\nconnection: upgrade\n"
        handshake += "sec-websocket-version: 13\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\n\n"
        connection.sendall(handshake.replace("\n", "\r\n").encode())
        received = b""
        while b" here" not in received:
            received += connection.recv(4096)
        connection.close()

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(vanish, range(50)))
    eventually(
        lambda: server.get("/sockets/left", headers={"host": HOST}).json()["room"] == 0, "all have left the room", 20
    )
    assert sorted(server.pids().isolates) == isolates


def test_what_no_application_answers(fastapi: Twins) -> None:
    """The adapter accepts before it asks the application, which uvicorn does not: here it is closed, there refused."""
    with talk_to(fastapi.isthmus.url, "/sockets/nowhere") as client:
        assert end(client)[:2] == ([], 1000)
    with pytest.raises(InvalidStatus) as refused, talk_to(fastapi.peer.url, "/sockets/nowhere"):
        pass
    assert refused.value.response.status_code == 403
