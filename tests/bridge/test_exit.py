"""An interpreter that ends with the engine alive, whatever lives, ends in order."""

from __future__ import annotations

import pytest
from fresh import run_script

MANY = """
import fresh, sys, threading, asyncio, time, atexit, gc, weakref
fresh.start()
ffi, run_js = fresh.ffi, fresh.run_js

class Cyclic:
    pass

def fill(into):
    into.append(run_js("({})"))
    into.append(run_js("[1, {}, [2]]"))
    into.append(iter(run_js("[1, 2, 3]")))
    into.append(run_js("(function* () { yield 1; })()"))
    into.append(run_js("() => new Promise(() => {})")())
    into.append(run_js("Symbol('s')"))
    into.append(run_js("new Uint8Array(1000)"))
    into.append(run_js("new Map([[1, {}]])").keys())
    into.append(ffi.create_proxy(into))
    into.append(ffi.create_once_callable(lambda: into))
    into.append(ffi.to_js([1, {"a": [2]}, into[0]]))
    into.append(ffi.JsException("Error", "text"))
    cyclic = Cyclic()
    cyclic.self, cyclic.proxy = cyclic, ffi.create_proxy(cyclic)
    into.append(run_js("globalThis").setTimeout)
    into.append(weakref.ref(into[0], lambda _: None))
    keep = run_js("(o) => { globalThis.kept = [...(globalThis.kept ?? []), o, o.proxy, () => o]; }")
    keep(ffi.create_proxy(cyclic))
    try:
        run_js("throw new Error('kept')")
    except Exception as error:
        into.append(error)
    run_js("(v) => { new FinalizationRegistry(() => {}).register({}, v); }")(into[0])
    run_js("Promise.reject(new Error('nobody')).catch(() => {})")
    buffer = ffi.create_proxy(bytearray(100)).getBuffer()
    into.append(buffer)

alive = []
for _ in range(20):
    fill(alive)
"""


@pytest.mark.parametrize("debugging", ["", "PYTHONDEVMODE", "PYTHONMALLOC"])
@pytest.mark.parametrize(
    "end",
    [
        "",
        "sys.exit(0)",
        "del alive, fresh.ffi, fresh.run_js",
        "del fresh.iso",
        "alive.append(alive); del alive; gc.collect()",
        "sys.modules['alive'] = alive; sys.last_value = alive[0]",
        "atexit.register(lambda: run_js('1 + 1'))",
        "atexit.register(fill, [])",
        "class Late:\n    def __del__(self):\n        run_js and run_js('({})')\nalive.append(Late()); ffi.create_proxy(alive[-1])",
        "import builtins; builtins.kept = alive",
        "threading.Thread(target=alive.clear).start()",
        "threading.Thread(target=time.sleep, args=(10,), daemon=True).start()",
        "threading.Thread(target=lambda: [repr(x) for x in alive for _ in range(1000)], daemon=True).start()",
        "threading.Thread(target=lambda: [alive.pop() for _ in range(100)] and time.sleep(0.2)).start()",
        "async def never():\n    await alive[4]\nasync def main():\n    tasks.append(asyncio.ensure_future(never()))\n"
        "    await asyncio.sleep(0.01)\ntasks = []\nfresh.run(main())",
        "from isthmus._runtime.loop import IsolateLoop\nloop = IsolateLoop(fresh.iso)\n"
        "async def main():\n    alive.append(asyncio.ensure_future(asyncio.sleep(100)))\nloop.run_until_complete(main())",
        "import os\nif os.fork() == 0:\n    run_js('1 + 1'); del alive; gc.collect(); sys.exit(0)\nassert os.wait()[1] == 0",
        "import os\ndef fork():\n    if os.fork() == 0:\n        sys.exit(0)\n    assert os.wait()[1] == 0\n"
        "thread = threading.Thread(target=fork); thread.start(); thread.join()",
    ],
)
def test_ends_in_order(end: str, debugging: str) -> None:
    environment = {debugging: "debug"} if debugging else {}
    result = run_script(MANY + end, PYTHONWARNINGS="ignore::ResourceWarning,ignore::DeprecationWarning", **environment)
    assert result.returncode == 0, f"{result.returncode}\n{result.stdout}\n{result.stderr}"
    for word in ("Fatal", "panicked", "SystemError", "Assertion"):
        assert word not in result.stderr


def test_an_uncaught_javascript_error_is_shown() -> None:
    result = run_script(MANY + "run_js('(function named() { throw new TypeError(\"shown\"); })()')")
    assert result.returncode == 1
    assert "shown" in result.stderr and "TypeError" in result.stderr


@pytest.mark.parametrize("size", [512 * 1024, 2 * 1024 * 1024])
def test_recursion_on_a_small_stack_is_an_error(size: int) -> None:
    result = run_script(
        f"""
import threading, fresh
threading.stack_size({size})

def work():
    fresh.start()
    for source in ("(function f() {{ return 1 + f(); }})()", "JSON.parse('['.repeat(1e6))"):
        try:
            fresh.run_js(source)
        except fresh.ffi.JsException as error:
            print(error)
    there = fresh.run_js("(f) => f()")
    def back():
        return there(back)
    try:
        back()
    except (RecursionError, fresh.ffi.JsException):
        print("ended")

thread = threading.Thread(target=work)
thread.start()
thread.join()
"""
    )
    assert result.returncode == 0, f"{result.returncode}\n{result.stdout}\n{result.stderr}"
    assert "stack" in result.stdout and "ended" in result.stdout
