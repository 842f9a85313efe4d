"""Cycles that run through both heaps are collected, and nothing that is in use."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import weakref
from typing import Any

import fresh
import pytest
from fresh import in_fresh_process, settle

SLOW = "ISTHMUS_TEST_WRAPPER" in os.environ
"""Under valgrind (tools/sanitize.sh) everything takes 50 times as long."""


class Node:
    """A Python object that refers to others."""

    def __init__(self, *refs: Any) -> None:
        self.refs = list(refs)


def javascript() -> Any:
    """`make()`, `link(from, to)`: JavaScript objects that refer to others."""
    return fresh.run_js("({ make: (...refs) => ({ refs }), link: (from, to) => { from.refs.push(to); } })")


def a_cycle(js: Any) -> Node:
    node = Node()
    node.refs.append(js.make(fresh.ffi.create_proxy(node)))
    return node


def dies(node: Any) -> None:
    """What `node` (a list that holds the last reference, so that it can be given up) refers to is collected."""
    reference = weakref.ref(node.pop())
    gc.collect()
    assert reference() is not None, "it was freed without the collector of both heaps"
    settle()
    assert reference() is None


@in_fresh_process
def test_the_shortest_cycle():
    dies([a_cycle(javascript())])


@in_fresh_process
def test_a_proxy_of_its_own_method():
    node = Node()
    node.proxy = fresh.ffi.create_proxy(node.__init__)
    found = [node]
    del node
    dies(found)


@in_fresh_process
def test_nothing_in_use_is_collected():
    js = javascript()
    held = a_cycle(js)
    from_javascript = a_cycle(js)
    fresh.run_js("(o) => { globalThis.held = o; }")(from_javascript.refs[0])
    reference = weakref.ref(from_javascript)
    del from_javascript
    settle()
    assert held.refs[0].refs[0].unwrap() is held
    assert reference() is not None and fresh.run_js("held.refs[0].refs") is not None
    fresh.run_js("delete globalThis.held")
    settle()
    assert reference() is None


@in_fresh_process
def test_two_proxies_of_one_object():
    js = javascript()
    node = Node()
    node.refs.append(js.make(fresh.ffi.create_proxy(node), fresh.ffi.create_proxy(node.__init__)))
    one, other = js.make(node.refs[0]), node.refs[0]
    fresh.run_js("(o) => { globalThis.held = o; }")(fresh.run_js("(o) => o.refs[1]")(other))
    found = weakref.ref(node)
    del node, one, other
    settle()
    assert found() is not None, "the second proxy is in use"
    fresh.run_js("delete globalThis.held")
    settle()
    assert found() is None


@pytest.mark.parametrize("length", [2, 3, 1000])
def test_long_cycles(length: int) -> None:
    check_long_cycle(length)


def check_long_cycle(length: int) -> None:
    source = f"import fresh; fresh.start(); import test_cycles; test_cycles.long_cycle({length})"
    result = fresh.run_script(source)
    assert result.returncode == 0, result.stderr


def long_cycle(length: int) -> None:
    js = javascript()
    first = last = Node()
    references = []
    for _ in range(length):
        following = Node()
        references.append(weakref.ref(following))
        last.refs.append(js.make(fresh.ffi.create_proxy(following)))
        last = following
    settle()
    assert all(reference() is not None for reference in references)
    last.refs.append(js.make(fresh.ffi.create_proxy(first)))
    del first, last, following
    gc.collect()
    assert all(reference() is not None for reference in references)
    settle()
    assert all(reference() is None for reference in references)


@in_fresh_process
def test_a_long_chain_in_use_stays():
    """The engine's queue is long here: deciding too early would destroy the end of the chain."""
    js = javascript()
    fresh.run_js("globalThis.first = { refs: [] }")
    last = fresh.run_js("first")
    references = []
    for _ in range(500 if SLOW else 20_000):
        node = Node()
        references.append(weakref.ref(node))
        js.link(last, fresh.ffi.create_proxy(node))
        last = js.make()
        node.refs.append(last)
    doomed = a_cycle(js)
    references.append(weakref.ref(doomed))
    del node, last, doomed
    settle()
    assert references.pop()() is None
    assert all(reference() is not None for reference in references)
    fresh.run_js("delete globalThis.first")
    settle()
    assert not any(reference() is not None for reference in references)


@in_fresh_process
def test_finalizers_see_everything():
    js = javascript()
    seen = []

    class Finalized(Node):
        def __del__(self):
            # The other side works still: JavaScript, and the proxy in it.
            seen.append(self.refs[0].refs[0].unwrap() is self and len(self.refs))

    node = Finalized()
    node.refs.append(js.make(fresh.ffi.create_proxy(node)))
    found = [node]
    del node
    dies(found)
    assert seen == [1]


