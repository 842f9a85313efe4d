"""`pyodide.http` over JavaScript's own Request and Response, against the reference's recorded answers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from recorded_cases import load

Run = Callable[[Coroutine[Any, Any, Any]], Any]

# Where we differ on purpose.
OWN = {
    # Outside of a browser the reference forgets an import.
    "xhr fails": "raises XHRError: XMLHttpRequest failed: Error: no <- JsException Error: no",
    "xhr network error": "raises XHRNetworkError: Network error for POST http://h/ <- JsException NetworkError",
}


@pytest.mark.parametrize(("label", "source", "expected"), [pytest.param(*case, id=case[0]) for case in load("http")])
def test_recorded(case: Any, run: Run, label: str, source: str, expected: str) -> None:
    outcome = case.outcome(source)
    if inspect.iscoroutine(outcome):
        outcome = run(outcome)
    assert outcome == OWN.get(label, expected), label


def test_without_fetch_and_without_xmlhttprequest(run: Run) -> None:
    import js
    from pyodide.http import pyfetch, pyxhr

    assert not hasattr(js, "XMLHttpRequest")
    with pytest.raises(RuntimeError, match="no XMLHttpRequest here"):
        pyxhr.get("http://h/")
    if not hasattr(js, "fetch"):
        with pytest.raises(RuntimeError, match=r"no fetch\(\) here"):
            run(pyfetch("http://h/"))


def test_a_buffer_is_content(run: Run) -> None:
    import types

    from pyodide.code import run_js
    from pyodide.http.pyxhr import XHRResponse

    binary = run_js("new Uint8Array([0, 255]).buffer")
    assert XHRResponse(types.SimpleNamespace(response=binary)).content == b"\x00\xff"


def test_files_from_bodies(run: Run, tmp_path: Any) -> None:
    import shutil

    from pyodide.code import run_js
    from pyodide.ffi import to_js
    from pyodide.http import FetchResponse

    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "file.txt").write_text("inside")
    data = open(shutil.make_archive(str(tmp_path / "made"), "zip", tmp_path / "in"), "rb").read()
    make = run_js("(data) => new Response(data)")

    def response(url: str = "http://h/made.zip?query") -> FetchResponse:
        return FetchResponse(url, make(to_js(data)))

    async def main() -> None:
        await response().unpack_archive(extract_dir=str(tmp_path / "out" / "deep"))
        await response("http://h/x").unpack_archive(extract_dir=str(tmp_path / "other"), format=".whl")
        await response()._create_file(str(tmp_path / "copy.zip"))
        with pytest.raises(FileExistsError):
            await response()._create_file(str(tmp_path / "copy.zip"))
        with pytest.raises(ValueError, match="Unrecognized format nonsense"):
            await response().unpack_archive(format="nonsense")
        with pytest.raises(shutil.ReadError, match="Unknown archive format 'x'"):
            await response("http://h/x").unpack_archive()

    run(main())
    assert (tmp_path / "out" / "deep" / "file.txt").read_text() == "inside"
    assert (tmp_path / "other" / "file.txt").read_text() == "inside"
    assert (tmp_path / "copy.zip").read_bytes() == data
