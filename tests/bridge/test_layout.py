"""What is read from the engine's memory instead of asked of it (`jsproxy/shape.rs`) agrees with what the engine says,
and memory of proxies that is used again (`jsproxy/spare.rs`) shows nothing of its last user."""

from __future__ import annotations

import gc
import os
import threading
import weakref
from typing import Any

import fresh
import pytest
from fresh import in_fresh_process

SANITIZED = bool(os.environ.get("ISTHMUS_TEST_WRAPPER"))

# A chain of prototypes of many kinds below a PyProxy, changed at random; each read is compared with the descriptors
# that the engine gives.
WALK = """(proxy, seed, steps) => {
  let state = seed;
  const random = (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor(state / 4294967296 * below);
  };
  const names = [Symbol.iterator, Symbol.toPrimitive, "toString", "destroy", "copy", "type", "constructor"];
  for (let index = 0; index < 40; index++) names.push(Symbol("s" + index));
  const original = Object.getPrototypeOf(proxy);
  const makers = [
    () => ({}), () => Object.create(null), () => [1, 2], () => new Proxy({}, {}), () => function () {}, () => class {},
    () => new String("text"), () => new Uint8Array(3), () => (function () { return arguments; })(1, 2),
    () => new Map(), () => new Error("e"), () => new (class { #hidden = 1; shown = 2; })(), () => /x/, () => globalThis,
    () => new Proxy({}, { get: (target, name) => typeof name === "symbol" ? "trapped" : undefined,
                          getOwnPropertyDescriptor: (target, name) => typeof name === "symbol"
                            ? { value: "trapped", configurable: true } : undefined,
                          preventExtensions: () => false }),
  ];
  const read = (name) => {
    for (let at = Object.getPrototypeOf(proxy); at !== null; at = Object.getPrototypeOf(at)) {
      const found = Object.getOwnPropertyDescriptor(at, name);
      if (found === undefined) continue;
      if ("value" in found) return found.value;
      return found.get === undefined ? undefined : Reflect.apply(found.get, proxy, []);
    }
  };
  const chain = [];
  const rebuild = () => {
    chain.length = 0;
    let last = random(3) ? original : null;
    for (let count = random(4); count >= 0; count--) {
      const made = makers[random(makers.length)]();
      if (made !== globalThis) Object.setPrototypeOf(made, last);
      chain.push(made);
      last = made;
    }
    Object.setPrototypeOf(proxy, last);
  };
  const wrong = [];
  rebuild();
  for (let step = 0; step < steps; step++) {
    const at = chain[random(chain.length)], name = names[random(names.length)];
    const isSymbol = typeof name === "symbol";
    try {
      switch (random(9)) {
        case 0: case 1: if (isSymbol || at !== globalThis) at[name] = { step }; break;
        case 2: if (isSymbol || at !== globalThis) delete at[name]; break;
        case 3: {
          const get = function () { return this === proxy ? step : "other"; };
          Object.defineProperty(at, name, { get, configurable: true });
          break;
        }
        case 4: Object.defineProperty(at, name, { set() {}, configurable: true }); break;
        case 5: Object.defineProperty(at, name, { value: step, configurable: true, enumerable: false }); break;
        case 6:
          for (let index = 0; index < 30; index++) {
            const more = Symbol();
            at[more] = index;
            if (index % 3) delete at[more];
          }
          break;
        case 7: if (at !== globalThis && !random(8)) Object.freeze(at); break;
        case 8: if (!random(4)) rebuild(); break;
      }
    } catch (error) { if (!(error instanceof TypeError)) throw error; }
    for (const name of names) {
      if (typeof name !== "symbol" && !Reflect.has(original, name)) continue;
      const expected = read(name), found = proxy[name];
      if (!Object.is(expected, found)) wrong.push(`${step} ${String(name)}: ${String(expected)} ${String(found)}`);
    }
  }
  for (const name of names) if (typeof name === "symbol") delete globalThis[name];
  Object.setPrototypeOf(proxy, original);
  return wrong.join("\\n");
}"""


@in_fresh_process
def test_what_a_proxy_inherits_is_what_the_engine_says():
    class Plain:
        pass

    walk = fresh.run_js(WALK)
    for seed in range(3 if SANITIZED else 40):
        for target in (Plain(), {}, [1], len, iter([])):
            proxy = fresh.ffi.create_proxy(target)
            assert walk(proxy, seed, 150) == "", f"seed {seed}, {target}"
            proxy.destroy()


@in_fresh_process
def test_inherited_from_modules_and_from_other_proxies():
    ask = fresh.run_js(
        """(proxy, other) => {
          const symbol = Symbol(), original = Object.getPrototypeOf(proxy), found = [];
          Object.setPrototypeOf(proxy, other);
          found.push(proxy[symbol], typeof proxy.toString, proxy[Symbol.toStringTag]);
          other[symbol] = 1;
          found.push(proxy[symbol]);
          try { Object.setPrototypeOf(other, proxy); found.push("cycle"); } catch { found.push("no cycle"); }
          Object.setPrototypeOf(proxy, null);
          found.push(proxy[symbol], proxy.toString);
          Object.setPrototypeOf(proxy, original);
          return found.join();
        }"""
    )

    class Plain:
        pass

    first, other = fresh.ffi.create_proxy(Plain()), fresh.ffi.create_proxy(Plain())
    assert ask(first, other) == ",function,PyProxy,1,no cycle,,"
    other.destroy()
    first.destroy()