@in_fresh_process
def test_a_finalizer_that_resurrects():
    js = javascript()
    kept = []

    class Lazarus(Node):
        def __del__(self):
            kept.append(self)

    node = Lazarus()
    node.refs.append(js.make(fresh.ffi.create_proxy(node)))
    found = weakref.ref(node)
    del node
    settle()
    assert len(kept) == 1 and kept[0].refs[0].refs[0].unwrap() is kept[0], "what was resurrected is whole"
    kept.clear()
    settle()
    assert found() is None and not kept, "a finalizer runs once"


@in_fresh_process
def test_weak_references_are_told():
    told = []
    node = a_cycle(javascript())
    reference = weakref.ref(node, told.append)
    del node
    settle()
    assert told == [reference]


@in_fresh_process
async def test_a_task_that_waits_for_a_promise_nobody_can_settle():
    told = []
    events = []
    never = fresh.run_js("() => new Promise(() => {})")
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context["message"]))

    async def wait():
        promise = never()
        try:
            await promise
        finally:
            events.append("left")

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    found = weakref.ref(task)
    del task
    gc.collect()
    await asyncio.sleep(0)
    settle()
    assert found() is None and events == ["left"]
    assert told == ["Task was destroyed but it is pending!"]


@in_fresh_process
async def test_a_promise_that_can_be_settled_keeps_its_task():
    result = []
    later = fresh.run_js("() => new Promise((resolve) => { globalThis.resolve = resolve; })")

    async def wait():
        result.append(await later())

    task = asyncio.create_task(wait())
    found = weakref.ref(task)
    del task
    await asyncio.sleep(0)
    settle()
    assert found() is not None
    fresh.run_js("resolve(5)")
    await asyncio.sleep(0.01)
    assert result == [5]


@in_fresh_process
async def test_javascript_that_waits_for_python():
    """An async function awaits a future that only its own scope could resolve."""
    future = asyncio.get_running_loop().create_future()
    found = weakref.ref(future)
    wait = fresh.run_js("(scope) => { const wait = async () => { await scope.future; }; scope.running = wait(); }")
    scope = fresh.run_js("({})")
    scope.future = fresh.ffi.create_proxy(future)
    future.scope = scope  # type: ignore[attr-defined]
    wait(scope)
    await asyncio.sleep(0)
    assert not scope.running is None
    del scope, future, wait
    await asyncio.sleep(0)
    settle()
    assert found() is None


@in_fresh_process
def test_closures_classes_exceptions_iterators_and_generators():
    js = javascript()
    ffi = fresh.ffi
    references = []

    def closure():
        holder = js.make()
        inner = lambda: holder
        js.link(holder, ffi.create_proxy(inner))
        references.append(weakref.ref(inner))

    def kind():
        class Local:
            holder = js.make()

            def method(self):
                return Local

        js.link(Local.holder, ffi.create_proxy(Local().method))
        references.append(weakref.ref(Local))

    def exception():
        node = Node()
        try:
            fresh.run_js("(p) => { const e = new Error('x'); e.refs = [p]; throw e; }")(ffi.create_proxy(node))
        except ffi.JsException as error:
            node.refs.append(error.with_traceback(None))
        references.append(weakref.ref(node))

    def iterator():
        node = Node()
        node.refs.append(iter(fresh.run_js("(p) => [p]")(ffi.create_proxy(node))))
        references.append(weakref.ref(node))

    def generator():
        node = Node()

        def run():
            holder = js.make(ffi.create_proxy(node))
            yield
            holder.refs

        node.refs.append(run())
        next(node.refs[0])
        references.append(weakref.ref(node))

    def once():
        node = Node()
        node.refs.append(js.make(ffi.create_once_callable(node.__init__)))
        references.append(weakref.ref(node))

    def bound():
        node = Node()
        scope = fresh.run_js("(p) => ({ p, f() {} })")(ffi.create_proxy(node))
        node.refs.append(scope.f)  # a function that holds what it was read from
        references.append(weakref.ref(node))

    def weak_map():
        node = Node()
        pair = fresh.run_js("globalThis.map ??= new WeakMap(); (p) => { const key = {}; map.set(key, p); return key; }")
        node.refs.append(pair(ffi.create_proxy(node)))
        references.append(weakref.ref(node))

    def javascript_closure():
        node = Node()
        node.refs.append(fresh.run_js("(p) => () => p")(ffi.create_proxy(node)))
        references.append(weakref.ref(node))

    def attribute_proxy():
        node = Node()
        node.refs.append(fresh.run_js("(p) => [p.__init__]")(ffi.create_proxy(node)))
        references.append(weakref.ref(node))

    shapes = [closure, kind, exception, iterator, generator, once, bound, weak_map, javascript_closure, attribute_proxy]
    for shape in shapes:
        shape()
    gc.collect()
    assert all(reference() is not None for reference in references)
    settle()
    left = [shape.__name__ for shape, reference in zip(shapes, references, strict=True) if reference() is not None]
    assert not left


