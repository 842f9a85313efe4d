import js
from js import HTMLRewriter, Object
from pyodide.ffi import create_proxy
from workers import Response, WorkerEntrypoint

CASES = {
    "replace": ("include", '<p><esi:include src="a"/>x</p>', lambda element: element.replace("<b>in</b>", html=True)),
    "open": ("include", '<p><esi:include src="a">x</p>y', lambda element: element.replace("R")),
    "insert": ("include", '<p><esi:include src="a">x</p>', lambda element: element.before("B").prepend("P").append("A").after("F")),
    "comment": ("comment", '<p><esi:comment text="a">x</p>', lambda element: element.replace("R")),
    "remove": ("remove", "<p><esi:remove>x</esi:remove>y</p>", lambda element: element.replace("R")),
    "child": ("include > i", '<p><esi:include src="a"><i>x</i></p>', lambda element: element.replace("R")),
    "end tag": ("include", '<p><esi:include src="a">x</esi:include>y</p>', lambda element: element.after(refusal(element))),
}


def refusal(element):
    try:
        element.onEndTag(create_proxy(print))
    except Exception as error:
        return f"{error.name}: {error.message}"


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        results = {}
        for name, (selector, text, handler) in CASES.items():
            handlers = Object.new()
            handlers.element = create_proxy(handler)
            page = js.Response.new(text)
            results[name] = await HTMLRewriter.new().on(f"esi\\:{selector}", handlers).transform(page).text()
        return Response.json(results)
