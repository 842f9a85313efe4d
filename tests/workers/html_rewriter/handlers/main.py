import asyncio

import js
from js import HTMLRewriter, Object
from pyodide.ffi import create_proxy, to_js
from workers import Response, WorkerEntrypoint

PAGE = '<!DOCTYPE html><body><!--note--><p class="x">one<b>two</b></p><a href="/old" title="t">link</a></body>'


def html(text=PAGE):
    return js.Response.new(text, headers=js.Headers.new([["content-type", "text/html"]]))


class Everything:
    """Each kind of handler, as methods of one object."""

    def __init__(self):
        self.seen = []

    def element(self, element):
        self.seen.append([element.tagName, {name: value for name, value in element.attributes}])
        element.onEndTag(create_proxy(lambda tag: self.seen.append("/" + tag.name)))

    def comments(self, comment):
        self.seen.append("!" + comment.text)
        comment.text = "seen"

    def text(self, chunk):
        if not chunk.lastInTextNode:
            self.seen.append(chunk.text)
            chunk.replace(chunk.text.upper())

    def doctype(self, doctype):
        self.seen.append(doctype.name)

    def end(self, end):
        end.append("<!--end-->", html=True)


class Slow:
    """Waits before it does anything."""

    async def element(self, element):
        await asyncio.sleep(0.005)
        element.before("<i>", html=True)
        await asyncio.sleep(0.005)
        element.after(js.Response.new("</i>"))


async def objects():
    everything = Everything()
    proxy = create_proxy(everything)
    text = await HTMLRewriter.new().on("*", proxy).transform(html()).text()
    return {"text": text, "seen": everything.seen}


async def document():
    everything = Everything()
    proxy = create_proxy(everything)
    text = await HTMLRewriter.new().onDocument(proxy).transform(html()).text()
    return {"text": text, "seen": everything.seen}


async def functions():
    """A dictionary of functions."""
    count = 0

    def link(element):
        nonlocal count
        count += 1
        element.setAttribute("href", element.getAttribute("href") + f"?{count}")
        return element

    handlers = to_js({"element": link}, dict_converter=Object.fromEntries)
    rewriter = HTMLRewriter.new().on("a[href]", handlers)
    return {"text": [await rewriter.transform(html()).text() for _ in range(2)]}


async def lambdas():
    handlers = Object.new()
    handlers.element = create_proxy(lambda element: element.remove())
    return {"text": await HTMLRewriter.new().on("p, a", handlers).transform(html()).text()}


async def slow():
    rewriter = HTMLRewriter.new().on("b", create_proxy(Slow()))
    texts = await asyncio.gather(*(rewriter.transform(html()).text() for _ in range(3)))
    return {"text": list(texts)}


async def options():
    handlers = Object.new()

    def element(element):
        element.before("<1>").before("<2>", html=True).before("<3>", to_js({"html": True}, dict_converter=Object.fromEntries))
        element.setInnerContent(None).append("<4>", html=False)

    handlers.element = create_proxy(element)
    return {"text": await HTMLRewriter.new().on("b", handlers).transform(html("<b>x</b>")).text()}


async def missing():
    seen = []
    handlers = Object.new()
    handlers.element = create_proxy(
        lambda element: seen.append([not element.getAttribute("none"), element.removed])
    )
    await HTMLRewriter.new().on("b", handlers).transform(html()).text()
    return {"seen": seen}


CASES = [objects, document, functions, lambdas, slow, options, missing]


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        name = request.url.rpartition("/")[2]
        if name == "stream":
            # Straight to the client, at its pace.
            page = js.Response.new("<a>x</a>" * 50_000, headers=js.Headers.new([["content-length", "400000"]]))
            handlers = Object.new()
            handlers.element = create_proxy(lambda element: element.setAttribute("n", "1"))
            return HTMLRewriter.new().on("a", handlers).transform(page)
        return Response.json(await next(case for case in CASES if case.__name__ == name)())
