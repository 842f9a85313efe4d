"""Ways to recurse through both languages: conversions and texts. Run by test_recursion.py."""

from __future__ import annotations

import fresh
from recursion import DEEP, way


@way
def to_js_converters(reached):
    class Own:
        pass

    def convert(value, convert_, cache):
        reached()
        return fresh.ffi.to_js([Own()], default_converter=convert)

    fresh.ffi.to_js([Own()], default_converter=convert)


@way
def to_js_converters_that_convert(reached):
    class Own:
        pass

    def convert(value, convert_, cache):
        reached()
        return convert_([Own()])

    fresh.ffi.to_js([Own()], default_converter=convert)


@way
def to_js_dict_converters(reached):
    def convert(entries):
        reached()
        return fresh.ffi.to_js({"a": 1}, dict_converter=convert)

    fresh.ffi.to_js({"a": 1}, dict_converter=convert)


@way
def to_js_eager_converters(reached):
    def convert(value, convert_, cache):
        reached()
        return convert_([value, []])

    fresh.ffi.to_js([1, []], eager_converter=convert)


@way
def to_py_converters(reached):
    make = fresh.run_js("() => { class Own {}; return [new Own()]; }")

    def convert(value, convert_, cache):
        reached()
        return make().to_py(default_converter=convert)

    make().to_py(default_converter=convert)


@way
def to_py_converters_that_convert(reached):
    make = fresh.run_js("() => { class Own {}; return [new Own()]; }")

    def convert(value, convert_, cache):
        reached()
        return convert_(make())

    make().to_py(default_converter=convert)


@way
def to_py_of_getters(reached):
    fresh.run_js("globalThis.recursive = { get x() { return globalThis.again(); } }")

    def again():
        reached()
        return fresh.ffi.global_this().recursive.to_py()

    fresh.ffi.global_this().again = again
    again()


@way
def iteration_while_converting(reached):
    class Endless(dict):
        def __iter__(self):
            reached()
            fresh.ffi.to_js(self)
            return super().__iter__()

        def items(self):
            reached()
            fresh.ffi.to_js(self)
            return super().items()

        def __len__(self):
            reached()
            fresh.ffi.to_js(self)
            return 1

    fresh.ffi.to_js(Endless(a=1))
    raise RecursionError("a dict's own data are read")


@way
def a_deep_list_to_js(reached):
    reached.depth = DEEP
    deep: list = []
    for _ in range(DEEP):
        deep = [deep]
    fresh.ffi.to_js(deep)


@way
def a_deep_dict_to_js(reached):
    reached.depth = DEEP
    deep: dict = {}
    for _ in range(DEEP):
        deep = {"a": deep}
    fresh.ffi.to_js(deep)


@way
def a_deep_object_to_py(reached):
    reached.depth = DEEP
    fresh.run_js("(() => { let deep = {}; for (let i = 0; i < 100000; i++) deep = { deep }; return deep; })()").to_py()


@way
def a_deep_map_to_py(reached):
    reached.depth = DEEP
    source = "(() => { let deep = new Map(); for (let i = 0; i < 100000; i++) deep = new Map([[1, deep]]); return deep; })()"
    fresh.run_js(source).to_py()


@way
def json_of_python(reached):
    stringify = fresh.run_js("(x) => JSON.stringify(x)")

    class Endless:
        def toJSON(self, *_):
            reached()
            return stringify(self)

    stringify(Endless())


@way
def json_of_javascript(reached):
    target = fresh.run_js("({ toJSON() { return globalThis.again(); } })")
    stringify = fresh.run_js("JSON.stringify")

    def again():
        reached()
        return stringify(target)

    fresh.ffi.global_this().again = again
    stringify(target)


@way
def json_of_a_deep_list_of_python(reached):
    reached.depth = DEEP
    deep: list = []
    for _ in range(DEEP):
        deep = [deep]
    fresh.run_js("(x) => JSON.stringify(x)")(deep)


@way
def json_of_a_cyclic_list_of_python(reached):
    reached.depth = DEEP
    cyclic: list = []
    cyclic.append(cyclic)
    fresh.run_js("(x) => JSON.stringify(x)")(cyclic)


@way
def json_of_a_cyclic_dict_of_python(reached):
    reached.depth = DEEP
    cyclic: dict = {}
    cyclic["self"] = cyclic
    fresh.run_js("(x) => JSON.stringify(x)")(cyclic)


@way
def json_parse_with_a_reviver(reached):
    parse = fresh.run_js("(f) => JSON.parse('[1]', f)")

    def revive(*_):
        reached()
        return parse(revive)

    parse(revive)


@way
def flattened_lists_of_python(reached):
    reached.depth = DEEP
    cyclic: list = []
    cyclic.append(cyclic)
    fresh.run_js("(x) => [x].flat(Infinity).length")(cyclic)
    raise RecursionError("a PyProxy is no array to flat")


@way
def joined_lists_of_python(reached):
    reached.depth = DEEP
    cyclic: list = []
    cyclic.append(cyclic)
    fresh.run_js("(x) => { let s = x; for (let i = 0; i < 1000000; i++) s = [s]; return String(s); }")(cyclic)
