import js
from workers import Blob, File, FormData, Request, Response, WorkerEntrypoint


async def shown(form):
    entries = []
    for name, value in form.items():
        if isinstance(value, File):
            value = [value.name, value.content_type, (await value.bytes()).decode()]
        entries.append([name, value])
    return entries


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        kind = request.url.rpartition("/")[2]
        form = FormData({"a": "1", "file": File(b"from bytes", "n.txt", content_type="text/x")})
        form.append("blob", Blob(["from ", b"a blob"]), "given.bin")
        form["a"] = "ü"
        if kind == "form":
            return Response(form)
        if kind == "both":
            response = Response(form)
            again = Request("http://example.com", method="POST", body=form.js_object)
            return Response.json([await shown(await response.form_data()), await shown(await again.form_data())])
        if kind == "large":
            # Parts that are shared with the answer and never joined.
            part = js.Blob.new(["x" * (1 << 20)])
            return Response(js.Blob.new([part, "|", part, part.slice(0, 1)]))
        clone = Response(form).js_object.clone()
        return Response(await clone.blob())
