"""The feature flags of proxies (crates/bridge/src/jsproxy/flags.rs)."""

from __future__ import annotations

from enum import IntFlag

__all__ = ["Flag"]


class Flag(IntFlag):
    """What a JavaScript object can do; the same numbers as in crates/bridge/src/jsproxy/flags.rs."""

    CALLABLE = 1 << 0
    AWAITABLE = 1 << 1
    ITERABLE = 1 << 2
    ITERATOR = 1 << 3
    ASYNC_ITERABLE = 1 << 4
    ASYNC_ITERATOR = 1 << 5
    HAS_LENGTH = 1 << 6
    HAS_GET = 1 << 7
    HAS_SET = 1 << 8
    HAS_HAS = 1 << 9
    HAS_INCLUDES = 1 << 10
    HAS_DISPOSE = 1 << 11
    HAS_ASYNC_DISPOSE = 1 << 12
    BUFFER = 1 << 13
    TYPEDARRAY = 1 << 14
    ARRAY = 1 << 15
    ARRAY_LIKE = 1 << 16
    GENERATOR = 1 << 17
    ASYNC_GENERATOR = 1 << 18
    DOUBLE_PROXY = 1 << 19
    ERROR = 1 << 20
    OBJECT_MAP = 1 << 21
    PY_JSON_DICT = 1 << 22
    PY_JSON_SEQUENCE = 1 << 23
    HEREDITARY = 1 << 24


# Plain numbers: testing one costs far less than with the enumeration.
CALLABLE = int(Flag.CALLABLE)
AWAITABLE = int(Flag.AWAITABLE)
ITERATOR = int(Flag.ITERATOR)
ASYNC_ITERABLE = int(Flag.ASYNC_ITERABLE)
ASYNC_ITERATOR = int(Flag.ASYNC_ITERATOR)
HAS_SET = int(Flag.HAS_SET)
HAS_DISPOSE = int(Flag.HAS_DISPOSE)
HAS_ASYNC_DISPOSE = int(Flag.HAS_ASYNC_DISPOSE)
GENERATOR = int(Flag.GENERATOR)
ASYNC_GENERATOR = int(Flag.ASYNC_GENERATOR)
DOUBLE_PROXY = int(Flag.DOUBLE_PROXY)
OBJECT_MAP = int(Flag.OBJECT_MAP)
PY_JSON_DICT = int(Flag.PY_JSON_DICT)
PY_JSON_SEQUENCE = int(Flag.PY_JSON_SEQUENCE)
HEREDITARY = int(Flag.HEREDITARY)
ARRAY = int(Flag.ARRAY)
ARRAY_LIKE = int(Flag.ARRAY_LIKE)
TYPEDARRAY = int(Flag.TYPEDARRAY)
SEQUENCE = ARRAY | ARRAY_LIKE
MAP_LIKE = int(Flag.HAS_GET | Flag.HAS_LENGTH | Flag.ITERABLE)
MAPPING = int(Flag.OBJECT_MAP | Flag.PY_JSON_DICT)
PY_JSON = int(Flag.PY_JSON_DICT | Flag.PY_JSON_SEQUENCE)
NO_OBJECT = int(
    Flag.ARRAY | Flag.TYPEDARRAY | Flag.BUFFER | Flag.DOUBLE_PROXY | Flag.ITERATOR | Flag.CALLABLE | Flag.ERROR
)
