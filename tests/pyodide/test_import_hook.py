"""JavaScript objects as modules. The proxies are fakes, the import system is real."""

from __future__ import annotations

import importlib
import importlib.util
import sys

import pytest
from pyodide.ffi import register_js_module, unregister_js_module


@pytest.fixture
def module(proxy):
    registered = proxy(a=1, b=proxy(c=2, deep=proxy(d=3)))
    register_js_module("js_test_module", registered)
    yield registered
    unregister_js_module("js_test_module")
    for name in [name for name in sys.modules if name.startswith("js_test_module")]:
        del sys.modules[name]


def test_the_proxy_is_the_module(module):
    import js_test_module

    assert js_test_module is module
    assert module.__name__ == "js_test_module"
    assert module.__package__ == "js_test_module"
    assert module.__path__ == []
    assert module.__spec__.origin == "javascript"
    assert module.__spec__.loader is module.__loader__
    assert importlib.reload(module) is module
    assert importlib.util.find_spec("js_test_module").origin == "javascript"


def test_submodules_are_proxies_among_the_attributes(module):
    import js_test_module.b.deep as deep
    from js_test_module import a
    from js_test_module.b import c

    assert (a, c, deep.d) == (1, 2, 3)
    assert sys.modules["js_test_module.b"] is module.b
    for name in ("js_test_module.a", "js_test_module.nothing", "js_test_module.b.nothing"):
        with pytest.raises(ModuleNotFoundError, match=f"^No module named '{name}'$") as caught:
            importlib.import_module(name)
        assert caught.value.name == name
    with pytest.raises(ImportError, match="cannot import name 'nothing' from 'js_test_module'"):
        from js_test_module import nothing  # noqa: F401


def test_python_modules_come_first(proxy):
    register_js_module("colorsys", proxy(fake=True))
    import colorsys

    assert not hasattr(colorsys, "fake")
    unregister_js_module("colorsys")


def test_replaced_and_unregistered(module, proxy):
    import js_test_module

    register_js_module("js_test_module", proxy(a=2))
    assert importlib.import_module("js_test_module") is js_test_module, "what was imported stays"
    del sys.modules["js_test_module"]
    assert importlib.import_module("js_test_module").a == 2


def test_unregistered_modules_are_gone(proxy):
    register_js_module("js_gone", proxy())
    unregister_js_module("js_gone")
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("js_gone")


def test_errors(proxy):
    with pytest.raises(TypeError, match=r"^Argument 'name' must be a str, not 'int'$"):
        register_js_module(5, 5)
    with pytest.raises(TypeError, match=r"^Argument 'jsproxy' must be a JsProxy, not 'int'$"):
        register_js_module("a", 5)
    for name in ("zzz", 5):
        with pytest.raises(ValueError) as caught:
            unregister_js_module(name)
        assert str(caught.value) == f"Cannot unregister {name!r}: no Javascript module with that name is registered"


def test_one_finder_at_the_end(module, proxy):
    register_js_module("js_other", proxy())
    unregister_js_module("js_other")
    names = [type(finder).__name__ for finder in sys.meta_path]
    assert names.count("JsFinder") == 1
