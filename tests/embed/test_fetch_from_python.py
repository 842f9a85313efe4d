"""`fetch()` in plain CPython: through a process of its own, on whatever loop runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.interpreter import PYTHON, python
from harness.origin import Origin

HERE = """
import asyncio, os, signal, sys, time
from pyodide.ffi import JsException, to_js
from pyodide.http import pyfetch

def companions(of=None):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().split(b"\\0")
        except OSError:
            continue
        if len(words) > 2 and words[-3].endswith(b"companion.py") and words[-2] == str(of or os.getpid()).encode():
            found.append(int(pid))
    return found

def running(process):  # its sockets are closed when the last of its threads has ended
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z" or len(os.listdir(f"/proc/{process}/task")) > 1
    except OSError:
        return False

keep = run_js("(url) => { globalThis.kept = fetch(url); kept.catch(() => {}); }")

async def fails(kind, part, awaitable):
    try:
        await awaitable
    except JsException as error:
        assert error.name == kind and part in error.message, repr(error)
    else:
        raise AssertionError(f"no {kind}")
"""


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin() as origin:
        yield origin


@pytest.fixture
def fetching(on_loop, origin: Origin) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the lines of an `async def main()` on a loop; ORIGIN is the server's address."""

    def run(lines: str, after: str = "run(main())", *flags: str) -> subprocess.CompletedProcess[str]:
        body = "\n".join("    " + line for line in lines.strip("\n").splitlines())
        return on_loop(f"{HERE}\nORIGIN = {origin.url!r}\nasync def main():\n{body}\n{after}\n", *flags)

    return run


def ended(process: int) -> bool:
    """Waits for the end of a process that is no child of ours."""
    for _ in range(500):
        try:
            with open(f"/proc/{process}/stat") as file:
                if file.read().rpartition(")")[2].split()[0] == "Z":
                    return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


def test_requests_and_answers(fetching) -> None:
    fetching(
        """
told = await (await js.fetch(ORIGIN + "/echo?a=1")).json()
assert told.method == "GET" and told.length == 0
response = await pyfetch(ORIGIN + "/echo", method="POST", body="a body", headers={"x-mine": "7"})
told = await response.json()
assert response.status == 200 and response.ok
assert told["method"] == "POST" and told["body"] == "a body" and ["x-mine", "7"] in told["headers"]
assert (await js.fetch(ORIGIN + "/status?status=404")).status == 404
response = await js.fetch(ORIGIN + "/redirect?to=/text?text=there")
assert response.redirected and await response.text() == "there"
assert await (await js.fetch(ORIGIN + "/coded?name=gzip&coding=gzip")).text() == "hello " * 1000
assert await (await js.fetch("data:,here")).text() == "here"
""",
        "run(main())",
        "-X",
        "dev",
    )


def test_bodies_stream_both_ways(fetching) -> None:
    fetching(
        """
size = 5_000_000
response = await js.fetch(ORIGIN + f"/large?length={size}")
reader, sizes = response.body.getReader(), []
while not (piece := await reader.read()).done:
    sizes.append(piece.value.byteLength)
assert sum(sizes) == size and len(sizes) > 10
up = run_js('''(size) => { let left = size; return new ReadableStream({ pull(controller) {
    const chunk = new Uint8Array(Math.min(left, 70000)); left -= chunk.length;
    if (chunk.length) controller.enqueue(chunk); else controller.close(); } }); }''')(size)
response = await js.fetch(ORIGIN + "/count", method="POST", body=up, duplex="half")
assert await response.text() == str(size)
data = js.Uint8Array.new(size)
assert await (await js.fetch(ORIGIN + "/count", method="POST", body=data)).text() == str(size)
down = await js.fetch(ORIGIN + f"/large?length={size}")
passed_on = await js.fetch(ORIGIN + "/count", method="POST", body=down.body, duplex="half")
assert await passed_on.text() == str(size)
ticks = [bytes(chunk.to_py()) async for chunk in (await js.fetch(ORIGIN + "/ticks?count=20")).body]
assert b"".join(ticks).split() == [b"tick%d" % (number % 10) for number in range(20)]
assert len(ticks) > 2  # what comes together travels together, but what comes later isn't waited for
"""
    )


