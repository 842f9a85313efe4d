"""Objects of either side that lie, fail or never end cross the border or raise: nothing crashes."""

from __future__ import annotations

import asyncio
import sys

import fresh
import pytest
from fresh import in_fresh_process


@in_fresh_process
def test_freezing_a_proxy_changes_nothing():
    class Holder:
        value = 1

    holder = Holder()
    holder.own = 2
    freeze = fresh.run_js("(p) => { try { Object.freeze(p); } catch (error) { return error.name; } return 'frozen'; }")
    assert freeze(holder) == "TypeError"
    assert (holder.own, holder.value) == (2, 1)


@in_fresh_process
def test_attributes_of_an_exception_that_do_not_exist():
    try:
        fresh.run_js("throw Object.assign(new TypeError('t'), { extra: 1 })")
    except Exception as caught:
        error = caught
    assert error.extra == 1
    for name in ("missing", "\ud800", "finally_"):
        with pytest.raises(AttributeError):
            getattr(error, name)
    hostile = fresh.run_js(
        """((f) => { const e = new Error("x"); Object.setPrototypeOf(e, new Proxy(Error.prototype, { has(t, k) { f(); return k in t; } }));
           return e; })"""
    )
    made = hostile(fresh.ffi.create_proxy(lambda: [None][0]))
    with pytest.raises(AttributeError):
        made.nothing_here


@in_fresh_process
def test_a_subclass_of_jsexception_with_its_own_attribute_access():
    class Own(fresh.ffi.JsException):
        def __getattribute__(self, name):
            return super().__getattribute__(name)

    error = Own("Error", "text")
    for name in ("object_keys", "to_py"):
        with pytest.raises(TypeError):
            getattr(error, name)()
    with pytest.raises(Own):
        fresh.run_js("(f) => f()")(fresh.ffi.create_proxy(lambda: (_ for _ in ()).throw(error)))


@in_fresh_process
def test_recursion_through_both_languages_ends_in_an_error():
    there = fresh.run_js("(f) => f()")
    depth = 0

    def back():
        nonlocal depth
        depth += 1
        return there(back)

    for limit in (sys.getrecursionlimit(), 100_000):
        sys.setrecursionlimit(limit)
        with pytest.raises((RecursionError, fresh.ffi.JsException)):
            back()
    sys.setrecursionlimit(1000)
    assert depth > 50
    with pytest.raises(fresh.ffi.JsException, match="stack"):
        fresh.run_js("(function f() { return 1 + f(); })()")
    # Attributes, and getters that come back.
    fresh.run_js("globalThis.loop = { get x() { return globalThis.again(); } }")
    target = fresh.ffi.global_this().loop
    fresh.ffi.global_this().again = lambda: target.x
    with pytest.raises((RecursionError, fresh.ffi.JsException)):
        target.x
    assert fresh.run_js("1 + 1") == 2


@in_fresh_process
def test_hostile_classes_cross_or_raise():
    class Unlucky:
        def __getattribute__(self, name):
            raise ZeroDivisionError(name)

    class Negative:
        def __len__(self):
            return -1

        def __getitem__(self, index):
            if index in (0, 1):
                return 1
            raise IndexError(index)

    class Recursive:
        def __getattr__(self, name):
            return getattr(self, name + "_")

    class Liar:
        @property
        def __class__(self):
            return dict

    class Meta(type):
        def __instancecheck__(cls, instance):
            raise ZeroDivisionError

        def __getattribute__(cls, name):
            if name.startswith("__class_getitem"):
                raise ZeroDivisionError
            return super().__getattribute__(name)

    class Odd(metaclass=Meta):
        pass

    uses = fresh.run_js(
        """[(p) => p.x, (p) => { p.x = 1; }, (p) => delete p.x, (p) => p.toString(), (p) => Object.keys(p), (p) => p.length,
            (p) => [...p], (p) => JSON.stringify(p), (p) => p.toJs(), (p) => p.then, (p) => p + "", (p) => new p(),
            (p) => p.type, (p) => Array.prototype.map.call(p, (x) => x), (p) => structuredClone(p), (p) => Promise.resolve(p)]"""
    )
    for use in uses:
        for make in (Unlucky, Negative, Recursive, Liar, lambda: Odd, lambda: Meta, Odd):
            try:
                use(make())
            except (Exception, RecursionError):
                pass
    assert fresh.run_js("1 + 1") == 2


