"""Timers and event listeners that keep the proxy of a Python callback for as long as it can be called, and free it then
(spec/ffi.md §5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import JsDomElement, JsProxy, create_once_callable, create_proxy

__all__ = [
    "add_event_listener",
    "clear_interval",
    "clear_timeout",
    "remove_event_listener",
    "set_interval",
    "set_timeout",
]

_listeners: dict[tuple[int, str, Callable[[Any], object]], JsProxy] = {}
_timeouts: dict[int, JsProxy] = {}
_intervals: dict[int, JsProxy] = {}


def _timer_id(timer: int | JsProxy) -> int:
    """A timer is a number, or an object under nodejs_compat."""
    return timer if isinstance(timer, int) else timer.js_id


def add_event_listener(elt: JsDomElement, event: str, listener: Callable[[Any], object]) -> None:
    """`elt.addEventListener(event, listener)`; as there, adding the same listener again changes nothing."""
    key = elt.js_id, event, listener
    if key not in _listeners:
        proxy = create_proxy(listener)
        elt.addEventListener(event, proxy)
        _listeners[key] = proxy


def remove_event_listener(elt: JsDomElement, event: str, listener: Callable[[Any], object]) -> None:
    """`elt.removeEventListener(event, listener)`; KeyError if `add_event_listener` did not add it."""
    proxy = _listeners.pop((elt.js_id, event, listener))
    elt.removeEventListener(event, proxy)
    proxy.destroy()


def set_timeout(callback: Callable[[], object], timeout: int) -> int | JsProxy:
    """Calls `callback()` once, after `timeout` milliseconds; returns what `clear_timeout` takes."""
    from js import setTimeout

    key = -1

    def expire() -> None:
        _timeouts.pop(key, None)
        callback()

    proxy = create_once_callable(expire)
    timer = setTimeout(proxy, timeout)
    key = _timer_id(timer)
    _timeouts[key] = proxy
    return timer


def clear_timeout(timeout_retval: int | JsProxy) -> None:
    """Ends a timer of `set_timeout`; an unknown one is ignored."""
    from js import clearTimeout

    clearTimeout(timeout_retval)
    if (proxy := _timeouts.pop(_timer_id(timeout_retval), None)) is not None:
        proxy.destroy()


def set_interval(callback: Callable[[], object], interval: int) -> int | JsProxy:
    """Calls `callback()` every `interval` milliseconds; returns what `clear_interval` takes."""
    from js import setInterval

    proxy = create_proxy(callback)
    timer = setInterval(proxy, interval)
    _intervals[_timer_id(timer)] = proxy
    return timer


def clear_interval(interval_retval: int | JsProxy) -> None:
    """Ends a timer of `set_interval`; an unknown one is ignored."""
    from js import clearInterval

    clearInterval(interval_retval)
    if (proxy := _intervals.pop(_timer_id(interval_retval), None)) is not None:
        proxy.destroy()