def test_an_answer_that_is_not_read_waits_where_it_is(fetching) -> None:
    fetching(
        """
response = await js.fetch(ORIGIN + "/large?length=1000000000")
reader = response.body.getReader()
await reader.read()
await asyncio.sleep(0.5)
for process in ["self", *companions()]:
    with open(f"/proc/{process}/status") as file:
        peak = next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
    assert peak < 300_000, (process, peak)
await reader.cancel()
assert await (await js.fetch(ORIGIN + "/text")).text() == "text"
"""
    )


def test_failures(fetching, origin: Origin) -> None:
    fetching(
        """
await fails("TypeError", "Network connection lost", js.fetch("http://127.0.0.1:1/"))
await fails("TypeError", "DNS lookup failed", js.fetch("http://no-such-name.invalid/"))
await fails("TypeError", "", js.fetch("relative"))
await fails("TypeError", "not valid HTTP", js.fetch(ORIGIN + "/garbage"))
await fails("TypeError", "Network connection lost", js.fetch(ORIGIN + "/reset"))
await fails("TypeError", "Network connection lost", (await js.fetch(ORIGIN + "/short")).text())
controller = js.AbortController.new()
pending = asyncio.ensure_future(js.fetch(ORIGIN + "/silent", signal=controller.signal))
await asyncio.sleep(0.2)
controller.abort()
await fails("AbortError", "aborted", pending)
controller = js.AbortController.new()
response = await js.fetch(ORIGIN + "/stalled", signal=controller.signal)
controller.abort()
await fails("AbortError", "aborted", response.text())
await fails("TimeoutError", "", js.fetch(ORIGIN + "/silent", signal=js.AbortSignal.timeout(50)))
await asyncio.sleep(0.2)
"""
    )
    for _ in range(100):
        if origin.given_up == 3:
            break
        time.sleep(0.05)
    assert origin.given_up == 3


def test_many_at_once(fetching) -> None:
    fetching(
        """
async def one(number):
    response = await js.fetch(ORIGIN + f"/text?text={number}")
    return int(await response.text())
assert await asyncio.gather(*(one(number) for number in range(300))) == list(range(300))
assert len(companions()) == 1
"""
    )


def test_loops_one_after_another(fetching) -> None:
    fetching(
        """
assert await (await js.fetch(ORIGIN + "/text?text=again")).text() == "again"
""",
        """
for _ in range(3):
    run(main())

async def begin():
    keep(ORIGIN + "/ticks?count=5")

async def end():
    assert (await (await js.kept).text()).count("tick") == 5

run(begin())
run(end())

# Two loops that take turns: neither keeps the answer from the other.
first, second = new_loop(), new_loop()
first.run_until_complete(begin())
task = first.create_task(end())
second.run_until_complete(main())
first.run_until_complete(task)
first.close()
second.run_until_complete(main())
second.close()

assert run_sync(run_sync(js.fetch(ORIGIN + "/text?text=alone")).text()) == "alone"
""",
    )


def test_the_companion_is_no_child_and_can_be_replaced(fetching) -> None:
    fetching(
        """
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
await js.fetch(ORIGIN + "/text")
try:
    os.wait()
except ChildProcessError:
    pass
for _ in range(2):
    [companion] = companions()
    pending = asyncio.ensure_future(js.fetch(ORIGIN + "/silent"))
    stalled = await js.fetch(ORIGIN + "/stalled")
    await asyncio.sleep(0.05)
    os.kill(companion, signal.SIGKILL)
    await fails("TypeError", "Network connection lost", pending)
    await fails("TypeError", "Network connection lost", stalled.text())
    assert await (await js.fetch(ORIGIN + "/text")).text() == "text"
[companion] = companions()
os.kill(companion, signal.SIGKILL)
while running(companion):
    await asyncio.sleep(0.01)
assert await (await js.fetch(ORIGIN + "/text")).text() == "text"
"""
    )


def test_forks_have_their_own(fetching) -> None:
    fetching(
        """
pending = asyncio.ensure_future(js.fetch(ORIGIN + "/ticks?count=20"))
answer = await pending
keep(ORIGIN + "/silent")
mine = companions()
if (pid := os.fork()) == 0:
    code = 1
    try:
        async def child():
            assert await (await js.fetch(ORIGIN + "/text")).text() == "text"
            await fails("TypeError", "Network connection lost", js.kept)
            assert len(companions()) == 1 and companions() != mine
        run(child())
        code = 0
    finally:
        os._exit(code)
assert os.waitpid(pid, 0)[1] == 0
assert (await answer.text()).count("tick") == 20
assert companions() == mine
while companions(pid):
    await asyncio.sleep(0.01)
"""
    )


