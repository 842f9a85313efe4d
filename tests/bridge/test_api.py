"""JavaScript's `pyodide` object, modules of JavaScript and the standard streams: as the reference's recorded answers."""

from __future__ import annotations

from typing import Any

import fresh
import pytest
from fresh import in_fresh_process
from recorded_cases import load

# Where we differ on purpose.
OWN = {
    # There what cannot change is an instance too.
    "instances of mutable sequences": "js [true, false, false]",
    # There it goes on to be raised after it was caught.
    "interrupt a Python loop": "int -1",
    # There the attributes that modules have can't be set on the proxy of a symbol.
    "register symbol": "str 'mg4'",
    # There a line begun is lost when the stream changes, here the function gets it.
    "batched partial line": 'list(int 0, js ["x"])',
    "write fsync at change": "list(int 0, bool True)",
    # There the decoder takes what is no UTF-8 for something else.
    "batched bytes": 'js ["a\ufffdb"]',
    # There the proxy is destroyed with the call that passed it.
    "Python function": "list(str 'a', str 'b')",
    "Python function from Python": "list(str 'a')",
    "stdin Python function": "str 'from Python'",
    # The very exception, as after `runPython`.
    "runPythonAsync raises in Python": "raises ZeroDivisionError: division by zero",
}

CASES = [pytest.param(*case, id=f"{name}: {case[0]}") for name in ("api", "modules", "streams") for case in load(name)]


async def outcome(case: Any, source: str) -> str:
    """The outcome of a case, which may await."""
    answer = case.outcome(source)
    return answer if isinstance(answer, str) else await answer


@pytest.mark.parametrize(("label", "source", "expected"), CASES)
def test_recorded(case: Any, awaiting: Any, label: str, source: str, expected: str) -> None:
    assert awaiting(outcome(case, source)) == OWN.get(label, expected), label


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ("pyodide.unpackArchive(new Uint8Array(1), 'zip')", "shutil.unpack_archive"),
        ("pyodide.mountNodeFS('/a', '/b')", "own file system"),
        ("pyodide.makeMemorySnapshot()", "forked"),
        ("await pyodide.loadPackage('numpy')", "pip"),
        ("await pyodide.loadPackagesFromImports('import numpy')", "pip"),
        ("await pyodide.mountNativeFS('/a', {})", "own file system"),
        ("await pyodide.useNodeSockFS()", "own sockets"),
    ],
)
def test_what_has_no_meaning_says_so(awaiting: Any, call: str, text: str) -> None:
    from pyodide.code import run_js
    from pyodide.ffi import JsException

    async def called() -> None:
        await run_js(f"(async () => {{ {call} }})()")

    with pytest.raises(JsException, match=rf"pyodide\.\w+\(\) is not available here: .*{text}"):
        awaiting(called())


def test_what_is_not_there_is_undefined(awaiting: Any) -> None:
    from pyodide.code import run_js

    names = "FS", "PATH", "ERRNO_CODES", "canvas", "loadedPackages", "lockfile", "_module"
    assert [run_js(f"typeof pyodide.{name}") for name in names] == ["undefined"] * len(names)
    assert run_js("Object.getOwnPropertyDescriptor(globalThis, 'pyodide').enumerable"), "the fixture's own"


def test_options_stay_as_they_are(awaiting: Any) -> None:
    from pyodide.code import run_js

    assert run_js("(o) => pyodide.runPython('1', o)")(run_js("globalThis.frozen = Object.freeze({})")) == 1
    assert run_js("Object.keys(frozen).length") == 0


