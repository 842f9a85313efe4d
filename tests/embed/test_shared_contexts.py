"""Coroutines that JavaScript starts through `create_proxy` share the context the proxy was made in, on any loop."""


def test_calls_of_a_proxy_share_a_context(on_loop) -> None:
    on_loop(
        """
        import contextvars
        number = contextvars.ContextVar("number", default=0)
        async def count():
            await asyncio.sleep(0)
            token = number.set(number.get() + 1)
            return number.get()
        async def counted_in_run_sync():
            run_sync(asyncio.sleep(0.001))
            number.set(number.get() + 1)
            return number.get()
        async def main():
            number.set(10)
            for function, expected in ((count, [11, 12]), (counted_in_run_sync, [13, 14])):
                proxy = create_proxy(function)
                assert (await run_js("async (f) => [await f(), await f()]")(proxy)).to_py() == expected
                proxy.destroy()
            assert number.get() == 14
        run(main())
        assert number.get() == 0
        """
    )