UNDER_WAY = {
    "returns": "",
    "sys.exit": "sys.exit(0)",
    "the loop stays open": "asyncio.get_running_loop().close = lambda: None",
    "an upload": """
js.kept = js.fetch(ORIGIN + "/silent", method="POST", body=run_js(
    "new ReadableStream({ pull(c) { c.enqueue(new Uint8Array(100000)); } })"), duplex="half")
await asyncio.sleep(0.05)
""",
    "a body": "js.kept = await js.fetch(ORIGIN + '/large?length=100000000')\njs.kept.text()\nawait asyncio.sleep(0.02)",
    "os._exit": "os._exit(0)",
}


@pytest.mark.parametrize("how", UNDER_WAY)
def test_the_end_with_requests_under_way(fetching, how: str) -> None:
    result = fetching(
        f"""
js.silent = js.fetch(ORIGIN + "/silent")
js.fetch(ORIGIN + "/ticks?count=1000")
await asyncio.sleep(0.2)
print(*companions(), flush=True)
{UNDER_WAY[how]}
""",
        "run(main())",
        "-X",
        "dev",
    )
    companion = int(result.stdout)
    assert ended(companion)


KILLED = """
import ctypes
async def run_on():
    await js.fetch(ORIGIN + "/text")
    libc = ctypes.CDLL(None)
    # A fork that Python doesn't know of keeps the connection open.
    if libc.fork() == 0:
        libc.sleep(30)
        libc._exit(0)
    js.pending = js.fetch(ORIGIN + "/silent")
    print(*companions(), flush=True)
    await asyncio.sleep(60)
asyncio.run(run_on())
"""


def test_the_companion_does_not_outlive_a_program_that_is_killed(origin: Origin, tmp_path: Path) -> None:
    source = f"import isthmus\nisthmus.install()\nimport js\nfrom pyodide.code import run_js\n{HERE}\nORIGIN = {origin.url!r}\n{KILLED}"
    (tmp_path / "killed.py").write_text(source)
    process = subprocess.Popen(
        [sys.executable, "killed.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(PYTHON)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        assert process.stdout is not None
        companion = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert ended(companion)
        os.killpg(process.pid, signal.SIGKILL)


def test_without_an_interpreter_to_start_it_says_so(fetching) -> None:
    fetching(
        """
sys.executable = ""
await fails("Error", "sys.executable doesn't say", js.fetch(ORIGIN + "/text"))
sys.executable = "/nonexistent/python"
await fails("Error", "No such file", js.fetch(ORIGIN + "/text"))
sys.executable = "/bin/false"
await fails("TypeError", "Network connection lost", js.fetch(ORIGIN + "/text"))
"""
    )


ASYNCIO_TESTS = """
import asyncio, os
import js
import pytest
from pyodide.code import run_js

ORIGIN = os.environ["ORIGIN"]

@pytest.mark.asyncio
@pytest.mark.parametrize("number", range(3))
async def test_each_on_a_loop_of_its_own(number):
    assert await (await js.fetch(f"{ORIGIN}/text?text={number}")).text() == str(number)

@pytest.mark.asyncio
async def test_leaves_one_under_way():
    run_js("(url) => { globalThis.kept = fetch(url); }")(ORIGIN + "/ticks?count=3")

@pytest.mark.asyncio
async def test_takes_it_up():
    assert (await (await js.kept).text()).count("tick") == 3
"""


def test_under_pytest_asyncio(origin: Origin, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("import isthmus\nisthmus.install(root=__file__.rpartition('/')[0])\n")
    (tmp_path / "test_users.py").write_text(ASYNCIO_TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\nasyncio_default_fixture_loop_scope = function\n")
    result = python("-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=tmp_path, ORIGIN=origin.url)
    assert result.returncode == 0, result.stdout + result.stderr


def test_isthmus_run(origin: Origin, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(
        "import asyncio, js, sys\n"
        "async def main():\n    print(await (await js.fetch(sys.argv[1])).text())\n"
        "asyncio.run(main())\n"
    )
    result = python("-m", "isthmus", "run", "script.py", origin.url + "/text?text=run", cwd=tmp_path)
    assert (result.stdout, result.stderr, result.returncode) == ("run\n", "", 0)
