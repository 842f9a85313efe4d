"""What is asked of the reference and of Isthmus alike: snippets and a description of their outcome.

Runs in both, so it uses only what both have. A case is a name and Python source; the value of its last expression (or
the exception) is the outcome. A source with an `await` at top level runs on the event loop. `record.mjs` asks the
reference, the tests ask Isthmus.
"""

import ast
import array
import asyncio
import collections
import copy
import ctypes
import functools
import gc
import inspect
import pickle
import sys
import types
import typing

DESCRIBE = r"""(isPyProxy) => {
  function describe(x, seen) {
    if (x === null) return 'null';
    if (typeof x === 'string') return JSON.stringify(x);
    if (typeof x === 'bigint') return x + 'n';
    if (typeof x === 'number') return Object.is(x, -0) ? '-0' : String(x);
    if (typeof x !== 'object' && typeof x !== 'function') return String(x);
    if (isPyProxy(x)) { try { return 'PyProxy(' + x.type + ')' } catch (e) { return 'destroyed PyProxy' } }
    if (typeof x === 'function') return 'function';
    if (seen.includes(x)) return 'ref' + seen.indexOf(x);
    seen.push(x);
    const all = (items) => items.map((y) => describe(y, seen)).join(', ');
    if (Array.isArray(x)) return '[' + all(Array.from({length: x.length}, (_, i) => i in x ? x[i] : Symbol('hole'))) + ']';
    if (ArrayBuffer.isView(x) && !(x instanceof DataView)) return x.constructor.name + '[' + Array.from(x).join(' ') + ']';
    if (x instanceof ArrayBuffer) return 'ArrayBuffer(' + x.byteLength + ')';
    if (x instanceof Map) return 'Map{' + all([...x].flat()) + '}';
    if (x instanceof Set) return 'Set{' + all([...x]) + '}';
    if (x instanceof Error) return x.name + ': ' + x.message;
    const name = x.constructor?.name ?? 'null';
    return name + '{' + Object.entries(x).map(([k, v]) => k + ': ' + describe(v, seen)).join(', ') + '}';
  }
  return (x) => describe(x, []);
}"""


# Applies functions to one proxy, one after the other, and tells what each gives. The texts of an engine's own errors
# differ between engines: only the class of such an error is told, unless `m` asks for more.
PROBE = r"""(describe, classes) => {
  const failure = (error) => {
    if (error === null || typeof error !== 'object') return 'throws ' + describe(error);
    if (error.name === 'PythonError') return `PythonError ${error.type}: ${error.message.trim().split('\n').at(-1)}`;
    return error.name === 'Error' ? `Error: ${error.message}` : error.name;
  };
  const m = (attempt) => { try { return attempt() } catch (error) { return `${error.name}: ${error.message}` } };
  const compile = (source) => (0, eval)(`(function (m, c) { return ${source} })`)(m, classes);
  const tries = (object, ...sources) => sources.map((source) => {
    try { return describe(compile(source)(object)) } catch (error) { return failure(error) }
  });
  const later = async (object, ...sources) => {
    const answers = [];
    for (const source of sources) {
      try { answers.push(describe(await compile(source)(object))) } catch (error) { answers.push(failure(error)) }
    }
    return answers;
  };
  return [tries, later];
}"""

# typeof, the classes it is an instance of, and the names its prototypes have (but for private ones).
FEATURES = r"""(o) => {
  const classes = Object.keys(c).filter((name) => o instanceof c[name]).sort().join(' ');
  const names = new Set();
  for (let at = Object.getPrototypeOf(o); at !== Object.prototype && at !== Function.prototype; at = Object.getPrototypeOf(at)) {
    for (const key of Reflect.ownKeys(at)) names.add(typeof key === 'symbol' ? `@${key.description.split('.').at(-1)}` : key);
  }
  for (const name of ['$$flags', '_ensure_future', 'prototype', '@pyproxy']) names.delete(name);
  return [typeof o, o.type, Object.prototype.toString.call(o), classes, [...names].sort().join(' ')].join(' | ');
}"""

KINDS = (
    "JsProxy JsDoubleProxy JsCallable JsPromise JsBuffer JsTypedArray JsArray JsMap JsMutableMap JsIterable JsIterator "
    "JsGenerator JsAsyncIterable JsAsyncIterator JsAsyncGenerator JsException"
).split()


SIGNATURES = (
    "BindClass Deep Default Json Js2PyConverter Js2PyConverterMeta Py2JsConverter Py2JsConverterMeta JsFuncSignature "
    "default_signature func_to_sig func_to_sig_inner js2py_deep py2js_deep"
).split()


HTTP = ("AbortError", "BodyUsedError", "FetchResponse", "HttpStatusError", "pyfetch")


class Outcome(str):
    """A description already."""