@in_fresh_process
def test_odd_objects_of_javascript_cross_or_raise():
    odd = fresh.run_js(
        """(() => { const { proxy, revoke } = Proxy.revocable({}, {}); revoke();
           const { proxy: f, revoke: r } = Proxy.revocable(function () {}, {}); r();
           const thrower = new Proxy({}, new Proxy({}, { get() { throw new Error("trap"); } }));
           return [() => proxy, () => f, () => thrower, () => Symbol("s"), () => Symbol.iterator, () => class A {},
             () => Object.create(null), () => new Proxy([], {}), () => new Proxy(new Map(), {}), () => Object.create(f),
             () => new Proxy(new Error("x"), {}), () => (function* () {})(), () => new WeakRef({}), () => globalThis,
             () => Object.create(Array.prototype), () => new Date(NaN), () => new Array(4294967295)]; })()"""
    )
    uses = [
        repr,
        str,
        bool,
        len,
        iter,
        next,
        dir,
        hash,
        lambda o: o.x,
        lambda o: setattr(o, "x", 1),
        lambda o: delattr(o, "x"),
        lambda o: o[0],
        lambda o: o["k"],
        lambda o: 1 in o,
        lambda o: o(),
        lambda o: o.new(),
        lambda o: o.to_py(depth=1),
        lambda o: o.typeof,
        lambda o: o == o,
        lambda o: o < o,
        lambda o: o.object_entries(),
        lambda o: o.then,
    ]
    for make in list(odd)[:-1]:
        for use in uses:
            try:
                use(make())
            except Exception:
                pass
    assert fresh.run_js("1 + 1") == 2
    with pytest.raises(fresh.ffi.JsException, match="class constructors"):
        fresh.run_js("(class A {})")()


@in_fresh_process
def test_large_and_odd_texts_and_numbers_come_back_the_same():
    same = fresh.run_js("(x) => x")
    texts = ["", "a" * 10_000_000, "é" * 3_000_000, "\u20ac" * 2_000_000, "\U0001f600" * 1_000_000, "\ud800", "a\udfffb\0c"]
    for text in texts:
        assert same(text) == text
    # Both halves of a pair are one character for Python once they have been in JavaScript.
    assert same("\ud83d\ude00") == "\U0001f600"
    for number in (2**53 - 1, -(2**53) + 1, 2**53, 2**63, -(2**63) - 1, 10**100_000, -(10**100_000)):
        assert int(same(number)) == number
    with pytest.raises(Exception, match="(?i)bigint|range|large"):
        same(1 << 100_000_000)


@in_fresh_process
async def test_thenables_that_do_not_keep_their_promise():
    make = fresh.run_js
    assert await make("({ then(yes, no) { yes(1); yes(2); no(new Error('late')); } })") == 1
    with pytest.raises(fresh.ffi.JsException, match="first"):
        await make("({ then(yes, no) { no(new Error('first')); yes(1); } })")
    with pytest.raises(fresh.ffi.JsException, match="thrown"):
        await make("({ then() { throw new Error('thrown'); } })")
    for source in ("({ then() {} })", "new Promise(() => {})"):
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(make(f"(() => {{ globalThis.kept = {source}; return kept; }})()"), 0.01)
    # A future takes no StopIteration: it must fail all the same, not wait for ever.
    def stop():
        raise StopIteration(1)

    rejected = make("(async (f) => f())")(fresh.ffi.create_proxy(stop))
    with pytest.raises((TypeError, RuntimeError)):
        await asyncio.wait_for(rejected, 5)
    # A value that cannot be converted.
    revoked = make("(async () => ({ get then() { return undefined; } }))")()
    await asyncio.wait_for(revoked, 5)


@in_fresh_process
async def test_generators_left_in_the_middle():
    closed = []

    def generator():
        try:
            while True:
                yield 1
        finally:
            closed.append(1)

    first = fresh.run_js("(g) => { for (const x of g) return x; }")
    for _ in range(50):
        assert first(generator()) == 1
    fresh.settle()
    assert len(closed) == 50
    count = fresh.run_js("globalThis.ended = 0; (function* () { try { yield 1; yield 2; } finally { ended++; } })")
    for _ in range(50):
        for _item in count():
            break
    fresh.settle()
    assert fresh.ffi.live()[1] < 20


@in_fresh_process
def test_sequences_that_lie_about_their_length():
    class Long(list):
        def __len__(self):
            return 2**33

    class Longer(tuple):
        def __len__(self):
            return 2**62

    class Negative(list):
        def __len__(self):
            return -1

    for lying in (Long([1]), Longer([1]), Negative([1])):
        with pytest.raises(Exception):
            fresh.ffi.to_js(lying)
