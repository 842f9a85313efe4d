"""Path, query, header and cookie parameters."""

import datetime
import enum
import uuid
from decimal import Decimal
from typing import Annotated, Literal

from fastapi import APIRouter, Cookie, Header, Path, Query
from pydantic import BaseModel, Field

router = APIRouter()


class Colour(str, enum.Enum):
    RED = "red"
    GREEN = "green"


class Filter(BaseModel):
    model_config = {"extra": "forbid"}
    limit: int = Field(100, gt=0, le=100)
    order: Literal["created", "updated"] = "created"
    tags: list[str] = []


@router.get("/items/{item}")
async def item(item: int, q: str | None = None, short: bool = False):
    return {"item": item, "q": q, "short": short}


@router.get("/colours/{colour}")
async def colour(colour: Colour):
    return {"colour": colour, "first": colour is Colour.RED}


@router.get("/files/{path:path}")
async def file(path: str):
    return {"path": path}


@router.get("/bounded/{number}")
async def bounded(number: Annotated[float, Path(title="a number", ge=0, lt=10)]):
    return {"number": number}


@router.get("/typed/{identity}")
def typed(identity: uuid.UUID, day: datetime.date, amount: Decimal, wait: datetime.timedelta):
    return {"identity": identity, "day": day, "amount": amount, "wait": wait}


@router.get("/search")
async def search(q: Annotated[str, Query(min_length=3, max_length=10, pattern="^[a-zé]+$")]):
    return {"q": q}


@router.get("/many")
async def many(value: Annotated[list[int], Query(alias="v")] = []):  # noqa: B006 - as the documentation writes it
    return {"values": value}


@router.get("/filter")
async def filtered(query: Annotated[Filter, Query()]):
    return query


@router.get("/headers")
async def headers(
    user_agent: Annotated[str | None, Header()] = None,
    x_token: Annotated[list[str] | None, Header()] = None,
    strange: Annotated[str | None, Header(alias="x_under", convert_underscores=False)] = None,
):
    return {"agent": user_agent, "tokens": x_token, "strange": strange}


@router.get("/cookies")
async def cookies(one: Annotated[str | None, Cookie()] = None, two: Annotated[int, Cookie()] = 0):
    return {"one": one, "two": two}
