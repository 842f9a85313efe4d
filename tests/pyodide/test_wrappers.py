"""Timers and listeners keep a proxy exactly as long as it can be called."""

from __future__ import annotations

import pytest
from pyodide.ffi import wrappers


@pytest.fixture
def timers(js):
    running = {}

    def start(proxy, delay):
        number = len(running) + 1
        running[number] = proxy
        return number

    js.setTimeout = js.setInterval = start
    js.clearTimeout = js.clearInterval = lambda number: running.pop(number, None)
    return running


def test_timeout(timers):
    log = []
    number = wrappers.set_timeout(lambda: log.append("rang"), 5)
    assert number in wrappers._timeouts
    timers[number].function()
    assert log == ["rang"]
    assert number not in wrappers._timeouts
    wrappers.clear_timeout(number)


def test_cleared_timeout_frees_its_proxy(timers):
    number = wrappers.set_timeout(print, 5)
    proxy = timers[number]
    wrappers.clear_timeout(number)
    wrappers.clear_timeout(number)
    wrappers.clear_timeout(12345)
    assert proxy.destroyed == 1
    assert not timers
    assert not wrappers._timeouts


def test_interval(timers):
    log = []
    number = wrappers.set_interval(lambda: log.append("tick"), 5)
    proxy = timers[number]
    proxy.function()
    proxy.function()
    assert log == ["tick", "tick"]
    wrappers.clear_interval(number)
    wrappers.clear_interval(number)
    assert proxy.destroyed == 1
    assert not wrappers._intervals


def test_timer_objects(timers, js, proxy):
    timer = proxy()
    js.setTimeout = lambda callback, delay: timer
    js.clearTimeout = lambda cleared: None
    assert wrappers.set_timeout(print, 5) is timer
    wrappers.clear_timeout(timer)
    assert not wrappers._timeouts


def test_listeners(proxy):
    calls = []
    element = proxy(
        addEventListener=lambda event, listener: calls.append(("add", event, listener)),
        removeEventListener=lambda event, listener: calls.append(("remove", event, listener)),
    )

    def listener(event):
        """Never called here."""

    wrappers.add_event_listener(element, "x", listener)
    wrappers.add_event_listener(element, "x", listener)
    wrappers.add_event_listener(element, "y", listener)
    assert [call[:2] for call in calls] == [("add", "x"), ("add", "y")]
    wrappers.remove_event_listener(element, "x", listener)
    assert calls[2] == ("remove", "x", calls[0][2])
    assert calls[0][2].destroyed == 1
    assert calls[1][2].destroyed == 0
    with pytest.raises(KeyError):
        wrappers.remove_event_listener(element, "x", listener)
    wrappers.remove_event_listener(element, "y", listener)
    assert not wrappers._listeners
