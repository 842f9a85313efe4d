"""pyodide.http over fake Response and fetch: texts and types as the reference's (asked with Node's own Response)."""

from __future__ import annotations

import asyncio
import json
import pickle

import pytest
from pyodide.ffi import JsException
from pyodide.http import AbortError, BodyUsedError, FetchResponse, HttpStatusError, open_url, pyfetch


class FakeBuffer:
    def __init__(self, data: bytes) -> None:
        self.data = data

    def to_bytes(self):
        return self.data

    def to_memoryview(self):
        return memoryview(self.data)

    def _into_file(self, file):
        file.write(self.data)


class FakeResponse:
    def __init__(self, body=b"body", status=200, statusText="", url="", headers=()):
        self.body, self.status, self.statusText, self.url = body, status, statusText, url
        self.ok = 200 <= status < 300
        self.redirected, self.type, self.bodyUsed = False, "default", False
        self._headers = list(headers)

    @property
    def headers(self):
        return self

    def entries(self):
        return iter(self._headers)

    async def text(self):
        self.bodyUsed = True
        return self.body.decode()

    async def arrayBuffer(self):
        self.bodyUsed = True
        return FakeBuffer(self.body)

    def clone(self):
        return FakeResponse(self.body, self.status, self.statusText, self.url, self._headers)


class Signal:
    def __init__(self):
        self.aborted, self.reason = False, None


class Controller:
    def __init__(self):
        self.signal = Signal()

    new = classmethod(lambda cls: cls())

    def abort(self, reason=None):
        self.signal.aborted = True
        self.signal.reason = JsException("AbortError", "This operation was aborted") if reason is None else reason


def response(*arguments, **options):
    return FetchResponse("http://host/path", FakeResponse(*arguments, **options))


def test_properties():
    got = response(
        b"x", 404, "Not Found", "http://host/other", headers=[["a", "b"], ["set-cookie", "1"], ["set-cookie", "2"]]
    )
    assert (got.status, got.status_text, got.ok, got.url) == (404, "Not Found", False, "http://host/other")
    assert (got.redirected, got.type, got.body_used) == (False, "default", False)
    assert got.headers == {"a": "b", "set-cookie": "2"}
    assert got.abort_controller is None
    assert got.abort_signal is None


@pytest.mark.parametrize("status", [200, 301, 400, 404, 599])
def test_raise_for_status(status):
    got = response(b"", status, "Text", "http://host/")
    if status < 400:
        assert got.raise_for_status() is None
        return
    with pytest.raises(HttpStatusError) as caught:
        got.raise_for_status()
    kind = "Client" if status < 500 else "Server"
    assert str(caught.value) == f"{status} {kind} Error: Text for url: http://host/"
    assert (caught.value.status, caught.value.status_text, caught.value.url) == (status, "Text", "http://host/")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_bodies(tmp_path):
    async def main():
        assert await response().text() == "body"
        assert await response().string() == "body"
        assert await response().bytes() == b"body"
        assert bytes(await response().memoryview()) == b"body"
        assert (await response().buffer()).to_bytes() == b"body"
        assert await response(b'{"a": [1, null]}').json() == {"a": [1, None]}
        assert await response(b"[1.5]").json(parse_float=str) == ["1.5"]
        with pytest.raises(json.JSONDecodeError):
            await response(b"no").json()
        with open(tmp_path / "file", "wb") as file:
            await response()._into_file(file)
        assert (tmp_path / "file").read_bytes() == b"body"

    asyncio.run(main())


READERS = ["text", "string", "json", "bytes", "memoryview", "buffer", "unpack_archive"]


@pytest.mark.parametrize("reader", READERS)
def test_used_and_aborted_bodies(reader):
    async def main():
        used = response()
        await used.text()
        assert used.body_used
        with pytest.raises(BodyUsedError, match="^Response body is already used$"):
            await getattr(used, reader)()
        with pytest.raises(BodyUsedError):
            used.clone()
        for reason, text in ((None, "This operation was aborted"), ("why", "why"), (JsException("E", "own"), "own")):
            controller = Controller()
            aborted = FetchResponse("http://u/", FakeResponse(), controller, controller.signal)
            aborted.abort(reason)
            with pytest.raises(AbortError, match=f"^{text}$"):
                await getattr(aborted, reader)()

    asyncio.run(main())


