"""Ways to recurse through both languages: calls and attributes. Run by test_recursion.py."""

from __future__ import annotations

import fresh
from recursion import DEEP, ends, way


@way
def call(reached):
    there = fresh.run_js("(f) => f()")

    def back():
        reached()
        return there(back)

    back()


@way
def call_without_a_frame_of_javascript(reached):
    """The proxy of a PyProxy, called: JavaScript runs no function of its own."""

    def back():
        reached()
        return proxy()

    proxy = fresh.ffi.create_proxy(back)
    back()


@way
def call_with_many_arguments_and_keywords(reached):
    there = fresh.run_js("(f, ...rest) => f.callKwargs(...rest.slice(0, 20), { a: 1 })")

    def back(*arguments, a):
        reached()
        return there(back, *arguments, *range(20), key=1)

    back(a=1)


@way
def construct(reached):
    there = fresh.run_js("globalThis.Constructed = class { constructor(f) { this.f = f(); } }; Constructed")

    def back():
        reached()
        return there.new(back)

    back()


@way
def methods_with_this(reached):
    holder = fresh.run_js("({ method(p) { return p.method(this); } })")

    class Back:
        def method(self, holder):
            reached()
            return holder.method(self)

    holder.method(Back())


@way
def bound_and_applied(reached):
    there = fresh.run_js("(f) => f.bind(null, 1).apply(null, [2])")

    def back(*_):
        reached()
        return there(back)

    back()


@way
def a_function_of_both(reached):
    there = fresh.run_js("function there(f, n) { return n ? there(f, n - 1) : f(); }; there")

    def back(level=7):
        reached()
        return back(level - 1) if level else there(back, 5)

    back()


@way
def a_once_callable(reached):
    there = fresh.run_js("(f) => f()")

    def back():
        reached()
        return there(fresh.ffi.create_once_callable(back))

    back()


@way
def evaluated_source(reached):
    def back():
        reached()
        fresh.run_js("globalThis.evaluated()")

    fresh.ffi.global_this().evaluated = back
    back()


@way
def tagged_templates_and_spread(reached):
    there = fresh.run_js("(f) => f`a${1}b`")

    def back(*_):
        reached()
        return there(back)

    back()


# --- attributes


@way
def getters(reached):
    target = fresh.run_js("({ get x() { return globalThis.again(); } })")

    def again():
        reached()
        return target.x

    fresh.ffi.global_this().again = again
    target.x


@way
def setters(reached):
    target = fresh.run_js("({ set x(f) { f(f); } })")

    def again(f):
        reached()
        target.x = f

    target.x = again


@way
def getattr_of_python(reached):
    read = fresh.run_js("(p) => p.x")

    class Endless:
        def __getattr__(self, name):
            reached()
            return read(self)

    read(Endless())


@way
def properties_without_a_frame_of_javascript(reached):
    """A PyProxy's property read from Python: JavaScript runs no function of its own."""

    class Endless:
        @property
        def x(self):
            reached()
            return proxy.x

    proxy = fresh.ffi.create_proxy(Endless())
    proxy.x


@way
def assignment_without_a_frame_of_javascript(reached):
    class Endless:
        def __setattr__(self, name, value):
            reached()
            proxy.x = value

    proxy = fresh.ffi.create_proxy(Endless())
    proxy.x = 1


@way
def deletion_without_a_frame_of_javascript(reached):
    class Endless:
        def __delattr__(self, name):
            reached()
            del proxy.x

    proxy = fresh.ffi.create_proxy(Endless())
    del proxy.x


@ends
def hasattr_without_a_frame_of_javascript(reached):
    has = fresh.ffi.js_has

    class Endless:
        def __getattr__(self, name):
            reached()
            has(proxy, name)
            raise AttributeError(name)

    proxy = fresh.ffi.create_proxy(Endless())
    has(proxy, "x")


@way
def dir_without_a_frame_of_javascript(reached):
    class Endless:
        def __dir__(self):
            reached()
            return dir(proxy)

    proxy = fresh.ffi.create_proxy(Endless())
    dir(proxy)


@way
def object_keys(reached):
    class Endless:
        def __dir__(self):
            reached()
            return list(proxy.object_keys())

    proxy = fresh.ffi.create_proxy(Endless())
    fresh.run_js("(p) => Reflect.ownKeys(p)")(proxy)


@ends
def traps_of_a_proxy(reached):
    make = fresh.run_js(
        """(f) => new Proxy({}, { get(t, k) { return f(); }, has() { return f(); }, set() { return f(); },
            deleteProperty() { return f(); }, ownKeys() { return f(); }, getPrototypeOf() { return f(); } })"""
    )
    uses = [
        lambda: target.x,
        lambda: setattr(target, "x", 1),
        lambda: delattr(target, "x"),
        lambda: dir(target),
        lambda: fresh.ffi.js_has(target, "x"),
        lambda: fresh.run_js("Object").getPrototypeOf(target),
    ]

    def again():
        reached()
        return current()

    current = lambda: None
    target = make(fresh.ffi.create_proxy(again))
    for use in uses:
        current = use
        try:
            use()
        except (RecursionError, fresh.ffi.JsException):
            continue


@way
def a_proxy_of_a_proxy(reached):
    """Traps that lead from one object of JavaScript to the next, deep."""
    fresh.run_js("globalThis.nested = {}; for (let i = 0; i < 100000; i++) nested = new Proxy(nested, {});")
    reached.depth = DEEP
    try:
        fresh.ffi.global_this().nested.x
    finally:
        fresh.run_js("globalThis.nested = undefined")


@ends
def a_deep_prototype_chain(reached):
    fresh.run_js("globalThis.nested = {}; for (let i = 0; i < 100000; i++) nested = Object.create(nested);")
    reached.depth = DEEP
    deep = fresh.ffi.global_this().nested
    deep.object_keys()
    dir(deep)
    bool(deep)
    repr(deep)
    deep.to_py()
    fresh.run_js("globalThis.nested = undefined")


@ends
def a_prototype_chain_through_proxies_of_python(reached):
    """Each level asks Python, then its prototype."""

    class Asked:
        def __getattr__(self, name):
            reached()
            raise AttributeError(name)

    extend = fresh.run_js("(p, o) => Object.create(Object.setPrototypeOf(Object.create(p), p))")
    chain = fresh.ffi.create_proxy(Asked())
    for _ in range(2000):
        chain = extend(chain)
    chain.object_keys()
    getattr(chain, "x", None)
