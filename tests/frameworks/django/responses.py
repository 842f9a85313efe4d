"""Kinds of responses and streams."""

import asyncio
import datetime
import io

from django.http import (
    FileResponse,
    HttpResponse,
    HttpResponseGone,
    HttpResponseNotAllowed,
    HttpResponseNotModified,
    HttpResponsePermanentRedirect,
    HttpResponseRedirect,
    JsonResponse,
    StreamingHttpResponse,
)
from django.shortcuts import render
from django.utils.cache import patch_cache_control, patch_vary_headers


def cookies() -> HttpResponse:
    response = HttpResponse("cookies")
    response.set_cookie("a", "1", max_age=None, httponly=True, samesite="Strict")
    response.set_cookie("b", "two, words; é", path="/x", secure=True)
    response.set_signed_cookie("signed", "value", salt="s")
    response.delete_cookie("c")
    return response


def several() -> HttpResponse:
    response = HttpResponse("x", content_type="text/plain; charset=latin-1", reason="Own Reason", status=299)
    response.headers["X-Own"] = "own"
    response["X-Number"] = 5
    patch_vary_headers(response, ["Accept", "Cookie"])
    patch_cache_control(response, max_age=60, public=True)
    return response


KINDS = {
    "text": lambda: HttpResponse("t\u00e9xt", content_type="text/plain; charset=utf-8"),
    "bytes": lambda: HttpResponse(bytes(range(256)), content_type="application/octet-stream"),
    "iterator": lambda: HttpResponse(iter(["a", b"b", "c"])),
    "json": lambda: JsonResponse({"day": datetime.date(2026, 2, 28), "text": "\u2028\u00fc"}),
    "list": lambda: JsonResponse([1, None], safe=False),
    "cookies": cookies,
    "several": several,
    "redirect": lambda: HttpResponseRedirect("/?\u00e9=1"),
    "moved": lambda: HttpResponsePermanentRedirect("https://other.test/"),
    "gone": lambda: HttpResponseGone("gone"),
    "not-allowed": lambda: HttpResponseNotAllowed(["GET", "PUT"]),
    "not-modified": lambda: HttpResponseNotModified(),
    "long": lambda: HttpResponse("compressible " * 200),
    "file": lambda: FileResponse(io.BytesIO(b"a,b\n1,2\n"), as_attachment=True, filename="d\u00e4t\u00e4.csv"),
    "inline": lambda: FileResponse(io.BytesIO(b"x" * 10_000), filename="a.txt"),
}


def named(request, name):
    if name == "template":
        return render(request, "page.html", {"items": ["<a>", "b"], "day": datetime.date(2026, 2, 28)}, status=203)
    return KINDS[name]()


def empty(request, code):
    return HttpResponse(status=code)


def numbers():
    for number in range(5):
        yield f"{number}\n"


async def numbers_async():
    for number in range(5):
        await asyncio.sleep(0)
        yield f"async {number}\n"


def streamed(request, name):
    if name == "sync":
        return StreamingHttpResponse(numbers(), content_type="text/plain")
    if name == "async":
        return StreamingHttpResponse(numbers_async(), content_type="text/plain")
    if name == "large":
        return StreamingHttpResponse(bytes([number]) * 65536 for number in range(64))
    return StreamingHttpResponse([], status=202)
