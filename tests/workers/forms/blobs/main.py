import js
from pyodide.ffi import to_js
from workers import Blob, File, Response, WorkerEntrypoint


def refused(parts):
    try:
        js.Blob.new(parts)
    except Exception as error:
        return str(error)


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        if request.url.endswith("/body"):
            return Response(js.Blob.new(["from a blob"], type="text/x"))
        blob = Blob(["ab", b"cd", bytearray(b"ef"), memoryview(b"gh"), Blob("ij")], content_type="Text/X")
        part = blob.slice(1, -1)
        file = File(blob, "name.txt", last_modified=7)
        chunks = [bytes(chunk.to_bytes()) async for chunk in blob.js_object.stream()]
        cloned = js.structuredClone(to_js({"file": file.js_object}, dict_converter=js.Object.fromEntries)).file
        # What a blob was made of may change afterwards.
        source = bytearray(b"before")
        kept = Blob([source])
        source[:] = b"after!"
        return Response.json(
            {
                "blob": [blob.size, blob.content_type, await blob.text(), (await blob.bytes()).decode()],
                "slice": [part.size, await part.text()],
                "file": [file.name, file.last_modified, file.content_type, file.size, await file.text()],
                "chunks": b"".join(chunks).decode(),
                "cloned": [cloned.name, cloned.lastModified, cloned.type, await cloned.text()],
                "endings": await Blob("a\r\nb", endings="native").text(),
                "kept": await kept.text(),
                "empty": await Blob([]).text(),
                "request": (await Blob(await request.js_object.blob()).text()),
                "refused": refused(5),
            }
        )
