"""Programs of proxy operations, run on the bridge and on the model step by step.

A program is a list of steps `(operation, a, b, c)` of small numbers. Every list is a program: a number chooses among what
there is, and a step that has nothing to work on does nothing. So any part of a failing program can be left out.
"""

from __future__ import annotations

import functools
import gc
import random
import weakref
from collections.abc import Callable
from typing import Any

import model
import objects
from model import NAMES, Failure, JsNode, Node, ProxyNode, PyNode
from objects import js
from world import SLOTS, Disagreement, World

Step = tuple[int, int, int, int]
PRIMITIVES: list[tuple[Any, Any]] = [
    (value, value) for value in (None, True, False, 0, -7, 2**31, 2**53 - 1, 1.5, float("inf"), "", "text", "é\U0001f600", "x" * 100)
] + [(2.0, 2), (-0.0, 0)]
"""As given, and as it is once it was in JavaScript."""

# --- operations: f(world, a, b, c)

Operation = Callable[[World, int, int, int], None]


def prefers(side: str, position: int, fits: Callable[[Any], bool]) -> Callable[[Operation], Operation]:
    """Seven times of eight the number at `position` (0 to 2) chooses among the variables of `side` that fit, if any."""

    def decorate(operation: Operation) -> Operation:
        @functools.wraps(operation)
        def chosen(world: World, *numbers: int) -> None:
            number = numbers[position]
            fitting = [index for index, value in enumerate(getattr(world, side)) if fits(value)]
            if fitting and number % 8:
                numbers = (*numbers[:position], fitting[number // 8 % len(fitting)], *numbers[position + 1 :])
            operation(world, *numbers)

        return chosen

    return decorate


def is_node(value: Any) -> bool:
    return isinstance(value, Node)


def is_python(value: Any) -> bool:
    return isinstance(value, PyNode)


def is_proxy(value: Any) -> bool:
    return isinstance(value, ProxyNode)


def is_callable(value: Any) -> bool:
    return (value if isinstance(value, PyNode) else getattr(value, "target", Node(""))).kind == "function"


def is_list(value: Any) -> bool:
    return isinstance(value, Node) and value.kind in ("list", "array")


def is_listed(value: Any) -> bool:
    """Whether JavaScript may use it as an array."""
    if isinstance(value, ProxyNode):
        return value.target.kind == "list" and not value.destroyed
    return isinstance(value, JsNode) and value.kind == "array"


def new_object(world: World, a: int, b: int, c: int) -> None:
    kind = ("object", "array")[b % 2]
    world.expect(js[kind], lambda: JsNode(kind), a % SLOTS)


def new_python(world: World, a: int, b: int, c: int) -> None:
    kind = ("holder", "list", "function")[b % 3]
    node = PyNode(kind)
    node.behaviour = c % 7
    value = {"holder": objects.Holder, "list": objects.PyList, "function": lambda: objects.Function(node.behaviour)}[kind]()
    node.watch = weakref.ref(value)
    world.nodes.append(node)
    world.real[a % SLOTS], world.python[a % SLOTS] = value, node


def primitive(world: World, a: int, b: int, c: int) -> None:
    given, wanted = PRIMITIVES[b % len(PRIMITIVES)]
    world.expect(lambda: js["identity"](given), lambda: wanted, a % SLOTS)


def copy_variable(world: World, a: int, b: int, c: int) -> None:
    world.real[a % SLOTS], world.python[a % SLOTS] = world.real[b % SLOTS], world.python[b % SLOTS]


def drop_variable(world: World, a: int, b: int, c: int) -> None:
    world.real[a % SLOTS] = world.python[a % SLOTS] = None


@prefers("python", 1, is_python)
def create_proxy(world: World, a: int, b: int, c: int) -> None:
    value, node = world.real[b % SLOTS], world.python[b % SLOTS]
    if isinstance(node, PyNode):
        world.expect(lambda: objects.ffi.create_proxy(value), lambda: ProxyNode(node, True), a % SLOTS)


@prefers("python", 0, is_proxy)
def destroy_proxy(world: World, a: int, b: int, c: int) -> None:
    value, node = world.real[a % SLOTS], world.python[a % SLOTS]
    if isinstance(node, ProxyNode):
        world.expect(lambda: value.destroy(), lambda: setattr(node, "destroyed", True))


@prefers("python", 1, is_proxy)
def unwrap_proxy(world: World, a: int, b: int, c: int) -> None:
    value, node = world.real[b % SLOTS], world.python[b % SLOTS]
    if isinstance(node, ProxyNode) and not node.destroyed:
        world.expect(lambda: value.unwrap(), node.alive, a % SLOTS)


@prefers("python", 1, is_node)
def get_attribute(world: World, a: int, b: int, c: int) -> None:
    value, node, name = world.real[b % SLOTS], world.python[b % SLOTS], NAMES[c % 3]

    def modelled() -> Any:
        owner = node.alive() if isinstance(node, ProxyNode) else node
        if name not in owner.fields:
            raise Failure("AttributeError")
        found = owner.fields[name]
        return found if isinstance(node, PyNode) else model.to_py(model.to_js(found))

    if isinstance(node, Node):
        world.expect(lambda: getattr(value, name), modelled, a % SLOTS)
        if not is_python(node) and is_proxy(world.python[a % SLOTS]) and is_callable(world.python[a % SLOTS]):
            world.bound.append(node)


@prefers("python", 0, is_node)
def set_attribute(world: World, a: int, b: int, c: int) -> None:
    value, node, name = world.real[a % SLOTS], world.python[a % SLOTS], NAMES[c % 3]
    new, wanted = world.real[b % SLOTS], world.python[b % SLOTS]

    def modelled() -> None:
        if isinstance(node, PyNode):
            node.fields[name] = wanted
        else:
            model.set_property(node, name, model.to_js(wanted))

    if isinstance(node, Node):
        world.expect(lambda: setattr(value, name, new), modelled)


@prefers("python", 0, is_node)
def delete_attribute(world: World, a: int, b: int, c: int) -> None:
    value, node, name = world.real[a % SLOTS], world.python[a % SLOTS], NAMES[c % 3]

    def modelled() -> None:
        if name not in node.fields and isinstance(node, PyNode):
            raise Failure("AttributeError")
        node.fields.pop(name, None)

    if isinstance(node, Node) and not isinstance(node, ProxyNode):
        world.expect(lambda: delattr(value, name), modelled)


@prefers("python", 0, is_list)
def append(world: World, a: int, b: int, c: int) -> None:
    value, node = world.real[a % SLOTS], world.python[a % SLOTS]
    new, wanted = world.real[b % SLOTS], world.python[b % SLOTS]
    if isinstance(node, Node) and node.kind in ("array", "list") and len(node.items) < 8:
        world.expect(
            lambda: value.append(new), lambda: node.items.append(wanted if node.kind == "list" else model.to_js(wanted))
        )


@prefers("python", 1, is_list)
def take(world: World, a: int, b: int, c: int) -> None:
    value, node = world.real[b % SLOTS], world.python[b % SLOTS]

    def modelled() -> Any:
        if not node.items:
            raise Failure("IndexError")
        item = node.items.pop() if node.kind == "list" else model.to_py(node.items[-1])
        if node.kind == "array":
            node.items.pop()
        return item

    if isinstance(node, Node) and node.kind in ("array", "list"):
        if node.items and isinstance(node.items[-1], ProxyNode) and node.items[-1].destroyed:
            return
        world.expect(lambda: value.pop(), modelled, a % SLOTS)


@prefers("python", 1, is_list)
def item(world: World, a: int, b: int, c: int) -> None:
    value, node = world.real[b % SLOTS], world.python[b % SLOTS]

    def modelled() -> Any:
        if c % 4 >= len(node.items):
            raise Failure("IndexError")
        return node.items[c % 4] if node.kind == "list" else model.to_py(node.items[c % 4])

    if isinstance(node, Node) and node.kind in ("array", "list"):
        world.expect(lambda: value[c % 4], modelled, a % SLOTS)


@prefers("python", 0, is_list)
def length(world: World, a: int, b: int, c: int) -> None:
    value, node = world.real[a % SLOTS], world.python[a % SLOTS]
    if isinstance(node, Node) and node.kind in ("array", "list"):
        world.expect(lambda: len(value), lambda: len(node.items))


@prefers("python", 1, is_node)
def store(world: World, a: int, b: int, c: int) -> None:
    def body(value: Any) -> None:
        world.javascript[a % SLOTS] = value

    world.expect(lambda: js["store"](a % SLOTS, world.real[b % SLOTS]), lambda: model.call_js(body, world.python[b % SLOTS]))


@prefers("python", 1, is_node)
def store_for_good(world: World, a: int, b: int, c: int) -> None:
    """As an element, which ends no proxy."""
    value, wanted = world.real[b % SLOTS], world.python[b % SLOTS]

    def modelled() -> None:
        world.javascript[a % SLOTS] = model.to_js(wanted)

    world.expect(lambda: setattr(objects.ffi.global_this().v, str(a % SLOTS), value), modelled)


@prefers("javascript", 1, is_node)
def load(world: World, a: int, b: int, c: int) -> None:
    world.expect(lambda: js["load"](b % SLOTS), lambda: model.call_js(lambda: world.javascript[b % SLOTS]), a % SLOTS)


@prefers("javascript", 1, is_node)
def move(world: World, a: int, b: int, c: int) -> None:
    def body() -> None:
        world.javascript[a % SLOTS] = world.javascript[b % SLOTS]

    world.expect(lambda: js["move"](a % SLOTS, b % SLOTS), body)


def drop(world: World, a: int, b: int, c: int) -> None:
    world.javascript[a % SLOTS] = None
    js["drop"](a % SLOTS)


@prefers("javascript", 1, is_node)
def get(world: World, a: int, b: int, c: int) -> None:
    def body() -> None:
        world.javascript[a % SLOTS] = model.property_of(world.javascript[b % SLOTS], NAMES[c % 3])

    world.expect(lambda: js["get"](a % SLOTS, NAMES[c % 3], b % SLOTS), body)


@prefers("javascript", 0, is_node)
def put(world: World, a: int, b: int, c: int) -> None:
    world.expect(
        lambda: js["set"](a % SLOTS, NAMES[c % 3], b % SLOTS),
        lambda: model.set_property(world.javascript[a % SLOTS], NAMES[c % 3], world.javascript[b % SLOTS]),
    )


@prefers("javascript", 0, is_node)
def remove(world: World, a: int, b: int, c: int) -> None:
    node, name = world.javascript[a % SLOTS], NAMES[c % 3]
    if isinstance(node, JsNode):
        world.expect(lambda: js["remove"](a % SLOTS, name), lambda: (node.fields.pop(name, None), True)[1])
    elif isinstance(node, ProxyNode) and not node.destroyed and name in node.target.fields:
        world.expect(lambda: js["remove"](a % SLOTS, name), lambda: (node.target.fields.pop(name), True)[1])


@prefers("javascript", 1, is_callable)
def call(world: World, a: int, b: int, c: int) -> None:
    variables = world.javascript

    def body() -> None:
        variables[a % SLOTS] = model.call_python(variables[b % SLOTS], variables[c % SLOTS])

    world.expect(lambda: js["call"](a % SLOTS, b % SLOTS, c % SLOTS), body)


@prefers("javascript", 0, is_callable)
def call_and_catch(world: World, a: int, b: int, c: int) -> None:
    def body() -> str:
        try:
            model.call_python(world.javascript[a % SLOTS], world.javascript[b % SLOTS])
        except Failure:
            return "thrown"
        return "done"

    world.expect(lambda: js["call_and_catch"](a % SLOTS, b % SLOTS), body)


@prefers("python", 1, is_callable)
def apply(world: World, a: int, b: int, c: int) -> None:
    function, argument = world.python[b % SLOTS], world.python[c % SLOTS]
    world.expect(
        lambda: js["apply"](world.real[b % SLOTS], world.real[c % SLOTS]),
        lambda: model.call_js(model.call_python, function, argument),
        a % SLOTS,
    )


@prefers("python", 1, is_callable)
def call_proxy(world: World, a: int, b: int, c: int) -> None:
    """The JsProxy of a PyProxy, called from Python."""
    node = world.python[b % SLOTS]
    # A JsProxy made after the destruction isn't even callable.
    if isinstance(node, ProxyNode) and node.target.kind == "function" and not node.destroyed:
        world.expect(
            lambda: world.real[b % SLOTS](world.real[c % SLOTS]),
            lambda: model.call_js(lambda argument: model.call_python(node, argument), world.python[c % SLOTS]),
            a % SLOTS,
        )


@prefers("python", 1, is_node)
def identity(world: World, a: int, b: int, c: int) -> None:
    world.expect(
        lambda: js["identity"](world.real[b % SLOTS]), lambda: model.call_js(lambda x: x, world.python[b % SLOTS]), a % SLOTS
    )


@prefers("python", 1, is_node)
def pair(world: World, a: int, b: int, c: int) -> None:
    """An array of two arguments: their temporary proxies are destroyed in it."""

    def body(one: Any, other: Any) -> JsNode:
        node = JsNode("array")
        node.items = [one, other]
        return node

    world.expect(
        lambda: js["pair"](world.real[b % SLOTS], world.real[c % SLOTS]),
        lambda: model.call_js(body, world.python[b % SLOTS], world.python[c % SLOTS]),
        a % SLOTS,
    )


@prefers("javascript", 0, is_proxy)
def destroy(world: World, a: int, b: int, c: int) -> None:
    node = world.javascript[a % SLOTS]
    if isinstance(node, ProxyNode):
        world.expect(lambda: js["destroy"](a % SLOTS), lambda: setattr(node, "destroyed", True))


@prefers("javascript", 1, is_proxy)
def copy(world: World, a: int, b: int, c: int) -> None:
    node = world.javascript[b % SLOTS]

    def body() -> None:
        fresh = world.javascript[a % SLOTS] = ProxyNode(node.alive(), node.roundtrip)
        fresh.share(node.attributes)

    if isinstance(node, ProxyNode):
        world.expect(lambda: js["copy"](a % SLOTS, b % SLOTS), body)


@prefers("javascript", 0, is_listed)
def push(world: World, a: int, b: int, c: int) -> None:
    node, new = world.javascript[a % SLOTS], world.javascript[b % SLOTS]
    if not is_listed(node):
        return

    def body() -> None:
        if isinstance(node, JsNode):
            node.items.append(new)
        else:
            node.target.items.append(model.to_py(new))

    world.expect(lambda: js["push"](a % SLOTS, b % SLOTS), body)


@prefers("javascript", 1, is_listed)
def pop(world: World, a: int, b: int, c: int) -> None:
    node = world.javascript[b % SLOTS]

    def body() -> None:
        items = node.items if isinstance(node, JsNode) else node.target.items
        world.javascript[a % SLOTS] = model.to_js(items.pop())

    if is_listed(node) and model.reachable([node]) and (node.items if isinstance(node, JsNode) else node.target.items):
        world.expect(lambda: js["pop"](a % SLOTS, b % SLOTS), body)


@prefers("javascript", 1, is_listed)
def item_in_javascript(world: World, a: int, b: int, c: int) -> None:
    node = world.javascript[b % SLOTS]

    def body() -> None:
        items = node.items if isinstance(node, JsNode) else node.target.items
        world.javascript[a % SLOTS] = model.to_js(items[c % 4]) if c % 4 < len(items) else None

    if is_listed(node):
        world.expect(lambda: js["item"](a % SLOTS, b % SLOTS, c % 4), body)


@prefers("javascript", 1, is_listed)
def spread(world: World, a: int, b: int, c: int) -> None:
    node = world.javascript[b % SLOTS]

    def body() -> None:
        result = JsNode("array")
        items = node.items if isinstance(node, JsNode) else node.target.items
        result.items = [model.to_js(value) for value in items]
        world.javascript[a % SLOTS] = result

    if is_listed(node):
        world.expect(lambda: js["spread"](a % SLOTS, b % SLOTS), body)


@prefers("python", 1, is_list)
def to_js(world: World, a: int, b: int, c: int) -> None:
    """One level of a list."""
    value, node = world.real[b % SLOTS], world.python[b % SLOTS]

    def modelled() -> JsNode:
        result = JsNode("array")
        result.items = [result if wanted is node else model.to_js(wanted) for wanted in node.items]
        return result

    if isinstance(node, PyNode) and node.kind == "list":
        world.expect(lambda: objects.ffi.to_js(value, depth=1), modelled, a % SLOTS)


def collect(world: World, a: int, b: int, c: int) -> None:
    gc.collect()
    objects.ffi.collect()


def check_lives(world: World, a: int, b: int, c: int) -> None:
    if a % 4 == 0:
        world.check_lives()


OPERATIONS: list[Operation] = [
    new_object, new_python, new_python, primitive, copy_variable, drop_variable, create_proxy, destroy_proxy, unwrap_proxy,
    get_attribute, set_attribute, set_attribute, delete_attribute, append, append, take, item, length, store, store,
    store_for_good, load, load, move, drop, get, get, put, put, remove, call, call, call_and_catch, apply, apply, call_proxy,
    identity, pair, destroy, copy, push, push, pop, item_in_javascript, spread, to_js, collect, check_lives,
]  # fmt: skip


def generate(seed: int) -> list[Step]:
    """The program of a seed."""
    source = random.Random(seed)
    few = source.sample(range(len(OPERATIONS)), source.randint(8, len(OPERATIONS)))
    return [
        (source.choice(few), source.randrange(1 << 12), source.randrange(1 << 12), source.randrange(1 << 12))
        for _ in range(source.choice((10, 40, 150)))
    ]


def run(program: list[Step], settle: Callable[[], None]) -> None:
    """Runs a program.

    Raises:
        Disagreement: at the first step that is not as the model says.
    """
    world = World(settle)
    for number, (operation, a, b, c) in enumerate(program):
        try:
            OPERATIONS[operation](world, a, b, c)
            world.check()
        except Disagreement as error:
            raise Disagreement(f"step {number}, {OPERATIONS[operation].__name__}({a}, {b}, {c}): {error}") from error
    world.check_lives()
    world.end()


def show(program: list[Step]) -> str:
    return "\n".join(
        f"  ({operation}, {a}, {b}, {c}),  # {OPERATIONS[operation].__name__}" for operation, a, b, c in program
    )
