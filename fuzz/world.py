"""The two worlds of a program: the variables on the bridge and those of the model, compared step by step."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from typing import Any

import model
import objects
from model import Failure, JsNode, Node, ProxyNode, PyNode
from objects import js

SLOTS = 5
"""Variables of each side."""


class Disagreement(AssertionError):
    """The bridge did something else than the model."""


class World:
    """The variables of one run: real ones and the model's."""

    def __init__(self, settle: Callable[[], None]) -> None:
        self.settle = settle
        self.real: list[Any] = [None] * SLOTS
        self.python: list[Any] = [None] * SLOTS
        self.javascript: list[Any] = [None] * SLOTS
        self.nodes: list[Node] = []
        self.bound: list[Node] = []
        """Objects that functions were taken from: the functions' proxies, wherever they are, hold them as `this`."""
        js["reset"]()
        forget_exceptions()
        settle()
        self.base = objects.ffi.live()

    def expect(self, real: Callable[[], Any], modelled: Callable[[], Any], into: int | None = None) -> None:
        """Does both and compares what became of it; a result may become the variable `into`."""
        value = wanted = failed = raised = None
        try:
            wanted = modelled()
        except Failure as failure:
            failed = failure.category
        try:
            value = real()
        except Exception as error:
            raised = objects.category(error)
        if raised != failed:
            raise Disagreement(f"raised {raised}, expected {failed}")
        if failed is None:
            self.compare(value, wanted)
            if into is not None:
                self.real[into], self.python[into] = value, wanted

    def compare(self, value: Any, wanted: Any) -> None:
        """Whether a real value of Python is what the model says."""
        if isinstance(wanted, PyNode):
            agrees = value is wanted.watch()
        elif isinstance(wanted, Node):
            agrees = objects.ffi.js_flags(value) >= 0 and objects.is_double(value) is isinstance(wanted, ProxyNode)
        else:
            agrees = type(value) is type(wanted) and value == wanted
        if not agrees:
            raise Disagreement(f"{type(value)} came, expected {wanted!r}")

    def check(self) -> None:
        """Compares all variables: their kinds, and which are the same objects."""
        for first in range(SLOTS):
            self.compare(self.real[first], self.python[first])
            for second in range(first):
                one, other = self.python[first], self.python[second]
                if isinstance(one, (JsNode, ProxyNode)) and isinstance(other, (JsNode, ProxyNode)):
                    if (self.real[first] == self.real[second]) is not (one is other):
                        raise Disagreement(f"variables {first} and {second} are (not) the same object")
        same = "".join("1" if alike(one, other) else "0" for one in self.javascript for other in self.javascript)
        if js["same"]() != same:
            raise Disagreement(f"identities in JavaScript: {js['same']()}, expected {same}")
        kinds = ",".join(map(typeof, self.javascript))
        if js["kinds"]() != kinds:
            raise Disagreement(f"types in JavaScript: {js['kinds']()}, expected {kinds}")

    def check_lives(self) -> None:
        """What can be reached lives; what cannot is gone, but for cycles through both heaps."""
        forget_exceptions()
        self.settle()
        alive = model.reachable([*self.python, *self.javascript])
        garbage = set(self.nodes) - alive
        spared = model.may_survive(model.reachable(garbage) - alive) | (model.reachable(self.bound) - alive)
        for node in self.nodes:
            if not isinstance(node, PyNode):
                continue
            living = node.watch() is not None
            if living is not (node in alive) and not (living and node in spared):
                raise Disagreement(f"a {node.kind} is {'still alive' if living else 'gone too early'}")
        self.nodes = [node for node in self.nodes if node.watch() is not None or node in alive]
        proxies = objects.ffi.live()[1] - self.base[1]
        least = sum(isinstance(node, ProxyNode) for node in alive)
        if proxies < least or (not spared and proxies > least):
            raise Disagreement(f"{proxies} PyProxies live, expected {least}")

    def end(self) -> None:
        """Gives up everything, cycles too: then nothing may be left."""
        js["reset"]()
        self.real.clear()
        for node in self.nodes:
            held = node.watch()
            if held is not None:
                held.__dict__.clear()
                if isinstance(held, list):
                    held.clear()
                held = None
        forget_exceptions()
        self.settle()
        gc.collect()
        if objects.ffi.live() != self.base:
            raise Disagreement(f"in the end {objects.ffi.live()} proxies live, {self.base} at the beginning")


def alike(one: Any, other: Any) -> bool:
    return one is other if isinstance(one, Node) or isinstance(other, Node) else type(one) is type(other) and one == other or (
        type(one) in (int, float) and type(other) in (int, float) and one == other
    )


def typeof(value: Any) -> str:
    if isinstance(value, ProxyNode):
        return "function" if value.target.kind == "function" else "object"
    if isinstance(value, Node):
        return "object"
    return {type(None): "undefined", bool: "boolean", str: "string"}.get(type(value), "number")


def forget_exceptions() -> None:
    for name in ("last_exc", "last_value", "last_type", "last_traceback"):
        sys.__dict__.pop(name, None)
