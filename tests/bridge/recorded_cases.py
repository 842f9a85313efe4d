"""What is asked of the reference and of Isthmus alike: snippets and a description of their outcome.

Runs in both, so it uses only what both have. A case is a name and Python source; the value of its last expression (or
the exception) is the outcome. `record.mjs` asks the reference, `the tests` asks Isthmus.
"""

import ast
import array
import collections
import ctypes

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


class Case:
    """One snippet in a namespace of its own."""

    def __init__(self, is_pyproxy):
        from pyodide import ffi
        from pyodide.code import run_js
        import js

        self.ffi = ffi
        self.describe_js = run_js(DESCRIBE)(is_pyproxy)
        self.names = {name: getattr(ffi, name) for name in ffi.__all__}
        self.names.update(run_js=run_js, js=js, array=array, collections=collections, ctypes=ctypes, J=run_js)

    def describe(self, value):
        kind = type(value)
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
        names = dict(self.names)
        tree = ast.parse(source)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        try:
            exec(compile(tree, "<case>", "exec"), names)
            value = eval(compile(ast.Expression(last.value), "<case>", "eval"), names) if last else None
            return self.describe(value)
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
    """The cases of a file: `# name` lines, each followed by its source."""
    cases = {}
    name = None
    for line in text.splitlines():
        if line.startswith("# "):
            name = line[2:].strip()
            assert name not in cases, name
            cases[name] = ""
        elif line.strip():
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
