"""Evaluates the cases; the same file runs in the reference (record.mjs) and in our tests."""

import asyncio
import json
import types


def describe(value):
    """A JSON value that tells type and content."""
    if isinstance(value, BaseException):
        if isinstance(value, SyntaxError):
            return ["raises", "SyntaxError"]
        return ["raises", type(value).__name__, str(value)]
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, *map(describe, value)]
    return [type(value).__name__, repr(value)]


async def answer(case):
    scope = {"asyncio": asyncio}
    exec(
        "from pyodide.code import *\nfrom pyodide.ffi import JsBigInt, jsnull, JsNull\nfrom pyodide.http import *",
        scope,
    )
    try:
        exec(case.get("setup", ""), scope)
        value = eval(case["expression"], scope)
        if isinstance(value, types.CoroutineType) and case.get("await"):
            value = await value
    except BaseException as exception:
        value = exception
    return describe(value)


async def answer_all(cases):
    answers = [json.dumps(await answer(case)) for case in json.loads(cases)]
    return "[\n" + ",\n".join(answers) + "\n]"
