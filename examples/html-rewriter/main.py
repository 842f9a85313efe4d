import asyncio
import json

from js import HTMLRewriter
from pyodide.ffi import create_proxy
from workers import Response, WorkerEntrypoint

PAGE = """<!doctype html>
<title>Notes</title>
<body>
<nav></nav>
<p>Read <a href="http://old.example.com/a">this</a>, then <a href="/b">that</a>.</p>
<img src="http://old.example.com/c.png">
<!-- to do: more -->
</body>
"""


class Move:
    """Rewrites an attribute that names the old host."""

    def __init__(self, attribute):
        self.attribute = attribute

    def element(self, element):
        value = element.getAttribute(self.attribute)
        if value:
            element.setAttribute(self.attribute, value.replace("http://old.", "https://www."))


class Page:
    """What happens to the document as a whole, for one request."""

    def __init__(self):
        self.words = 0

    def comments(self, comment):
        comment.remove()

    def text(self, text):
        self.words += len(text.text.split())

    def end(self, end):
        end.append(f"<!-- {self.words} words -->\n", html=True)


class Menu:
    """Fills an element with what has to be waited for."""

    async def element(self, element):
        element.setInnerContent(await menu(), html=True)


async def menu():
    await asyncio.sleep(0.01)
    return "".join(f"<b>{name}</b>" for name in json.loads('["Home", "Notes"]'))


# Handlers that keep nothing of a request serve all of them.
LINKS = HTMLRewriter.new()
for selector, attribute in {"a[href]": "href", "img[src]": "src"}.items():
    LINKS.on(selector, create_proxy(Move(attribute)))
LINKS.on("nav", create_proxy(Menu()))


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        page = Response(PAGE, headers={"content-type": "text/html; charset=utf-8"})
        moved = LINKS.transform(page.js_object)
        return HTMLRewriter.new().onDocument(create_proxy(Page())).transform(moved)
