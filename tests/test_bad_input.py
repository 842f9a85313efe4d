"""Bad input in `isthmus dev`: the spec's error with the spec's type, whatever comes from the network or the Worker itself; never a hang, never a leak."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from harness.bad_input import ANSWERS, EXPRESSIONS, LOST, STALLS, bad_peer
from harness.processes import eventually, resident_bytes
from harness.raw_peer import RawPeer, Then
from harness.server import Server

WORKER = '''
    import asyncio
    import json

    import js
    from js import fetch as js_fetch
    from pyodide.code import run_js
    from pyodide.ffi import JsException
    from pyodide.http import AbortError, pyfetch
    from workers import Response, WorkerEntrypoint, fetch


    async def outcome(url, options):
        if "timeout" in options:
            options = {"signal": js.AbortSignal.timeout(options["timeout"])}
        try:
            response = await js_fetch(url, **options)
            return f"{response.status} {await response.text()}"
        except JsException as error:
            return f"{error.name}: {error.message}"


    async def other_ways(url):
        """What the SDK's function and Pyodide's own make of it."""
        errors = []
        for function in (fetch, pyfetch):
            try:
                response = await function(url)
                await response.text()
            except AbortError as error:
                errors.append(str(error))
        return errors


    class Default(WorkerEntrypoint):
        async def fetch(self, request):
            told = json.loads(await request.text())
            if "code" in told:
                function = run_js("(async (told) => {" + told["code"] + "})")
                return Response(await function(json.dumps(told)))
            if "ways" in told:
                return Response.json(await asyncio.gather(*map(other_ways, told["ways"])))
            outcomes = await asyncio.gather(*(outcome(url, told.get("options", {})) for url in told["urls"]))
            return Response.json(outcomes)
'''

OUTCOMES = """
    const { urls, options = {}, times = 1 } = JSON.parse(told);
    const outcome = async (url) => {
        const signal = options.timeout === undefined ? undefined : AbortSignal.timeout(options.timeout);
        try {
            const response = await fetch(url, { signal });
            return `${response.status} ${await response.text()}`;
        } catch (error) {
            return `${error.name}: ${error.message}`;
        }
    };
    let outcomes;
    for (let round = 0; round < times; round++) outcomes = await Promise.all(urls.map(outcome));
    return JSON.stringify(outcomes);
"""

ERRORS = """
    const errors = [];
    for (const expression of JSON.parse(told).expressions) {
        try {
            errors.push("none, but " + await (0, eval)(`(async () => (${expression}))`)());
        } catch (error) {
            errors.push(error.name);
        }
    }
    return JSON.stringify(errors);
