"""The interpreter ends in order whatever is still alive: right exit code, nothing printed. And forks, and subprocesses."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.interpreter import python

ALIVE = """\
import asyncio, atexit, gc, os, signal, sys, threading, time, weakref
import isthmus
isthmus.install()
import js, pyodide_js
from pyodide.code import run_js
from pyodide.ffi import JsException, create_once_callable, create_proxy, run_sync, to_js
from pyodide.ffi.wrappers import set_interval

class Cyclic:
    pass

def fill(into):
    into.append(run_js("({})"))
    into.append(run_js("[1, {}, [2]]"))
    into.append(iter(run_js("[1, 2, 3]")))
    generator = run_js("(function* () { yield 1; yield 2; })()")
    next(generator)
    into.append(generator)
    into.append(run_js("() => new Promise(() => {})")())
    into.append(run_js("(async function* () { yield 1; })()"))
    into.append(run_js("new Uint8Array(1000)"))
    into.append(run_js("new Map([[1, {}]])").keys())
    into.append(create_proxy(into))
    into.append(create_once_callable(lambda: into))
    into.append(to_js([1, {"a": [2]}, into[0]]))
    cyclic = Cyclic()
    cyclic.self, cyclic.proxy, cyclic.object = cyclic, create_proxy(cyclic), run_js("({})")
    cyclic.object.back = cyclic
    into.append(weakref.ref(into[0], lambda _: None))
    run_js("(o) => { globalThis.kept = [...(globalThis.kept ?? []), o, o.proxy, () => o]; }")(create_proxy(cyclic))
    try:
        run_js("throw new Error('kept')")
    except Exception as error:
        into.append(error)
    try:
        run_js("(f) => f()")(lambda: 1 / 0)
    except ZeroDivisionError as error:
        into.append(error)
    run_js("(v) => { new FinalizationRegistry(() => {}).register({}, v); }")(into[0])
    run_js("Promise.reject(new Error('nobody')).catch(() => {})")
    set_interval(lambda: None, 1)
    run_js("void setTimeout(() => {}, 1000)")
    into.append(create_proxy(bytearray(100)).getBuffer())
    into.append((proxy for proxy in [run_js("({})")] * 3))
    next(into[-1])
    async def half():
        yield run_js("({})")
        await run_js("new Promise(() => {})")
    into.append(half())

alive = []
for _ in range(5):
    fill(alive)
"""

ENDS = {
    "nothing more": "",
    "sys.exit": "sys.exit(0)",
    "names are gone": "del js, run_js, pyodide_js",
    "all is a cycle": "alive.append(alive); del alive; gc.collect()",
    "in sys": "sys.modules['alive'] = alive; sys.last_value = alive[0]",
    "atexit": "atexit.register(lambda: run_js('1 + 1')); atexit.register(fill, [])",
    "finalizers": """
class Late:
    def __del__(self):
        if run_js:
            run_js("({})")
            js and js.console and js.console.log
            run_js("void Promise.resolve().then(() => {})")
alive.append(Late())
create_proxy(alive[-1])
""",
    "in builtins": "import builtins; builtins.kept = alive",
    "threads": """
threading.Thread(target=alive.clear).start()
threading.Thread(target=time.sleep, args=(10,), daemon=True).start()
threading.Thread(target=lambda: [repr(x) for x in alive for _ in range(10000)], daemon=True).start()
""",
    "a loop left open": """
loop = asyncio.new_event_loop()
async def main():
    fill(alive)
    alive.append(asyncio.ensure_future(js.Promise.new(lambda *_: None)))
    await asyncio.sleep(0.01)
loop.run_until_complete(main())
for task in asyncio.all_tasks(loop):
    task._log_destroy_pending = False
loop.close()
""",
    "a task parked in run_sync": """
loop = isthmus.loop_factory()()
async def parked():
    try:
        run_sync(js.Promise.new(lambda *_: None))
    finally:
        alive.append(run_js("({})"))
async def main():
    alive.append(asyncio.ensure_future(parked()))
    await asyncio.sleep(0.01)
loop.run_until_complete(main())
alive[-1]._log_destroy_pending = False
for task in asyncio.all_tasks(loop):
    task._log_destroy_pending = False
loop.close()
""",
    "uvloop": """
import uvloop
async def main():
    fill(alive)
    run_js("void setInterval(() => {}, 1)")
    await asyncio.sleep(0.01)
uvloop.run(main())
""",
    "loops one after another": """
async def main():
    fill(alive)
    await asyncio.sleep(0.005)
for _ in range(3):
    asyncio.run(main())
""",
    "a subprocess": """