def test_abort_needs_a_controller():
    with pytest.raises(ValueError, match="^abort_controller is not set$"):
        response().abort()


def test_clone():
    async def main():
        first = response()
        second = first.clone()
        assert await first.text() == "body"
        assert not second.body_used
        assert await second.text() == "body"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("name", "format"),
    [("a.zip", None), ("a.whl", None), ("a", "zip"), ("a.tar.gz", None), ("a.tgz", "gztar"), ("b", "whl")],
)
def test_unpack_archive(tmp_path, name, format):
    import shutil

    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "inner.txt").write_text("inside")
    kind = "gztar" if "t" in name else "zip"
    data = open(shutil.make_archive(str(tmp_path / "made"), kind, tmp_path / "source"), "rb").read()

    async def main():
        archive = FetchResponse(f"http://host/{name}?query", FakeResponse(data))
        await archive.unpack_archive(extract_dir=str(tmp_path / "out"), format=format)

    asyncio.run(main())
    assert (tmp_path / "out" / "inner.txt").read_text() == "inside"


@pytest.fixture(autouse=True)
def browser(js):
    class Request:
        def __init__(self, url):
            self.url = url

        new = classmethod(lambda cls, url, options=None: cls(url))

    class AbortSignal:
        @staticmethod
        def any(signals):
            return signals[0]

    js.AbortController, js.AbortSignal, js.Request = Controller, AbortSignal, Request
    js.Object = type("Object", (), {"fromEntries": dict})
    return js


def test_pyfetch(browser):
    async def main():
        calls = []

        async def fetch(request, options):
            calls.append((request, options))
            return FakeResponse(b"fetched")

        browser.fetch = fetch
        got = await pyfetch("http://a/", method="POST", headers={"x": "y"})
        assert await got.text() == "fetched"
        request, options = calls.pop()
        assert request.url == "http://a/"
        assert options["method"] == "POST"
        assert options["headers"] == {"x": "y"}
        assert options["signal"] is got.abort_signal is got.abort_controller.signal
        assert got.js_request.url == "http://a/"
        made = browser.Request.new("http://b/")
        got = await pyfetch(made, fetcher=fetch)
        assert calls[0][0] is made is got.js_request
        signal = Signal()
        got = await pyfetch(made, signal=signal)
        assert got.abort_signal is signal

    asyncio.run(main())


def test_pyfetch_errors(browser):
    async def main():
        async def rejects(request, options):
            raise JsException("TypeError", "fetch failed")

        with pytest.raises(AbortError, match="^fetch failed$") as caught:
            await pyfetch("http://a/", fetcher=rejects)
        assert isinstance(caught.value, OSError)

        async def raises(request, options):
            raise KeyError("own")

        with pytest.raises(KeyError):
            await pyfetch("http://a/", fetcher=raises)
        signals = []

        async def waits(request, options):
            signals.append(options["signal"])
            await asyncio.sleep(100)

        task = asyncio.create_task(pyfetch("http://a/", fetcher=waits))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert signals[0].aborted

    asyncio.run(main())


def test_open_url(browser):
    from isthmus._runtime.loop import IsolateLoop

    class Engine:
        jobs_pending = staticmethod(bool)
        run_jobs = staticmethod(lambda: None)
        before_poll = staticmethod(lambda busy: None)
        entry_depth = staticmethod(int)

    async def fetch(request, options):
        await asyncio.sleep(0)
        return FakeResponse(b"line 1\nline 2")

    async def main():
        return open_url("http://a/").readlines()

    browser.fetch = fetch
    with asyncio.Runner(loop_factory=lambda: IsolateLoop(Engine())) as runner:
        assert runner.run(main()) == ["line 1\n", "line 2"]
