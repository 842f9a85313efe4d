"""Before the first fork: fills the free places in memory that isolates will share.

An isolate that allocates 64 bytes in a free place of a shared page gets a copy of the whole page. With no such places its
allocations lie side by side in pages of their own. What fills them is never freed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["fill"]

_kept: list[Any] = []

_STEP = 16
"""Bytes between the size classes of CPython's allocator."""
_LARGEST = 512
"""Bytes; larger objects come from the C library's allocator."""
_IN_A_ROW = 8
"""So many neighbours one after the other come from a fresh pool, not from holes."""
_MOST = 20_000
"""Objects per size class at most, should the allocator not behave as expected (`PYTHONMALLOC`)."""

_BYTES_OVERHEAD = bytes().__sizeof__()


def _makers() -> Iterator[tuple[int, Callable[[int], object]]]:
    yield 16, lambda _: object()
    yield 32, lambda count: count + 0.5
    for size in range(48, _LARGEST + _STEP, _STEP):
        length = size - _BYTES_OVERHEAD
        yield size, lambda _, length=length: bytes(length)


def fill() -> None:
    """Fills the free blocks of every size class of CPython's allocator."""
    for size, make in _makers():
        last, in_a_row = 0, 0
        for count in range(_MOST):
            made = make(count)
            _kept.append(made)
            address = id(made)
            in_a_row = in_a_row + 1 if address == last + size else 0
            if in_a_row >= _IN_A_ROW:
                break
            last = address