@in_fresh_process
def test_flags_follow_every_change_of_a_prototype():
    steps = fresh.run_js(
        """() => {
          const prototype = {}, object = Object.create(prototype);
          const many = (count) => { for (let index = 0; index < count; index++) prototype["p" + index] = index; };
          const steps = [
            () => {}, () => { prototype.then = () => {}; }, () => { prototype.then = 1; },
            () => { delete prototype.then; },
            () => { many(60); prototype.get = () => 1; }, () => { many(300); },
            () => { for (let index = 0; index < 300; index++) delete prototype["p" + index]; },
            () => {
              const get = (target, name) => name === "has" ? () => 1 : undefined;
              Object.setPrototypeOf(prototype, new Proxy({}, { has: (target, name) => name === "size", get }));
            },
            () => { Object.setPrototypeOf(prototype, [1, 2]); }, () => { Object.setPrototypeOf(prototype, null); },
            () => { Object.freeze(prototype); },
          ];
          return { object, step: (index) => { steps[index](); }, count: steps.length };
        }"""
    )()
    told = fresh.run_js(
        """(object) => ["then", "get", "has", "length", "size"].map((name) =>
          name === "length" || name === "size" ? name in object : typeof object[name] === "function").join()"""
    )
    for step in range(steps.count):
        steps.step(step)
        kind = type(steps.object)
        seen = [
            hasattr(kind, "__await__"),
            hasattr(kind, "__getitem__"),
            hasattr(kind, "__contains__"),
            hasattr(kind, "__len__"),
        ]
        then, get, has, length, size = (text == "true" for text in told(steps.object).split(","))
        assert seen == [then, get, has or seen[2], length or size], step
        # Another look at the same object says the same.
        assert type(steps.object) is kind


@in_fresh_process
def test_keys_of_dicts_beside_a_changed_object_prototype():
    ffi, run_js = fresh.ffi, fresh.run_js
    convert = lambda value: ffi.to_js(value, dict_converter=None)  # noqa: E731
    entries = run_js("(object) => JSON.stringify(Object.entries(object))")
    assert entries(convert({"a": 1, "1": 2, "b": None})) == '[["1",2],["a",1],["b",null]]'
    clashes: list[dict[Any, Any]] = [{"1": 1, 1: 2}, {1: 1, "1": 2}, {"a": {}, "1": [], 1: 2}, {"é": 1, "1": 1, 1: 1}]
    for clash in [*clashes, {"True": 1, "true": 1, True: 2}]:
        with pytest.raises(Exception, match=r"[Kk]ey"):
            convert(clash)
    for name in ("toString", "__proto__", "constructor", "hasOwnProperty"):
        with pytest.raises(Exception, match=r"[Kk]ey"):
            convert({"x": 1, name: 2})
    run_js(
        """() => {
          Object.prototype.plain = 1;
          const accessor = { get() { return 1; }, set() { throw Error("called"); }, configurable: true };
          Object.defineProperty(Object.prototype, "accessor", accessor);
          Object.prototype[5] = 1;
          for (let index = 0; index < 200; index++) Object.prototype["more" + index] = index;
        }"""
    )()
    for name in ("plain", "accessor", "5", "more0", "more199"):
        with pytest.raises(Exception, match=r"[Kk]ey"):
            convert({"x": 1, name: 2})
    run_js(
        """() => {
          delete Object.prototype.plain; delete Object.prototype.accessor; delete Object.prototype[5];
          for (let index = 0; index < 200; index++) delete Object.prototype["more" + index];
        }"""
    )()
    assert entries(convert({"x": 1, "plain": 2, "more7": 3, "5": 4})) == '[["5",4],["x",1],["plain",2],["more7",3]]'


@in_fresh_process
def test_a_converter_that_reaches_for_the_object_under_way():
    """The half-made object is no secret where a converter may take it from the cache."""
    ffi, run_js = fresh.ffi, fresh.run_js
    seen = []

    class Odd:
        pass

    table: dict[str, Any] = {"first": 1, "odd": Odd(), "last": 2}

    def converter(value, convert, cache):
        half = convert(table)
        seen.append(run_js("(half) => { half.last = 'taken'; return Object.keys(half).join(); }")(half))
        return 3

    with pytest.raises(Exception, match=r"[Kk]ey"):
        ffi.to_js(table, default_converter=converter)
    assert seen == ["first,last"]


