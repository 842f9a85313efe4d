"""relaxed_call where the recorded answers do not reach: lifetimes, decorators, callables of every kind."""

from __future__ import annotations

import functools
import gc
import weakref

import pytest
from pyodide.code import relaxed_call, relaxed_wrap


class Handler:
    def fetch(self, request):
        return request

    def any(*arguments):
        return arguments[1:]

    @functools.cache  # noqa: B019
    def cached(self, request):
        return request

    def __call__(self, request, *, named=2):
        return request, named


def decorated(function):
    @functools.wraps(function)
    def wrapper(*arguments, **named):
        return function(*arguments, **named)

    return wrapper


def test_nothing_is_kept_alive():
    references = []

    def call():
        handler, held = Handler(), Handler()
        references.extend([weakref.ref(handler), weakref.ref(held)])
        assert relaxed_call(handler.fetch, 1, 2, 3) == 1
        assert relaxed_call(lambda request: held and request, 1, 2) == 1

    call()
    gc.collect()
    assert [reference() for reference in references] == [None, None]


def test_decorators():
    class Decorated(Handler):
        fetch = decorated(decorated(Handler.fetch))

    assert relaxed_call(Decorated().fetch, 1, 2, 3) == 1
    assert relaxed_call(decorated(lambda a, b=5: (a, b)), 1, 2, 3) == (1, 2)
    with pytest.raises(TypeError, match="missing a required argument: 'request'"):
        relaxed_call(Decorated().fetch)


def test_a_signature_of_its_own():
    def function(*arguments):
        return arguments

    import inspect

    function.__signature__ = inspect.signature(lambda a: None)
    assert relaxed_call(function, 1, 2) == (1,)


def test_callables():
    assert relaxed_call(Handler().any, 1, 2) == (1, 2)
    assert relaxed_call(Handler.any, 1, 2) == (2,)
    assert relaxed_call(Handler().cached, 1) == 1
    assert relaxed_call(Handler(), 1, 2, named=3, other=4) == (1, 3)
    assert relaxed_call(functools.partial(lambda a, b, c: (a, b, c), 1), 2, 3, 4) == (1, 2, 3)
    with pytest.raises(TypeError):
        relaxed_call(5)


def test_keywords_of_bound_methods():
    class Named:
        def method(self, a, b=1, *, c=2):
            return a, b, c

    assert relaxed_call(Named().method, 1, b=3, c=4, d=5) == (1, 3, 4)
    assert relaxed_call(Named().method, 1, self=9) == (1, 1, 2)


def test_wrap_keeps_the_name():
    @relaxed_wrap
    def function(a):
        """Text."""
        return a

    assert function(1, 2, b=3) == 1
    assert (function.__name__, function.__doc__) == ("function", "Text.")
