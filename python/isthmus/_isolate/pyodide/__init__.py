"""The package that Workers know as Pyodide's, on native CPython. Submodules load on first use."""

__version__ = "314.0.7"

__all__ = ["__version__", "code", "console", "ffi", "http", "webloop"]


def __getattr__(name: str) -> object:
    if name in __all__:
        from importlib import import_module

        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