@in_fresh_process
def test_memory_used_again_is_clean():
    objects = fresh.run_js(
        "() => ({ plain: {}, call: () => 1, list: [1], map: new Map(), method() { return this; } })"
    )()
    died = []
    for round_ in range(5 if SANITIZED else 500):
        function = objects.call
        held = weakref.ref(function, lambda _: died.append(objects.plain))
        function.kept = round_
        del function
        assert held() is None
        for name in ("plain", "list", "map", "plain"):
            proxy = getattr(objects, name)
            assert weakref.getweakrefcount(proxy) == 0
            assert not hasattr(proxy, "kept")
            with pytest.raises(TypeError):
                proxy()
        assert objects.method().js_id == objects.js_id
    assert len(died) == (5 if SANITIZED else 500)


@in_fresh_process
def test_types_of_proxies_fit_the_memory_kept():
    objects = fresh.run_js(
        "() => [{}, () => 1, [1], new Map(), new Uint8Array(1), (function* () {})(), Promise.resolve(1)]"
    )()
    collected = 1 << 14
    sizes = set()
    for proxy in objects:
        kind = type(proxy)
        sizes.add((kind.__basicsize__, kind.__itemsize__, kind.__flags__ & collected))
        with pytest.raises(TypeError):
            type("Sub", (kind,), {})
        with pytest.raises(TypeError):
            object.__setattr__(proxy, "__class__", type(objects))
    assert len(sizes) == 1
    assert next(iter(sizes))[1:] == (0, 0)


@in_fresh_process
def test_proxies_that_die_on_other_threads():
    make = fresh.run_js("(count) => Array.from({ length: count }, (_, index) => index % 2 ? {} : () => index)")
    for _ in range(2 if SANITIZED else 100):
        proxies = list(make(200))

        def drop(proxies: list[Any] = proxies) -> None:
            while proxies:
                try:
                    proxies.pop()
                except IndexError:
                    return

        threads = [threading.Thread(target=drop) for _ in range(4)]
        del proxies
        for thread in threads:
            thread.start()
        more = [list(make(20)) for _ in range(20)]
        del drop
        for thread in threads:
            thread.join()
        assert all(callable(proxy) is (index % 2 == 0) for few in more for index, proxy in enumerate(few))
    fresh.settle()


@in_fresh_process
def test_the_memory_of_proxies_over_a_fork():
    make = fresh.run_js("(count) => Array.from({ length: count }, (_, index) => ({ index }))")
    kept = list(make(50))
    del kept[::2]
    for _ in range(3):
        if (child := os.fork()) == 0:
            code = 1
            try:
                more = list(make(100))
                code = 0 if [one.index for one in more] == list(range(100)) and kept[0].index == 1 else 2
                del more
                gc.collect()
            finally:
                os._exit(code)
        assert os.waitpid(child, 0)[1] == 0
        assert [one.index for one in make(10)] == list(range(10))


@in_fresh_process
def test_iterators_that_do_what_they_like():
    create, run_js = fresh.ffi.create_proxy, fresh.run_js
    walk = run_js("(proxy) => { const all = []; for (const item of proxy) all.push(item); return all.join(); }")
    step = run_js("(proxy) => { const { done, value } = proxy.next(); return `${done} ${value}`; }")

    class Stop(StopIteration):
        pass

    class Steps:
        def __init__(self, *steps):
            self.steps = list(steps)

        def __iter__(self):
            return self

        def __next__(self):
            found = self.steps.pop(0)
            return found(self) if callable(found) else found

    def stop(value):
        def stop(_):
            raise Stop(value)

        return stop

    def turn(self):
        self.__class__ = Turned
        return 7

    class Turned(Steps):
        __next__ = None

    class Sending(Steps):
        def send(self, value):
            raise AssertionError("a plain step sends nothing")

    class Strange(StopIteration):
        def __new__(cls, *arguments):
            return StopIteration.__new__(cls, "made")

        def __init__(self, *arguments):
            self.value = [1, 2]

    def strange(_):
        raise Strange

    assert walk(Steps(1, 2, stop("x"))) == "1,2"
    assert step(create(Steps(stop("x")))) == "true x"
    assert step(create(Steps(stop(None)))) == "true undefined"
    assert step(create(Sending(4))) == "false 4"
    assert step(create(Steps(strange))).startswith("true ")
    turned = create(Steps(turn, 1))
    assert step(turned) == "false 7"
    with pytest.raises(TypeError):
        step(turned)
    with pytest.raises(ZeroDivisionError):
        walk(Steps(1, lambda _: 1 // 0))
    with pytest.raises(IndexError):
        walk(Steps(1))

    def destroying(self):
        self.proxy.destroy()
        del self.proxy
        return object()

    for _ in range(5 if SANITIZED else 100):
        steps = Steps(destroying, 1)
        steps.proxy = create(steps, roundtrip=False)
        again = steps.proxy
        del steps
        try:
            step(again)
        except Exception:
            pass


@in_fresh_process
def test_an_iterator_behind_a_proxy_steps_itself():
    """A step that takes another one, and one so deep that it must fail."""
    deep = fresh.run_js("(proxy) => proxy.next().value")

    class Deep:
        def __iter__(self):
            return self

        def __next__(self):
            return deep(proxy)

    proxy = fresh.ffi.create_proxy(Deep())
    with pytest.raises(Exception, match=r"(?i)recursion|stack"):
        deep(proxy)
    proxy.destroy()