@in_fresh_process
def test_other_threads_keep_what_they_use():
    import threading

    js = javascript()
    node = a_cycle(js)
    found = weakref.ref(node)
    entered, leave = threading.Event(), threading.Event()

    def use(node):
        entered.set()
        leave.wait()
        return node

    thread = threading.Thread(target=use, args=(node,))
    thread.start()
    entered.wait()
    del node
    settle()
    assert found() is not None and found().refs[0].refs[0].unwrap() is found()
    leave.set()
    thread.join()
    del thread
    settle()
    assert found() is None


@in_fresh_process
def test_collections_run_by_themselves():
    js = javascript()
    for _ in range(2_000 if SLOW else 20_000):
        a_cycle(js)
    assert fresh.ffi.live()[1] < 1_500


@in_fresh_process
async def test_few_cycles_are_found_in_time():
    js = javascript()
    references = [weakref.ref(a_cycle(js)) for _ in range(100)]
    for _ in range(400):
        await asyncio.sleep(0.05)
        if not any(reference() for reference in references):
            return
    raise AssertionError("100 cycles are there after 20 s")


@in_fresh_process
def test_within_a_call_from_javascript_cycles_stay():
    js = javascript()
    found = weakref.ref(a_cycle(js))
    fresh.run_js("(f) => f()")(fresh.ffi.collect)
    assert found() is not None
    fresh.ffi.collect()
    assert found() is None


GRAPH_HELPERS = """({
  made: [],
  make(number) { const node = { number, refs: [] }; this.made.push(new WeakRef(node)); return node; },
  link(from, to) { from.refs.push(to); },
  root(node) { (globalThis.roots ??= []).push(node); },
  alive() { return this.made.map((ref) => ref.deref()?.number).filter((x) => x !== undefined); },
})"""


def random_graph(seed: int) -> None:
    """A graph over both heaps: what the roots lead to stays, all else goes."""
    choice = random.Random(seed)
    js = fresh.run_js(GRAPH_HELPERS)
    count = choice.randint(2, 40)
    heaps = [choice.random() < 0.5 for _ in range(count)]  # true: Python
    nodes: list[Any] = [Node() if python else js.make(number) for number, python in enumerate(heaps)]
    references = {number: weakref.ref(node) for number, node in enumerate(nodes) if heaps[number]}
    edges: list[list[int]] = [[] for _ in range(count)]
    for _ in range(choice.randint(1, 3 * count)):
        start, end = choice.randrange(count), choice.randrange(count)
        edges[start].append(end)
        target = nodes[end]
        if heaps[start]:
            nodes[start].refs.append(target)
        elif heaps[end]:
            js.link(nodes[start], fresh.ffi.create_proxy(target))
        else:
            js.link(nodes[start], target)
    roots = [number for number in range(count) if choice.random() < 0.15]
    for number in roots:
        if not heaps[number]:
            js.root(nodes[number])
    held = [nodes[number] for number in roots if heaps[number]]
    expected: set[int] = set()
    queue = list(roots)
    while queue:
        number = queue.pop()
        if number not in expected:
            expected.add(number)
            queue.extend(edges[number])
    target = None
    del nodes, target
    settle()
    alive = {number for number, reference in references.items() if reference() is not None}
    alive |= set(js.alive().to_py())
    assert alive == expected, (seed, alive - expected, expected - alive)
    # What is left is whole: every edge of it can be followed.
    for number, reference in references.items():
        node = reference()
        if node is not None:
            assert len(node.refs) == len(edges[number])
            for end, ref in zip(edges[number], node.refs, strict=True):
                assert (ref is references[end]()) if heaps[end] else (ref.number == end)
            del node
    held.clear()
    fresh.run_js("globalThis.roots = undefined")
    ref = None
    settle()
    assert not any(reference() for reference in references.values())
    assert len(js.alive()) == 0


@in_fresh_process
def test_random_graphs():
    for seed in range(20 if SLOW else 120):
        random_graph(seed)
