import asyncio

import js
from js import HTMLRewriter, Object
from pyodide.ffi import JsException, create_proxy
from workers import Response, WorkerEntrypoint


def html(text):
    return js.Response.new(text, headers=js.Headers.new([["content-type", "text/html"]]))


def on_each(selector, element):
    handlers = Object.new()
    handlers.element = create_proxy(element)
    return HTMLRewriter.new().on(selector, handlers)


def raises_second(seen):
    def element(element):
        seen.append(element.tagName)
        if len(seen) == 2:
            raise ValueError("no more of this")

    return element


async def raising():
    """What a handler raises is what the reader gets."""
    seen = []
    try:
        await on_each("a", raises_second(seen)).transform(html("<a><a><a>")).text()
    except ValueError as error:
        return {"error": str(error), "seen": seen}
    return {}


async def raising_later():
    async def element(element):
        await asyncio.sleep(0.005)
        raise KeyError("late")

    try:
        await on_each("a", element).transform(html("<a><a>")).text()
    except KeyError as error:
        return {"error": repr(error)}
    return {}


async def broken_input():
    """A body that breaks off in the middle of a tag."""
    def start(controller):
        controller.enqueue(js.TextEncoder.new().encode("<a>x</a><a hr"))

    def pull(controller):
        controller.error(js.Error.new("the line is dead"))

    source = Object.new()
    source.start, source.pull = create_proxy(start), create_proxy(pull)
    seen = []
    try:
        await on_each("a", lambda element: seen.append(1)).transform(html(js.ReadableStream.new(source))).text()
    except JsException as error:
        return {"error": error.message, "seen": seen}
    return {}


async def cancelled_input():
    """A handler that raises gives up the rest of the body."""
    cancelled = []
    source = Object.new()
    source.pull = create_proxy(lambda controller: controller.enqueue(js.TextEncoder.new().encode("<a>")))
    source.cancel = create_proxy(lambda reason: cancelled.append(type(reason).__name__))

    def element(element):
        raise ValueError("enough")

    try:
        await on_each("a", element).transform(html(js.ReadableStream.new(source))).text()
    except ValueError:
        pass
    return {"cancelled": len(cancelled)}


async def dead_token():
    kept = []
    await on_each("a", kept.append).transform(html("<a>")).text()
    try:
        kept[0].tagName
    except JsException as error:
        return {"error": error.message[:41]}
    return {}


async def borrowed():
    """An object that is not handed over dies with the call of `on`."""

    class Handler:
        def element(self, element):
            raise AssertionError("called")

    rewriter = HTMLRewriter.new().on("a", Handler())
    try:
        await rewriter.transform(html("<a>")).text()
    except JsException as error:
        return {"error": "destroyed" in error.message}
    return {}


async def bad_selector():
    try:
        HTMLRewriter.new().on("a:hover", None)
    except JsException as error:
        return {"error": f"{error.name}: {error.message}"}
    return {}


async def waiting():
    """Nothing can be waited for below a JavaScript frame; the handler says so and the next one runs."""
    from pyodide.ffi import run_sync

    errors = []

    def element(element):
        try:
            run_sync(asyncio.sleep(0))
        except RuntimeError as error:
            errors.append(type(error).__name__)

    await on_each("a", element).transform(html("<a><a>")).text()
    return {"errors": errors}


CASES = [raising, raising_later, broken_input, cancelled_input, dead_token, borrowed, bad_selector, waiting]


cancelled = 0


def endless():
    """A page without end that counts how often it was given up."""
    source = Object.new()
    source.pull = create_proxy(lambda controller: controller.enqueue(js.TextEncoder.new().encode("<a>x</a>" * 1000)))

    def cancel(reason):
        global cancelled
        cancelled += 1
        print(f"cancelled {cancelled}")

    source.cancel = create_proxy(cancel)
    return html(js.ReadableStream.new(source))


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        name = request.url.rpartition("/")[2]
        if name == "endless":
            return on_each("a", lambda element: element.append("!")).transform(endless())
        if name == "broken":
            # It is on its way when the handler raises.
            page = html("<p>start</p>" * 50_000 + "<a>")

            def element(element):
                raise ValueError("in the middle")

            return on_each("a", element).transform(page)
        if name == "at-once":

            def element(element):
                raise ValueError("at the start")

            return on_each("a", element).transform(html("<a>"))
        return Response.json(await next(case for case in CASES if case.__name__ == name)())
