"""The oracle: both heaps as plain Python data, and what the FFI does to them (spec/ffi.md).

A value in Python is a primitive, a `PyNode` (that very object), or a `JsNode` or `ProxyNode` (a JsProxy of it); a value in
JavaScript is a primitive, a `JsNode` or a `ProxyNode`. Nothing here touches the bridge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

NAMES = ("a", "b", "c")


class Failure(Exception):
    """What the modelled operation raises, by its category."""

    def __init__(self, category: str) -> None:
        super().__init__(category)
        self.category = category


class Node:
    """An object of one of the heaps, with its properties or attributes and its items."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.fields: dict[str, Any] = {}
        self.items: list[Any] = []

    def children(self) -> Iterable[Any]:
        return [*self.fields.values(), *self.items]


class JsNode(Node):
    """A JavaScript object of kind "object" or "array"."""


class PyNode(Node):
    """A Python object of kind "holder", "list" or "function"."""

    behaviour = 0
    """Of a function: what a call does."""
    depth = 0
    """Calls under way that call another function."""
    watch: Callable[[], Any] = staticmethod(lambda: None)
    """A weak reference to the object it stands for."""


class Attributes:
    """The proxies of attributes that a proxy and its copies handed out. They are not held by it."""

    def __init__(self) -> None:
        self.known: dict[PyNode, ProxyNode] = {}
        self.users = 0


class ProxyNode(Node):
    """A PyProxy: an object of JavaScript that stands for one of Python."""

    def __init__(self, target: PyNode, roundtrip: bool = False) -> None:
        super().__init__("proxy")
        self.target, self.roundtrip = target, roundtrip
        self._destroyed = False
        self.share(Attributes())

    def share(self, attributes: Attributes) -> None:
        self.attributes = attributes
        attributes.users += 1

    @property
    def destroyed(self) -> bool:
        return self._destroyed

    @destroyed.setter
    def destroyed(self, destroyed: bool) -> None:
        if self._destroyed or not destroyed:
            return
        self._destroyed = True
        self.attributes.users -= 1
        if self.attributes.users == 0:
            for attribute in self.attributes.known.values():
                attribute.destroyed = True

    def attribute(self, value: Any) -> Any:
        """The value of an attribute in JavaScript."""
        if not isinstance(value, PyNode):
            return value
        known = self.attributes.known.get(value)
        if known is None or known.destroyed:
            known = self.attributes.known[value] = ProxyNode(value)
        return known

    def children(self) -> Iterable[Any]:
        return [] if self.destroyed else [self.target]

    def alive(self) -> PyNode:
        if self.destroyed:
            raise Failure("destroyed")
        return self.target


def to_js(value: Any, temporaries: list[ProxyNode] | None = None) -> Any:
    """The implicit conversion to JavaScript."""
    if isinstance(value, PyNode):
        proxy = ProxyNode(value)
        if temporaries is not None:
            temporaries.append(proxy)
        return proxy
    return value


def to_py(value: Any) -> Any:
    """The implicit conversion to Python: a destroyed proxy arrives as an error, whatever it was made for."""
    if isinstance(value, ProxyNode):
        target = value.alive()
        return value if value.roundtrip else target
    return value


def call_js(body: Callable[..., Any], *arguments: Any) -> Any:
    """A call of a JavaScript function from Python: `body` gets and gives values of JavaScript."""
    temporaries: list[ProxyNode] = []
    try:
        result = body(*[to_js(argument, temporaries) for argument in arguments])
        converted = to_py(result)
        if isinstance(result, ProxyNode) and not result.roundtrip:
            result.destroyed = True
        return converted
    finally:
        for proxy in temporaries:
            proxy.destroyed = True


def call_python(proxy: Any, *arguments: Any) -> Any:
    """A call from JavaScript of what a variable holds."""
    if not isinstance(proxy, ProxyNode) or proxy.target.kind != "function":
        raise Failure("not callable")
    function = proxy.alive()
    return to_js(behave(function, [to_py(argument) for argument in arguments]))


def behave(function: PyNode, arguments: list[Any]) -> Any:
    """What `Function.__call__` (objects.py) does."""
    first = arguments[0] if arguments else None
    kept = function.fields.get("a")
    match function.behaviour:
        case 0:
            return first
        case 1:
            function.fields["a"] = first
            return function
        case 2:
            raise Failure("boom")
        case 3:
            return call_js(lambda value: value, first)
        case 4:
            if isinstance(kept, ProxyNode):
                kept.destroyed = True
            return kept
        case 5:
            function.fields.pop("a", None)
            return kept
        case _:
            if PyNode.depth > 8:
                raise Failure("boom")
            PyNode.depth += 1
            try:
                return call_js(call_python, kept, first)
            finally:
                PyNode.depth -= 1


def property_of(value: Any, name: str) -> Any:
    """`value[name]` in JavaScript."""
    if isinstance(value, JsNode):
        return value.fields.get(name)
    if isinstance(value, ProxyNode):
        return value.attribute(value.alive().fields.get(name))
    if value is None or value == "null":
        raise Failure("TypeError")
    return None


def set_property(value: Any, name: str, new: Any) -> None:
    """`value[name] = new` in JavaScript."""
    if isinstance(value, JsNode):
        value.fields[name] = new
    elif isinstance(value, ProxyNode):
        value.alive().fields[name] = to_py(new)
    elif value is None or value == "null":
        raise Failure("TypeError")


def reachable(roots: Iterable[Any]) -> set[Node]:
    """All nodes that the roots lead to."""
    found: set[Node] = set()
    pending = [root for root in roots if isinstance(root, Node)]
    while pending:
        node = pending.pop()
        if node not in found:
            found.add(node)
            pending += [child for child in node.children() if isinstance(child, Node)]
    return found


def may_survive(garbage: set[Node]) -> set[Node]:
    """Of unreachable nodes those that are part of, or held by, a cycle through both heaps."""
    held: set[Node] = set()
    for node in garbage:
        if isinstance(node, ProxyNode) and node not in held:
            beyond = reachable(node.children())
            if node in beyond:
                held |= beyond
    return held
