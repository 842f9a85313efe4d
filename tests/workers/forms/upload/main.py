import js
from workers import File, Response, WorkerEntrypoint


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        if request.url.endswith("/refused"):
            try:
                await request.form_data()
            except Exception as error:
                return Response.json({"error": type(error).__name__, "text": str(error)})
        if request.url.endswith("/js"):
            form = await request.js_object.formData()
            return Response.json([[entry[0], entry[1].name if hasattr(entry[1], "name") else entry[1]] for entry in form])
        form = await request.form_data()
        entries = []
        for name, value in form.items():
            if isinstance(value, File):
                content = await value.bytes()
                entries.append([name, value.name, value.content_type, value.size, content.hex()])
            else:
                entries.append([name, value])
        return Response.json(
            {
                "entries": entries,
                "has": ["title" in form, "other" in form],
                "all": form.get_all("tag"),
                "names": list(form),
                "used": request.js_object.bodyUsed,
                "kind": js.Object.prototype.toString.call(form.js_object),
            }
        )
