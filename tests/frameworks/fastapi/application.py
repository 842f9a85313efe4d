"""What FastAPI documents of requests and responses, an application in parts."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import bodies
import dependencies
import parameters
import responses
import security
import sockets
import streams
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi.staticfiles import StaticFiles
from starlette.middleware.sessions import SessionMiddleware



@contextlib.asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, object]]:
    yield {"started": "yes"}


class Teapot(Exception):
    def __init__(self, name: str) -> None:
        self.name = name


app = FastAPI(title="cases", version="1.0", lifespan=lifespan)
app.add_middleware(GZipMiddleware, minimum_size=500)
app.add_middleware(SessionMiddleware, secret_key="not a secret", max_age=None)
app.add_middleware(CORSMiddleware, allow_origins=["https://app.test"], allow_methods=["GET", "PUT"], allow_headers=["x-token"])
app.add_middleware(TrustedHostMiddleware, allowed_hosts=["example.test", "*.example.test"])
for part in (parameters, bodies, responses, streams, dependencies, security, sockets):
    app.include_router(part.router)
app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static", html=True), name="static")


@app.middleware("http")
async def stamp(request: Request, call_next):
    response = await call_next(request)
    response.headers["x-stamp"] = request.method
    return response


@app.exception_handler(Teapot)
async def teapot(_: Request, error: Teapot) -> JSONResponse:
    return JSONResponse({"teapot": error.name}, status_code=418, headers={"x-handled": "yes"})


@app.exception_handler(RequestValidationError)
async def invalid(request: Request, error: RequestValidationError):
    if "plain" in request.query_params:
        return PlainTextResponse(f"invalid: {error.errors()[0]['loc']}", status_code=400)
    from fastapi.exception_handlers import request_validation_exception_handler

    return await request_validation_exception_handler(request, error)


@app.get("/teapot/{name}")
async def brew(name: str) -> None:
    raise Teapot(name)


@app.get("/state")
async def state(request: Request) -> dict[str, object]:
    return {"started": request.state.started}


@app.get("/scope")
async def scope(request: Request) -> dict[str, object]:
    return {
        "method": request.method,
        "path": request.scope["path"],
        "raw_path": request.scope["raw_path"].decode(),
        "query_string": request.scope["query_string"].decode(),
        "scheme": request.scope["scheme"],
        "http_version": request.scope["http_version"],
        "type": request.scope["type"],
        "url": str(request.url),
        "for": str(request.url_for("brew", name="a b")),
    }


@app.get("/session/{value}")
async def keep(request: Request, value: str) -> dict[str, str | None]:
    before = request.session.get("value")
    request.session["value"] = value
    return {"before": before}


sub = FastAPI()


@sub.get("/inner")
async def inner(request: Request) -> dict[str, str]:
    return {"root_path": request.scope["root_path"], "path": request.url.path}


app.mount("/mounted", sub)
