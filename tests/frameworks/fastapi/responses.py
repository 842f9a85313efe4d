"""Responses: models, status codes, headers, cookies, redirects, files, and classes of one's own."""

from pathlib import Path
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response, status
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse
from pydantic import BaseModel

router = APIRouter(prefix="/responses")
STATIC = Path(__file__).parent / "static"


class Public(BaseModel):
    name: str
    note: str | None = None
    count: int = 7


class Private(Public):
    password: str


class Csv(Response):
    media_type = "text/csv"

    def render(self, content: list[list[Any]]) -> bytes:
        return "\r\n".join(",".join(map(str, row)) for row in content).encode()


@router.get("/model", response_model=Public)
async def model():
    return Private(name="a", password="secret")


@router.get("/unset", response_model=Public, response_model_exclude_unset=True)
async def unset():
    return Public(name="a")


@router.get("/annotated")
async def annotated() -> list[Public]:
    return [Public(name="é", note="ü"), Public(name="b", count=1)]


@router.get("/broken", response_model=Public)
async def broken():
    return {"note": 5}


@router.get("/html", response_class=HTMLResponse)
async def html() -> str:
    return "<h1>é</h1>"


@router.get("/text", response_class=PlainTextResponse)
def text() -> str:
    return "plain"


@router.get("/csv", response_class=Csv)
async def csv():
    return Csv([[1, 2], ["a", "b"]])


@router.get("/json")
async def json():
    return JSONResponse({"a": [1, None, True, 1.5, "\u2028é"]}, status_code=202, headers={"X-Own": "1", "x-latin": "e"})


@router.get("/redirect")
async def redirect(to: str = "/responses/text"):
    return RedirectResponse(to, status_code=status.HTTP_303_SEE_OTHER)


@router.get("/cookies")
async def cookies(response: Response):
    response.set_cookie("a", "1", max_age=60, httponly=True, samesite="strict")
    response.set_cookie("b", "two words", path="/responses", secure=True)
    response.delete_cookie("c")
    response.headers["x-several"] = "yes"
    response.status_code = status.HTTP_201_CREATED
    return {"set": True}


@router.get("/error/{code}")
async def error(code: int):
    raise HTTPException(code, detail={"code": code}, headers={"x-error": "e"})


@router.get("/crash")
async def crash():
    raise RuntimeError("a mistake in the application")


@router.get("/empty/{code}")
async def empty(code: int):
    return Response(status_code=code, headers={"x-empty": "1"})


@router.get("/bytes")
async def all_bytes():
    return Response(bytes(range(256)) * 4, media_type="application/octet-stream")


@router.get("/file")
async def file():
    return FileResponse(STATIC / "numbers.txt", filename="n\xfcmbers.txt")


@router.get("/inline")
async def inline():
    return FileResponse(STATIC / "numbers.txt", content_disposition_type="inline", filename="a.txt")


@router.get("/long")
async def long():
    return {"text": "compressible " * 200}


@router.head("/head")
async def head():
    return Response(headers={"x-head": "yes"})


@router.api_route("/method", methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"], include_in_schema=False)
async def method(request: Request):
    return request.method
