"""Bad input in plain CPython: the spec's error, with the spec's type, as a `JsException`; never a hang, never a leak."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.bad_input import ANSWERS, EXPRESSIONS, STALLS, bad_peer
from harness.processes import eventually
from harness.raw_peer import RawPeer

OUTCOME = """
import asyncio, gc
from pyodide.ffi import JsException

async def outcome(url, **options):
    try:
        response = await js.fetch(url, **options)
        return f"{response.status} {await response.text()}"
    except JsException as error:
        return f"{error.name}: {error.message}"

def resident():
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096
"""


@pytest.fixture
def peer() -> Iterator[RawPeer]:
    with bad_peer() as peer:
        yield peer


def test_answers_that_are_wrong(on_loop, peer: RawPeer) -> None:
    expected = {f"{peer.url}/{name}": answer.outcome for name, answer in ANSWERS.items()}
    on_loop(f"""{OUTCOME}
EXPECTED = {expected!r}
async def main():
    async def wrong():
        outcomes = await asyncio.gather(*map(outcome, EXPECTED))
        assert dict(zip(EXPECTED, outcomes)) == EXPECTED, outcomes
    for _ in range(3):
        await wrong()
    before = resident()
    for _ in range(20):
        await wrong()
    assert resident() - before < 8 << 20
run(main())
""")
    eventually(lambda: peer.open == 0, "no connection is left")


def test_a_signal_bounds_what_stalls(on_loop, peer: RawPeer) -> None:
    urls = [f"{peer.url}/{name}" for name in STALLS]
    on_loop(f"""{OUTCOME}
async def main():
    late = (outcome(url, signal=js.AbortSignal.timeout(50)) for url in {urls!r})
    assert set(await asyncio.gather(*late)) == {{"TimeoutError: The operation was aborted due to timeout"}}
run(main())
""")
    eventually(lambda: peer.open == 0, "no connection is left")


def test_arguments_that_are_wrong(on_loop) -> None:
    on_loop(f"""{OUTCOME}
EXPRESSIONS = {EXPRESSIONS!r}
async def main():
    async def wrong():
        errors = {{}}
        for expression in EXPRESSIONS:
            try:
                errors[expression] = "none, but " + str(await run_js(f"async () => ({{expression}})")())
            except JsException as error:
                errors[expression] = error.name
        assert errors == EXPRESSIONS, [pair for pair in errors.items() if EXPRESSIONS[pair[0]] != pair[1]]
    for _ in range(3):
        await wrong()
    before = resident()
    for _ in range(10):
        await wrong()
    assert resident() - before < 8 << 20
run(main())
""")
