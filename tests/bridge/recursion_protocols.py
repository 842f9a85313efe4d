"""Ways to recurse through both languages: the protocols of both languages. Run by test_recursion.py."""

from __future__ import annotations

import sys

import fresh
import pytest
from recursion import DEEP, ends, way


@way
def repr_and_tostring(reached):
    text = fresh.run_js("(p) => p.toString()")

    class Endless:
        def __str__(self):
            reached()
            return text(self)

    str(Endless())


@way
def str_of_a_proxy(reached):
    target = fresh.run_js("({ toString() { return globalThis.again(); } })")

    def again():
        reached()
        return str(target)

    fresh.ffi.global_this().again = again
    str(target)


@way
def to_primitive(reached):
    target = fresh.run_js("({ [Symbol.toPrimitive]() { return globalThis.again(); } })")
    add = fresh.run_js("(x) => x + 1")

    def again():
        reached()
        return add(target)

    fresh.ffi.global_this().again = again
    add(target)


@way
def string_of_a_python_object(reached):
    text = fresh.run_js("(p) => `${p}` + p")

    class Endless:
        def __str__(self):
            reached()
            return text(self)

        __repr__ = __str__

    text(Endless())


@way
def subscripts(reached):
    target = fresh.run_js("({ get(f) { return f(f); } })")

    def again(f):
        reached()
        return target[f]

    again(again)


@way
def items_of_python(reached):
    get = fresh.run_js("(p) => p.get(1)")

    class Endless:
        def __getitem__(self, key):
            reached()
            return get(self)

    get(Endless())


@way
def lengths(reached):
    length = fresh.run_js("(p) => p.length")

    class Endless:
        def __len__(self):
            reached()
            return length(self)

    length(Endless())


@ends
def truth(reached):
    target = fresh.run_js("({ get size() { return globalThis.again(); } })")

    def again():
        reached()
        return bool(target)

    fresh.ffi.global_this().again = again
    bool(target)


@way
def containment(reached):
    target = fresh.run_js("({ has(f) { return f(f); } })")

    def again(f):
        reached()
        return f in target

    again(again)


@way
def iteration_of_javascript(reached):
    target = fresh.run_js("({ [Symbol.iterator]() { return globalThis.again(); } })")

    def again():
        reached()
        return list(target)

    fresh.ffi.global_this().again = again
    again()


@way
def next_of_javascript(reached):
    target = fresh.run_js("({ next() { return globalThis.again(); } })")

    def again():
        reached()
        return next(target)

    fresh.ffi.global_this().again = again
    again()


@way
def iteration_of_python(reached):
    spread = fresh.run_js("(p) => [...p]")

    class Endless:
        def __iter__(self):
            reached()
            return iter(spread(self))

    spread(Endless())


@way
def next_of_python(reached):
    step = fresh.run_js("(p) => p.next()")

    class Endless:
        def __iter__(self):
            return self

        def __next__(self):
            reached()
            return step(self)

    step(Endless())


@way
def generators_in_turn(reached):
    turn = fresh.run_js("(function* (f) { yield* f(); })")

    def generate():
        reached()
        yield from turn(generate)

    list(generate())


@way
def generators_of_javascript_within_generators(reached):
    turn = fresh.run_js("(function* (f) { for (const x of f()) yield x; })")

    def generate():
        reached()
        for item in turn(generate):
            yield item

    next(generate())


@way
def equality(reached):
    same = fresh.run_js("(p) => { p.__eq__(1); }")

    class Endless:
        def __eq__(self, other):
            reached()
            return same(self)

    Endless() == 1


@way
def comparison(reached):
    class Endless:
        def __init__(self, proxy):
            self.proxy = proxy

    less = fresh.run_js("({ valueOf() { return globalThis.again(); } })")

    def again():
        reached()
        return less < less

    fresh.ffi.global_this().again = again
    less < less


@ends
def cyclic_containers_compared(reached):
    first, second = fresh.run_js("(() => { const a = []; a.push(a); return a; })()"), fresh.run_js("[]")
    second.append(second)
    assert first != second and first == first
    one, other = first.to_py(), second.to_py()
    reached.depth = DEEP
    # Without JavaScript on the way CPython's own limit is all there is.
    sys.setrecursionlimit(500)
    with pytest.raises(RecursionError):
        one == other
    with pytest.raises(RecursionError):
        fresh.run_js("(p, q) => p.__eq__(q)")(one, other)


@way
def sort_with_a_comparator(reached):
    sort = fresh.run_js("(f) => [1, 2].sort(f)")

    def compare(*_):
        reached()
        sort(compare)
        return 0

    sort(compare)


@way
def sort_of_a_python_list(reached):
    sort = fresh.run_js("(list, f) => list.sort(f)")

    def compare(*_):
        reached()
        sort([1, 2], compare)
        return 0

    sort([1, 2], compare)


@way
def sort_with_a_key_from_javascript(reached):
    key = fresh.run_js("(x) => globalThis.again(x)")

    def again(item):
        reached()
        return [*sorted([item], key=key)][0]

    fresh.ffi.global_this().again = again
    again(1)


@way
def array_methods(reached):
    each = fresh.run_js("(f) => [1].map(f)")

    def back(*_):
        reached()
        return each(back)

    back()


@way
def replace_with_a_function(reached):
    replace = fresh.run_js("(f) => 'a'.replace(/a/, f)")

    def back(*_):
        reached()
        return replace(back)

    back()


@way
def context_managers(reached):
    target = fresh.run_js("({ [Symbol.dispose]() { globalThis.again(); } })")

    def again():
        reached()
        with target:
            pass

    fresh.ffi.global_this().again = again
    again()


@way
def instance_checks(reached):
    check = fresh.run_js("(x, f) => x instanceof f")
    make = fresh.run_js("(f) => ({ [Symbol.hasInstance]() { return f(); } })")

    def again():
        reached()
        return check(1, target)

    target = make(fresh.ffi.create_proxy(again))
    again()


@way
def features_of_a_class(reached):
    """A class that is asked what it is while its proxy is made."""
    take = fresh.run_js("(p) => typeof p")

    class Endless:
        @property
        def __class__(self):
            reached()
            take(Endless())
            return object

        def __contains__(self, item):
            return False

        def __getitem__(self, key):
            return 1

        def __len__(self):
            return 1

    take(Endless())


@ends
def flags_of_an_object(reached):
    """An object that is asked what it can do while its proxy is made; what it throws then counts as no."""
    target = fresh.run_js("({ get next() { globalThis.again(); }, get then() { globalThis.again(); } })")
    give = fresh.run_js("(o) => o")

    def again():
        reached()
        if reached.depth < 1000:
            give(target)

    fresh.ffi.global_this().again = again
    give(target)
