"""What is read of CPython's objects at the places that member descriptors tell (`member.rs`): which functions are
coroutine functions, what an event loop's handles hold. And large blocks of memory, whose pages are asked for."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import weakref
from typing import Any

import fresh
from fresh import in_fresh_process

number: contextvars.ContextVar[int] = contextvars.ContextVar("number", default=0)


@in_fresh_process
async def test_functions_of_every_kind_are_told_apart():
    started = []

    async def coroutine(*arguments: Any) -> str:
        started.append(len(arguments))
        return "coroutine"


    class Callable:
        async def __call__(self) -> str:
            return "object"

        async def method(self) -> str:
            return "method"

    def plain() -> str:
        return "plain"

    def generator() -> Any:
        yield 1

    async def asynchronous_generator() -> Any:
        yield 1

    kind = fresh.run_js("(f) => { const made = f(); return made?.type ?? typeof made }")
    await_js = fresh.run_js("async (f) => await f()")
    for _ in range(20):
        assert kind(plain) == "string"
        assert kind(lambda: 5) == "number"
        assert kind(generator) == "generator"
        assert kind(asynchronous_generator) == "async_generator"
        for function, told in [
            (coroutine, "coroutine"),
            (functools.partial(coroutine, 1, 2), "coroutine"),
            (Callable().method, "method"),
            (Callable(), "object"),
        ]:
            assert await await_js(function) == told
    assert started == [0, 2] * 20
    # The code of a function that goes while it is asked about.
    for _ in range(50):
        namespace: dict[str, Any] = {}
        exec("async def short(): return 7", namespace)
        call = namespace.pop("short")
        waiting = await_js(call)
        del call
        assert await waiting == 7


@in_fresh_process
async def test_handles_of_every_kind_run_once_and_hold_nothing():
    loop = asyncio.get_running_loop()
    told: list[Any] = []

    class Thing:
        def __init__(self, name: str) -> None:
            self.name = name

        def __call__(self, *arguments: Any) -> None:
            told.append((self.name, *arguments, number.get()))

    gone = []

    def thing(name: str) -> Thing:
        made = Thing(name)
        gone.append(weakref.ref(made))
        return made

    context = contextvars.copy_context()
    context.run(number.set, 5)
    for _ in range(30):
        told.clear()
        loop.call_soon(thing("none"))
        loop.call_soon(thing("two"), "a", thing("argument").name)
        loop.call_soon(thing("context"), context=context)
        loop.call_soon(thing("cancelled")).cancel()
        loop.call_later(0, thing("later"), 1)
        loop.call_later(1000, thing("never")).cancel()
        loop.call_soon_threadsafe(thing("thread"))
        # One that cancels the next, and one that cancels itself.
        handles: list[asyncio.Handle] = []
        loop.call_soon(lambda: handles[0].cancel())  # noqa: B023
        handles.append(loop.call_soon(thing("cancelled late")))
        handles.append(loop.call_soon(lambda: handles[1].cancel()))  # noqa: B023
        handle = asyncio.Handle(thing("made by hand"), (2,), loop)
        loop._ready.append(handle)  # type: ignore[attr-defined]
        del handle
        while len(told) < 6:
            await asyncio.sleep(0)
        names = sorted(entry[0] for entry in told)
        assert names == ["context", "later", "made by hand", "none", "thread", "two"], told
        assert ("two", "a", "argument", 0) in told and ("context", 5) in told and ("made by hand", 2, 0) in told
        handles.clear()
    await asyncio.sleep(0)
    gc.collect()
    assert [ref().name for ref in gone if ref() is not None] == []


@in_fresh_process
async def test_large_blocks_are_whole_at_every_length():
    large = 4 << 20
    page = 4096
    for length in (large - 17, large - 1, large, large + 1, large + page - 16, (6 << 20) - 16, (6 << 20) - 15, 6 << 20):
        content = bytes(range(251)) * (length // 251 + 1)
        content = content[:length]
        ends = fresh.run_js("(bytes) => [bytes.length, bytes[0], bytes[bytes.length - 1]]")
        typed = fresh.run_js("(bytes) => bytes.slice()")
        converted = fresh.ffi.to_js(content)
        assert ends(converted).to_py() == [length, 0, content[-1]]
        copied = typed(converted)
        assert copied.to_bytes() == content
        view = copied.to_memoryview()
        assert view.nbytes == length and view[-1] == content[-1]
        assert bytes(copied.to_py()) == content
        target = bytearray(length)
        copied.assign_to(target)
        assert target == content
        # A buffer's proxy, and through a body.
        proxy = fresh.ffi.create_proxy(target)
        buffer = proxy.getBuffer("u8")
        assert ends(buffer.data).to_py() == [length, 0, content[-1]]
        buffer.release()
        proxy.destroy()
        through = fresh.run_js("async (bytes) => new Uint8Array(await new Response(bytes).arrayBuffer())")
        assert (await through(copied)).to_bytes() == content
        del view, converted, copied
