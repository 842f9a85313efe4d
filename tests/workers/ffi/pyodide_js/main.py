import __main__
import js
import pyodide_js
from pyodide.ffi import create_proxy
from pyodide_js import version
from workers import Response, WorkerEntrypoint

pyodide_js.runPython("counter = 1")


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        lines = []
        keep = create_proxy(lines.append)
        pyodide_js.setStdout(batched=keep)
        print("captured")
        pyodide_js.setStdout()
        print("logged")
        keep.destroy()
        found = {
            "sync": pyodide_js.runPython("counter += 1; counter"),
            "async": await pyodide_js.runPythonAsync("import asyncio\nawait asyncio.sleep(0, 'slept')"),
            "globals": sorted(name for name in vars(__main__) if not name.startswith("__")),
            "lines": lines,
            "version": version == "314.0.7",
            "global": hasattr(js, "pyodide"),
        }
        return Response.json(found)