def test_interrupt_buffers(awaiting: Any) -> None:
    from pyodide.code import run_js
    from pyodide.ffi import JsException

    for wrong in ("{}", "new ArrayBuffer(1)", "5", "new DataView(new ArrayBuffer(1))", "'x'"):
        with pytest.raises(JsException, match="must be a typed array"):
            run_js(f"pyodide.setInterruptBuffer({wrong})")
    run_js("pyodide.setInterruptBuffer(new Uint8Array(0))")
    run_js("pyodide.checkInterrupt()")
    run_js("globalThis.signals = new BigInt64Array(1); pyodide.setInterruptBuffer(signals); signals[0] = 2n ** 40n")
    run_js("pyodide.checkInterrupt()")
    assert run_js("signals[0]") == 0
    with pytest.raises(KeyboardInterrupt):
        run_js("signals[0] = 2n")  # the call that writes it ends with the signal
        pytest.fail("nothing was raised")
    run_js("pyodide.setInterruptBuffer(signals); signals.buffer.transfer?.()")
    run_js("pyodide.checkInterrupt()")
    run_js("pyodide.setInterruptBuffer(null)")


@in_fresh_process
def test_made_when_first_imported() -> None:
    import sys

    from _pyodide._importhook import jsfinder

    assert "pyodide_js" not in jsfinder.jsproxies
    assert "isthmus._runtime.streams" not in sys.modules
    before = fresh.run_js("Object.keys(globalThis)").to_py()
    import pyodide_js

    assert jsfinder.jsproxies["pyodide_js"] is pyodide_js
    assert fresh.run_js("Object.keys(globalThis)").to_py() == before
    assert fresh.run_js("typeof pyodide") == "undefined"


@in_fresh_process
def test_unregistered_before_it_was_made() -> None:
    from pyodide.ffi import unregister_js_module

    unregister_js_module("pyodide_js")
    with pytest.raises(ModuleNotFoundError):
        import pyodide_js  # noqa: F401
    with pytest.raises(ValueError, match="no Javascript module with that name is registered"):
        unregister_js_module("pyodide_js")


@in_fresh_process
def test_streams_of_other_threads() -> None:
    """JavaScript belongs to one thread: what others write goes where it went before."""
    import io
    import sys
    import threading

    import pyodide_js

    before = sys.stdout = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    lines = fresh.run_js("globalThis.lines = []")
    pyodide_js.setStdout(batched=fresh.run_js("(line) => { lines.push(line) }"))
    thread = threading.Thread(target=print, args=("from a thread",))
    thread.start()
    thread.join()
    print("from home")
    assert lines.to_py() == ["from home"]
    assert before.buffer.getvalue() == b"from a thread\n"
    pyodide_js.setStdout()
    assert sys.stdout is before
    print("again", flush=True)
    assert before.buffer.getvalue().endswith(b"again\n")


@in_fresh_process
def test_streams_replaced_by_the_program_stay() -> None:
    import io
    import sys

    import pyodide_js

    pyodide_js.setStdout(batched=fresh.run_js("() => {}"))
    mine = sys.stdout = io.StringIO()
    pyodide_js.setStdout()
    assert sys.stdout is mine
    sys.stdout = sys.__stdout__


def test_streams_at_the_interpreters_end() -> None:
    """What waits for its newline is delivered, and the end is in order though the function fails."""
    for function, said in (("(line) => { print(line) }", "half a line"), ("() => { throw new Error('no') }", "")):
        source = f"""
import fresh, sys
fresh.start()
import pyodide_js
original = sys.stdout
fresh.run_js("globalThis").print = fresh.ffi.create_proxy(lambda text: original.write(text))
pyodide_js.setStdout(batched=fresh.run_js({function!r}))
print("half a line", end="")
"""
        result = fresh.run_script(source)
        assert (result.returncode, result.stdout, result.stderr) == (0, said, "")


@in_fresh_process
def test_a_failing_stream_can_be_replaced() -> None:
    import sys

    import pyodide_js

    pyodide_js.setStdout(write=fresh.run_js("() => { throw new Error('no') }"))
    with pytest.raises(OSError):
        print("lost")
    lines = fresh.run_js("globalThis.lines = []")
    pyodide_js.setStdout(batched=fresh.run_js("(line) => { lines.push(line) }"))
    print("kept")
    assert lines.to_py()[-1] == "kept"
    with pytest.raises(OSError):
        sys.stdout.fileno()
    pyodide_js.setStdout()