"""


@pytest.fixture
def peer() -> Iterator[RawPeer]:
    with bad_peer() as peer:
        yield peer


@pytest.fixture
def server(make_worker: Callable[..., Path], serve: Callable[..., Server]) -> Server:
    return serve(make_worker(WORKER), environment={"ISTHMUS_FETCH_TIMEOUT": "1"})


def ask(server: Server, **told: Any) -> Any:
    return server.post("/", content=json.dumps(told)).raise_for_status().json()


def urls(peer: RawPeer, names: Any) -> list[str]:
    return [f"{peer.url}/{name}" for name in names]


@pytest.mark.parametrize("language", [{"code": OUTCOMES}, {}], ids=["javascript", "python"])
def test_answers_that_are_wrong(server: Server, peer: RawPeer, language: dict[str, str]) -> None:
    outcomes = ask(server, urls=urls(peer, ANSWERS), **language)
    assert dict(zip(ANSWERS, outcomes, strict=True)) == {name: answer.outcome for name, answer in ANSWERS.items()}
    eventually(lambda: peer.open == 0, "no connection is left")


@pytest.mark.parametrize("language", [{"code": OUTCOMES}, {}], ids=["javascript", "python"])
def test_servers_that_stall(server: Server, peer: RawPeer, language: dict[str, str]) -> None:
    lost = ask(server, urls=urls(peer, STALLS), **language)
    assert dict(zip(STALLS, lost, strict=True)) == dict.fromkeys(STALLS, LOST)
    eventually(lambda: peer.open == 0, "no connection is left")
    aborted = ask(server, urls=urls(peer, STALLS), options={"timeout": 50}, **language)
    assert aborted == ["TimeoutError: The operation was aborted due to timeout"] * len(STALLS)
    eventually(lambda: peer.open == 0, "no connection is left")


def test_python_has_errors_of_its_own(server: Server, peer: RawPeer) -> None:
    names = ["closes-at-once", "closes-in-body", "gzip-cut"]
    told = ask(server, ways=urls(peer, names))
    assert told == [[ANSWERS[name].outcome.partition(": ")[2]] * 2 for name in names]


def test_uploads_that_nobody_wants(server: Server, peer: RawPeer) -> None:
    head = b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno"
    peer.scripts |= {"answers-early": [head, Then.WAIT], "answers-and-closes": [head, Then.CLOSE]}
    upload = """
        const { url, kind } = JSON.parse(told), controller = new AbortController();
        let pulls = 0, cancelled;
        const ended = new Promise((resolve) => { cancelled = resolve; });
        const body = new ReadableStream({
            async pull(c) {
                if (++pulls > 3 && kind === "fails") throw new RangeError("own");
                if (pulls > 3 && kind === "stalls") return new Promise(() => {});
                c.enqueue(kind === "text" ? "text" : new Uint8Array(10000));
                await scheduler.wait(1);
            },
            cancel: cancelled,
        });
        let outcome;
        try {
            const response = await fetch(url, { method: "POST", body, signal: controller.signal });
            outcome = `${response.status} ${await response.text()}`;
            controller.abort();
            await ended;
        } catch (error) {
            outcome = `${error.name}: ${error.message}`;
        }
        return JSON.stringify(outcome);
    """

    def outcome(name: str, kind: str) -> str:
        return ask(server, code=upload, url=f"{peer.url}/{name}", kind=kind)

    assert outcome("answers-early", "endless") == "413 no"
    assert outcome("answers-early", "stalls") == "413 no"
    assert outcome("answers-and-closes", "endless") == "413 no"
    assert outcome("closes-at-once", "endless") == LOST
    assert outcome("resets-at-once", "stalls") == LOST
    assert outcome("silent", "stalls") == LOST
    unread = "TypeError: The body of the request could not be read."
    assert outcome("silent", "fails") == unread
    assert outcome("silent", "text") == unread
    eventually(lambda: peer.open == 0, "no connection is left")


def test_arguments_that_are_wrong(server: Server) -> None:
    errors = ask(server, code=ERRORS, expressions=list(EXPRESSIONS))
    assert dict(zip(EXPRESSIONS, errors, strict=True)) == EXPRESSIONS


def test_errors_leave_nothing_behind(server: Server, peer: RawPeer) -> None:
    host, isolate = server.host_pid, server.pids().isolates[0]

    def go_wrong(times: int) -> None:
        ask(server, code=OUTCOMES, urls=urls(peer, ANSWERS), times=times)
        ask(server, code=OUTCOMES, urls=urls(peer, STALLS), times=times, options={"timeout": 20})
        ask(server, code=ERRORS, expressions=list(EXPRESSIONS) * times)
        for _ in range(times):
            ask(server, urls=urls(peer, ANSWERS))
        eventually(lambda: peer.open == 0, "no connection is left")

    def held() -> list[int]:
        return [resident_bytes(host), resident_bytes(isolate), len(list(Path(f"/proc/{host}/fd").iterdir()))]

    go_wrong(3)
    before = held()
    # Thousands of failures.
    go_wrong(20)
    after = held()
    assert server.pids().isolates[0] == isolate
    assert after[0] - before[0] < 8 << 20
    assert after[1] - before[1] < 8 << 20
    assert after[2] - before[2] < 8
