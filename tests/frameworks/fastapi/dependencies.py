"""Dependencies: functions, classes, with `yield`, nested, cached, for a whole router."""

import threading
from collections.abc import AsyncIterator, Iterator
from typing import Annotated

from fastapi import APIRouter, Depends, Header, HTTPException, Request

calls: list[str] = []


async def token(x_token: Annotated[str | None, Header()] = None) -> None:
    if x_token == "wrong":
        raise HTTPException(400, "wrong token")


router = APIRouter(prefix="/dependencies", dependencies=[Depends(token)])


async def common(q: str | None = None, skip: int = 0, limit: int = 10) -> dict[str, object]:
    return {"q": q, "skip": skip, "limit": limit}


class Pagination:
    def __init__(self, page: int = 1, size: int = 20) -> None:
        self.page, self.size = page, size


class Checker:
    def __init__(self, content: str) -> None:
        self.content = content

    def __call__(self, q: str = "") -> bool:
        return self.content in q


async def connection(request: Request) -> AsyncIterator[list[str]]:
    log = ["open"]
    request.state.log = log
    try:
        yield log
    finally:
        calls.append("closed " + request.url.path.rpartition("/")[2])


def synchronous() -> Iterator[bool]:
    yield threading.current_thread() is threading.main_thread()


def counted(request: Request) -> int:
    request.state.counted = getattr(request.state, "counted", 0) + 1
    return request.state.counted


def twice(first: Annotated[int, Depends(counted)]) -> int:
    return first * 10


@router.get("/common")
async def use_common(parameters: Annotated[dict, Depends(common)]):
    return parameters


@router.get("/class")
async def use_class(pagination: Annotated[Pagination, Depends()]):
    return vars(pagination)


@router.get("/callable")
async def use_callable(contains: Annotated[bool, Depends(Checker("bar"))]):
    return contains


@router.get("/yield")
async def use_yield(log: Annotated[list[str], Depends(connection)]):
    return log


@router.get("/yield-fails")
async def use_yield_fails(log: Annotated[list[str], Depends(connection)]):
    raise HTTPException(409, log)


@router.get("/closed")
async def closed():
    return sorted(set(calls))


@router.get("/synchronous")
async def use_synchronous(on_main: Annotated[bool, Depends(synchronous)]):
    return {"on_main": on_main}


@router.get("/cached")
async def use_cached(a: Annotated[int, Depends(counted)], b: Annotated[int, Depends(twice)]):
    return [a, b]
