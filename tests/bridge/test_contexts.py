"""In which `contextvars.Context` the coroutines run that JavaScript starts."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import weakref
from collections.abc import Callable, Coroutine
from typing import Any

Run = Callable[[Coroutine[Any, Any, Any]], Any]
number: contextvars.ContextVar[int] = contextvars.ContextVar("number", default=0)


def test_calls_of_a_proxy_share_the_context_it_was_made_in(run: Run) -> None:
    from isthmus._native import ffi

    async def count() -> int:
        await asyncio.sleep(0)
        number.set(number.get() + 1)
        return number.get()

    async def main() -> tuple[list[int], int]:
        number.set(10)
        proxy = ffi.create_proxy(count)
        call = ffi.run_js("async (f) => [await f(), await f.call(null), await f.copy()(), await f.callKwargs({})]")
        told = (await call(proxy)).to_py()
        proxy.destroy()
        return told, number.get()

    assert run(main()) == ([11, 12, 13, 14], 14)
    assert number.get() == 0


def test_a_token_of_one_call_is_good_in_the_next(run: Run) -> None:
    from isthmus._native import ffi

    async def main() -> list[int]:
        def steps() -> Any:
            token = number.set(5)
            yield number.get()
            number.reset(token)
            yield number.get()

        left = steps()

        async def pull() -> int:
            return next(left)

        proxy = ffi.create_proxy(pull)
        told = (await ffi.run_js("async (pull) => { await null; return [await pull(), await pull()]; }")(proxy)).to_py()
        proxy.destroy()
        return told

    assert run(main()) == [5, 0]


def test_implicit_proxies_run_in_a_copy(run: Run) -> None:
    from isthmus._native import ffi

    async def count() -> int:
        number.set(number.get() + 1)
        return number.get()

    async def main() -> tuple[list[int], int]:
        number.set(10)
        told = await ffi.run_js("async (f) => [await f()]")(count)
        return told.to_py(), number.get()

    assert run(main()) == ([11], 10)


def test_the_callable_stays_what_it_is(run: Run) -> None:
    from isthmus._native import ffi

    async def count() -> None: ...

    async def main() -> bool:
        proxy = ffi.create_proxy(count)
        same = proxy.unwrap() is count
        proxy.destroy()
        return same

    assert run(main())


def test_a_proxy_that_its_own_context_refers_to_is_collected(run: Run) -> None:
    from isthmus._native import ffi

    held: contextvars.ContextVar[Any] = contextvars.ContextVar("held")

    class Marker: ...

    async def main() -> weakref.ref[Marker]:
        marker = Marker()

        async def count() -> Marker:
            return marker

        held.set(ffi.create_proxy(count))
        return weakref.ref(marker)

    gone = run(main())
    for _ in range(5):
        gc.collect()
        ffi.collect()
    assert gone() is None
