"""Much of everything: large dicts, long chains, many rejections and conversions take no more than their share."""

from __future__ import annotations

import gc
import os

import fresh
from fresh import in_fresh_process

# Under valgrind (tools/sanitize.sh) each round takes long.
ROUNDS = 5 if os.environ.get("ISTHMUS_TEST_WRAPPER") else 200


@in_fresh_process
def test_methods_taken_and_destroyed_again_and_again_leave_nothing():
    class Holder:
        def method(self):
            return 1

    proxy = fresh.ffi.create_proxy(Holder())
    take = fresh.run_js("(p, n) => { for (let i = 0; i < n; i++) p.method.destroy(); }")
    take(proxy, 10)
    fresh.settle()
    before = fresh.ffi.live()
    take(proxy, ROUNDS * 100)
    fresh.settle()
    assert fresh.ffi.live() == before


@in_fresh_process
def test_a_large_dict_lists_its_keys_quickly():
    # Quadratic work on this would take minutes.
    keys = fresh.run_js("(d) => Object.getOwnPropertyNames(d).length")
    assert keys({f"key{number}": number for number in range(200_000)}) >= 200_000


@in_fresh_process
def test_exceptions_in_chains_of_any_length_end():
    throw = fresh.run_js("() => { throw new Error('link'); }")
    for attribute in ("__cause__", "__context__"):
        chain = None
        for _ in range(100_000):
            try:
                throw()
            except Exception as error:
                setattr(error, attribute, chain)
                error.__traceback__ = None
                chain = error
        del chain
    gc.collect()
    fresh.settle()
    assert fresh.ffi.live()[0] < 100


@in_fresh_process
def test_converters_know_their_conversion_beyond_2_to_the_16():
    inner = fresh.run_js("({ a: 1 })")

    def back(value, convert, cache):
        # A conversion of the other kind is under way too.
        inner.to_py(default_converter=lambda proxy, convert, cache: convert(proxy))
        return convert([1])

    class Own:
        pass

    for _ in range(70_000):
        fresh.ffi.to_js([Own], default_converter=lambda value, convert, cache: convert([1]))
    assert fresh.ffi.to_js([Own()], default_converter=back)[0][0] == 1


@in_fresh_process
def test_many_rejections_are_handled_quickly():
    # Quadratic work on this would take minutes.
    fresh.run_js(
        """(() => { const all = Array.from({ length: 300000 }, (_, i) => Promise.reject(i));
           globalThis.left = 0; for (const one of all) one.catch(() => { left++; }); })()"""
    )
    fresh.iso.run_jobs()
    assert fresh.run_js("left") == 300_000