class Case:
    """One snippet in a namespace of its own."""

    def __init__(self, is_pyproxy, classes, set_debug):
        from pyodide import ffi
        from pyodide.code import run_js
        import js

        self.ffi = ffi
        self.describe_js = run_js(DESCRIBE)(is_pyproxy)
        self.names = {name: getattr(ffi, name) for name in ffi.__all__}
        self.names.update(run_js=run_js, js=js, array=array, collections=collections, ctypes=ctypes, J=run_js)
        # What a call gives or raises; what JavaScript sees of a value; the classes of proxies it is an instance of.
        self.names.update(T=self.attempt, D=lambda x: Outcome(self.describe_js(x)), K=self.kinds)

        # What signatures are written with.
        from _pyodide import jsbind

        self.names.update((name, getattr(jsbind, name)) for name in SIGNATURES)
        self.names.update((name, getattr(typing, name)) for name in ("Annotated", "Any", "Optional"))
        self.names.update(Future=asyncio.Future, typing=typing, asyncio=asyncio, functools=functools)
        self.names.update(types=types, sys=sys, copy=copy, pickle=pickle, ffi=ffi, ast=ast)
        from pyodide import code, http

        self.names.update((name, getattr(http, name)) for name in HTTP)
        self.names.update((name, getattr(code, name)) for name in code.__all__)

        tries, later = run_js(PROBE)(self.describe_js, classes)
        self.names.update(classes=classes, set_debug=set_debug, later=later)
        self.names["tries"] = lambda value, *sources: tries(value, *sources).to_py()
        self.names["features"] = lambda value: tries(value, FEATURES).to_py()[0]

    def attempt(self, function, *arguments):
        try:
            return Outcome(self.describe(function(*arguments)))
        except BaseException as error:
            return Outcome("raises " + self.failure(error))

    def kinds(self, value):
        return Outcome(" ".join(name for name in KINDS if isinstance(value, getattr(self.ffi, name))))

    def describe(self, value):
        kind = type(value)
        if kind is Outcome:
            return str(value)
        if isinstance(value, BaseException) and not isinstance(value, self.ffi.JsException):
            return f"{kind.__name__}: {value}"
        if isinstance(value, self.ffi.JsProxy):
            return f"js {self.describe_js(value)}"
        if kind in (list, tuple, set, frozenset):
            return f"{kind.__name__}({', '.join(map(self.describe, value))})"
        if kind is dict:
            return "{" + ", ".join(f"{self.describe(k)}: {self.describe(v)}" for k, v in value.items()) + "}"
        if kind is memoryview:
            return f"memoryview({value.format} {value.shape} {value.readonly} {value.tolist()})"
        if kind.__module__ == "__main__" or "object at 0x" in repr(value):
            return f"<{kind.__name__}>"
        return f"{kind.__name__} {value!r}"

    def outcome(self, source):
        """The outcome of a source; a coroutine of it where the source awaits."""
        # Python 3.11 can't parse within a parse, as a finalizer does that shows a traceback (gh-106905).
        gc.disable()
        try:
            tree = ast.parse(source)
        finally:
            gc.enable()
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        codes = [(tree, "exec")] + ([(ast.Expression(last.value), "eval")] if last else [])
        codes = [compile(code, "<case>", mode, flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT) for code, mode in codes]
        names = dict(self.names)
        if any(code.co_flags & inspect.CO_COROUTINE for code in codes):
            return self.run_async(codes, names)
        try:
            results = [eval(code, names) for code in codes]
            return self.describe(results[-1])
        except BaseException as error:
            return "raises " + self.failure(error)

    async def run_async(self, codes, names):
        try:
            for code in codes:
                result = eval(code, names)
                if code.co_flags & inspect.CO_COROUTINE:
                    result = await result
            return self.describe(result)
        except BaseException as error:
            return "raises " + self.failure(error)

    def failure(self, error):
        if isinstance(error, self.ffi.JsException):
            # The texts of an engine's own errors differ between engines.
            text = f": {error.message}" if error.name == "Error" else ""
            return f"JsException {error.name}{text}"
        text = f"{type(error).__name__}: {error}"
        cause = error.__cause__
        return text if cause is None else f"{text} <- {self.failure(cause)}"


def read(text):
    """The cases of a file: `# name` lines, each followed by its source; `## ` lines are headings."""
    cases = {}
    name = None
    for line in text.splitlines():
        if line.startswith("# "):
            name = line[2:].strip()
            assert name not in cases, name
            cases[name] = ""
        elif line.strip() and not line.startswith("## "):
            cases[name] += line + "\n"
    return cases


def load(name):
    """Name, source and the reference's outcome of each case in recorded/NAME.cases."""
    import json
    from pathlib import Path

    folder = Path(__file__).parent / "recorded"
    cases = read((folder / f"{name}.cases").read_text())
    answers = json.loads((folder / f"{name}.json").read_text())["answers"]
    assert cases.keys() == answers.keys(), f"record {name}.cases again (record.mjs)"
    return [(label, source, answers[label]) for label, source in cases.items()]