import subprocess
process = subprocess.run([sys.executable, "-c", "import isthmus; isthmus.install(); import js; x = js.Object.new()"])
assert process.returncode == 0
""",
    "fork": """
if (pid := os.fork()) == 0:
    fill(alive)
    async def main():
        return await run_js("new Promise((resolve) => setTimeout(resolve, 1, 5))")
    assert asyncio.run(main()) == 5
    del alive
    gc.collect()
    sys.exit(0)
assert os.waitpid(pid, 0)[1] == 0
""",
    "fork on a thread": """
def fork():
    if (pid := os.fork()) == 0:
        try:
            js.Object
        except RuntimeError as error:
            assert "thread" in str(error)
            sys.exit(0)
        os._exit(3)
    assert os.waitpid(pid, 0)[1] == 0
thread = threading.Thread(target=fork)
thread.start()
thread.join()
""",
}


@pytest.mark.parametrize("flags", [(), ("-X", "dev")], ids=["plain", "dev"])
@pytest.mark.parametrize("end", list(ENDS))
def test_ends_in_order(end: str, flags: tuple[str, ...]) -> None:
    environment = {"PYTHONMALLOC": "debug"} if not flags else {}
    result = python(*flags, "-W", "ignore::DeprecationWarning", "-c", ALIVE + ENDS[end], **environment)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("end", "code", "shown"),
    [
        ("sys.exit(7)", 7, ""),
        ("sys.exit('text')", 1, "text\n"),
        ("run_js('(function named() { throw new TypeError(\"shown\"); })()')", 1, "TypeError: shown"),
        ("1 / 0", 1, "ZeroDivisionError"),
        ("atexit.register(lambda: os._exit(5))", 5, ""),
        ("os.abort()", -6, "Aborted"),
    ],
)
def test_exit_codes(end: str, code: int, shown: str) -> None:
    result = python("-c", ALIVE + end)
    assert result.returncode == code and shown in result.stderr
    for word in ("panicked", "SystemError", "Assertion"):
        assert word not in result.stderr


def test_rejections_that_nobody_handled_are_told_at_the_end(program) -> None:
    result = python(
        "-c",
        ALIVE
        + """
handled = run_js("Promise.reject(new Error('handled in time'))")
kept = run_js("Promise.reject(new Error('never handled'))")
try:
    run_sync(handled)
except JsException:
    pass
""",
    )
    assert result.returncode == 0
    assert "never handled" in result.stderr and "in time" not in result.stderr


def test_interrupts(tmp_path: Path) -> None:
    source = ALIVE + "os.kill(os.getpid(), signal.SIGINT)\nasync def main():\n    await asyncio.sleep(5)\nasyncio.run(main())"
    result = python("-c", source)
    assert result.returncode == -2 and "KeyboardInterrupt" in result.stderr


FORKS = """
import asyncio, multiprocessing, os, random, sys
import isthmus
isthmus.install()
import js
from pyodide.code import run_js
from pyodide.ffi import run_sync

def work(number):
    values = [js.Math.random(), js.crypto.randomUUID()]
    async def main():
        return await run_js(f"new Promise((resolve) => setTimeout(resolve, 1, {number}))")
    return asyncio.run(main()) + run_sync(run_js("Promise.resolve(100)")), values

def inside_a_loop():
    async def main():
        kept = run_js("new Promise((resolve) => setTimeout(resolve, 20, 'kept'))")
        if (pid := os.fork()) == 0:
            code = 1
            try:
                assert work(5)[0] == 105
                code = 0
            finally:
                os._exit(code)
        assert os.waitpid(pid, 0)[1] == 0
        assert await kept == "kept"
    asyncio.run(main())

if __name__ == "__main__":
    run_js("({})")
    method = sys.argv[1]
    with multiprocessing.get_context(method).Pool(2) as pool:
        answers = pool.map(work, range(6))
    assert [answer for answer, _ in answers] == [100 + number for number in range(6)]
    random_numbers = {str(value) for _, values in answers for value in values}
    assert len(random_numbers) == 12
    assert work(1)[0] == 101
    inside_a_loop()
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(tmp_path: Path, method: str) -> None:
    (tmp_path / "forks.py").write_text(FORKS)
    result = python("forks.py", method, cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")


def test_a_child_has_other_random_numbers(tmp_path: Path) -> None:
    source = """
import os, sys, isthmus
isthmus.install()
import js
js.Math.random()
for _ in range(3):
    if os.fork() == 0:
        print(js.Math.random(), flush=True)
        os._exit(0)
    os.wait()
print(js.Math.random())
"""
    result = python("-c", source)
    assert len(set(result.stdout.split())) == 4, result.stdout + result.stderr
