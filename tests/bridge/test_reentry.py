"""Foreign code in the middle of an operation of the bridge: what it destroys must not be used afterwards."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from typing import Annotated, Any

import fresh
import pytest
from fresh import in_fresh_process

# Under valgrind (tools/sanitize.sh) the first use after free is seen.
ROUNDS = 5 if os.environ.get("ISTHMUS_TEST_WRAPPER") else 200


def destroying_value():
    """A JavaScript function of a proxy: an object whose inspection destroys the proxy."""
    return fresh.run_js("(p) => ({ get then() { p.destroy(); return undefined; } })")


def temporary(make):
    """A proxy that alone keeps its object alive."""
    return fresh.ffi.create_proxy(make(), roundtrip=False)


@in_fresh_process
def test_a_proxy_destroyed_by_the_value_assigned_to_it():
    class Plain:
        pass

    value = destroying_value()
    assign = fresh.run_js("(p, value) => { p.x = value(p); }")
    for _ in range(ROUNDS):
        assign(temporary(Plain), value)


@in_fresh_process
def test_a_proxy_destroyed_by_the_key_or_item_it_is_given():
    value = destroying_value()
    uses = fresh.run_js(
        """[(p, v) => p.get(v(p)), (p, v) => p.set(0, v(p)), (p, v) => p.set(v(p), 0), (p, v) => p.has(v(p)),
            (p, v) => p.delete(v(p)), (p, v) => p.push(v(p)), (p, v) => p.unshift(1, v(p)), (p, v) => { p[0] = v(p); }]"""
    )
    for use in uses:
        for make in (lambda: [1, 2], lambda: {0: 1}):
            for _ in range(ROUNDS):
                try:
                    use(temporary(make), value)
                except Exception:
                    pass


@in_fresh_process
def test_a_proxy_destroyed_by_what_a_generator_is_sent():
    def generator():
        while True:
            yield 1

    value = destroying_value()
    for source in ("(p, v) => { p.next(); p.next(v(p)); }", "(p, v) => { p.next(); p.throw(v(p)); }"):
        use = fresh.run_js(source)
        for _ in range(ROUNDS):
            try:
                use(temporary(generator), value)
            except Exception:
                pass


@in_fresh_process
def test_a_proxy_destroyed_by_the_arguments_of_its_call():
    value = destroying_value()
    calls = fresh.run_js(
        """[(p, v) => p(v(p)), (p, v) => p.call(null, v(p)), (p, v) => p.callKwargs({ a: v(p) }),
            (p, v) => p.callRelaxed(v(p), v(p)), (p, v) => new Array(20).fill(0).map(() => v(p)).concat([p]).slice(0, 20)]"""
    )
    for call in calls:
        for _ in range(ROUNDS):
            try:
                call(temporary(lambda: lambda *arguments, **named: None), value)
            except Exception:
                pass


@in_fresh_process
def test_a_proxy_destroyed_by_the_python_code_it_calls():
    proxies = []

    def destroy():
        while proxies:
            proxies.pop().destroy()

    class Everything:
        def __getattr__(self, name):
            destroy()
            raise AttributeError(name)

        def __str__(self):
            destroy()
            return "text"

        def __len__(self):
            destroy()
            return 3

        def __getitem__(self, key):
            destroy()
            return 1

        def __setitem__(self, key, value):
            destroy()

        def __contains__(self, key):
            destroy()
            return True

        def __iter__(self):
            destroy()
            return iter([1, 2])

        def __dir__(self):
            destroy()
            return ["a", "b"]

        def __call__(self):
            destroy()
            return self

    uses = fresh.run_js(
        """[(p) => p.missing, (p) => p.toString(), (p) => p.length, (p) => p.get(1), (p) => p.set(1, 2), (p) => p.has(1),
            (p) => [...p], (p) => Object.getOwnPropertyNames(p), (p) => Reflect.ownKeys(p), (p) => p(), (p) => p.copy(),
            (p) => p.toJs(), (p) => "missing" in p, (p) => delete p.missing, (p) => Object.create(p).missing]"""
    )
    for use in uses:
        for _ in range(ROUNDS):
            proxy = temporary(Everything)
            proxies.append(proxy)
            try:
                use(proxy)
            except Exception:
                pass


@in_fresh_process
def test_names_evicted_while_the_value_of_an_assignment_is_converted():
    # More names than the cache has places, in the middle of an assignment, with a safe point after each.
    target = fresh.run_js("({})")
    call = fresh.run_js("() => 1")
    names = [f"name_{number}" for number in range(3000)]

    class Lying(type):
        def __instancecheck__(cls, instance):
            return False

    class Hostile(metaclass=Lying):
        def __getitem__(self, index):
            return 1

        def __len__(self):
            return 1

        @property
        def __class__(self):
            for name in names:
                getattr(target, name, None)
                call()
            return object

    for number in range(min(ROUNDS, 20)):
        # A new class each time: what an object can do is remembered by class.
        hostile = type("Hostile", (Hostile,), {})()
        setattr(target, f"attribute_{number}", hostile)
    assert target.attribute_3 is not None
    assert list(target.object_keys()) == [f"attribute_{number}" for number in range(min(ROUNDS, 20))]


@in_fresh_process
def test_attribute_names_of_a_subclass_of_str():
    target = fresh.run_js("({ x: 1, then_: 2 })")
    call = fresh.run_js("() => 1")

    class Name(str):
        def __hash__(self):
            for number in range(3000):
                getattr(target, f"n{number}", None)
                call()
            return super().__hash__()

        def __del__(self):
            call()

    for _ in range(5):
        assert getattr(target, Name("x")) == 1
        setattr(target, Name("y"), 2)
        assert target.y == 2
        assert getattr(target, Name("__class__")) is type(target)


@in_fresh_process
def test_an_iterator_exhausted_by_a_getter_of_its_array():
    make = fresh.run_js(
        """(next) => { const a = [1]; Object.defineProperty(a, 0, { get() { a.length = 1; next(); return undefined; } });
           return a; }"""
    )
    for _ in range(ROUNDS):
        iterators = []

        def exhaust(iterators=iterators):
            iterator = iterators.pop() if iterators else None
            if iterator is not None:
                for _ in iterator:
                    pass

        keep = fresh.ffi.create_proxy(exhaust)
        iterator = iter(make(keep))
        iterators.append(iterator)
        list(iterator)
        keep.destroy()


@in_fresh_process
def test_a_prototype_with_traps_evicts_names():
    fresh.run_js(
        """(() => { const names = Array.from({ length: 2000 }, (_, i) => "trap" + i); let busy = false;
           Object.setPrototypeOf(Function.prototype, new Proxy(Object.prototype, { has(target, key) {
             if (!busy && globalThis.victim) { busy = true; for (const name of names) victim[name]; busy = false; }
             return Reflect.has(target, key); } })); })()"""
    )

    class Called:
        def __call__(self):
            pass

    called = Called()
    called.value = 5
    proxy = fresh.ffi.create_proxy(called)
    fresh.ffi.global_this().victim = proxy
    read = fresh.run_js("(p) => p.value + (p.nothing === undefined ? 1 : 0)")
    assert read(proxy) == 6


@in_fresh_process
def test_a_class_that_changes_while_it_is_examined():
    class First:
        def __getitem__(self, index):
            return index

        def __len__(self):
            return 1

        @property
        def __class__(self):
            type.__getattribute__(object, "__dict__")["__class__"].__set__(self, Second)
            gc.collect()
            return object

    class Second:
        pass

    show = fresh.run_js("(p) => String(typeof p)")
    for _ in range(ROUNDS):
        changing = type("Changing", (First,), {})()
        assert show(changing) == "object"


@in_fresh_process
def test_a_finalizer_runs_javascript_while_an_exception_is_on_its_way():
    swallow = fresh.run_js("() => { try { throw new Error('inner'); } catch { } return 1; }")

    class Last:
        def __del__(self):
            swallow()

        def __call__(self):
            raise ValueError("outer")

        def __getitem__(self, key):
            raise ValueError("outer")

        @property
        def attribute(self):
            raise ValueError("outer")

    uses = fresh.run_js("[(p) => p(), (p) => p.get(1), (p) => p.attribute, (p) => { p.destroy(); p(); }]")
    for use in list(uses)[:3]:
        for _ in range(ROUNDS):
            with pytest.raises(ValueError, match="outer"):
                use(Last())


@in_fresh_process
def test_a_result_that_cannot_be_converted_and_whose_finalizer_runs_javascript():
    swallow = fresh.run_js("() => { try { throw new Error('inner'); } catch { } return 1; }")

    class Result:
        def __getitem__(self, index):
            return 1

        def __len__(self):
            return 1

        def __contains__(self, item):
            return False

        def __del__(self):
            swallow()

        @property
        def __class__(self):
            raise ValueError("no class")

    call = fresh.run_js("(f) => f()")
    for _ in range(ROUNDS):
        with pytest.raises(ValueError, match="no class"):
            call(lambda: Result())


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
def test_freezing_a_proxy_changes_nothing():
    class Holder:
        value = 1

    holder = Holder()
    holder.own = 2
    freeze = fresh.run_js("(p) => { try { Object.freeze(p); } catch (error) { return error.name; } return 'frozen'; }")
    assert freeze(holder) == "TypeError"
    assert (holder.own, holder.value) == (2, 1)


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


@in_fresh_process
def test_many_rejections_are_handled_quickly():
    # Quadratic work on this would take minutes.
    fresh.run_js(
        """(() => { const all = Array.from({ length: 300000 }, (_, i) => Promise.reject(i));
           globalThis.left = 0; for (const one of all) one.catch(() => { left++; }); })()"""
    )
    fresh.iso.run_jobs()
    assert fresh.run_js("left") == 300_000


@in_fresh_process
def test_a_getter_that_pushes_out_the_name_it_was_asked_by():
    class Name(str):
        """Looked up by a `str` that the cache of names alone keeps."""

    class Signature:
        other: int

    plain = fresh.run_js("({})")

    def push_out():
        for number in range(20_000):
            hasattr(plain, f"name{number}")
        return 1

    make = fresh.run_js("(push_out) => ({ get asked() { return push_out(); } })")
    proxy = make(fresh.ffi.create_proxy(push_out)).bind_sig(Signature)
    # No other object is this name.
    name = Name("".join(["as", "ked"]))
    for _ in range(3):
        assert getattr(proxy, name) == 1


@in_fresh_process
async def test_arguments_end_within_the_call_of_a_thenable():
    from _pyodide.jsbind import Py2JsConverterMeta

    depths = []

    class Ends:
        def __del__(self):
            depths.append(fresh.iso.entry_depth())

    class Made(metaclass=Py2JsConverterMeta):
        @staticmethod
        def pre_convert(_):
            return Ends()

    def signature(value, /): ...

    signature.__annotations__ = {"value": Annotated[Any, Made], "return": Any}
    call = fresh.run_js("(value) => ({ then(resolve) { resolve(1); } })").bind_sig(signature)
    assert await call(None) == 1
    # JavaScript is below `__del__`, which therefore must not switch greenlets.
    assert depths == [1]
