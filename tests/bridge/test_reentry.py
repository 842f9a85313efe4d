"""Foreign code in the middle of an operation of the bridge: what it destroys must not be used afterwards."""

from __future__ import annotations

import gc
import os
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
