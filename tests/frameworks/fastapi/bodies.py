"""Request bodies: JSON models, forms, files, and the body itself."""

import hashlib
from typing import Annotated, Literal

from fastapi import APIRouter, Body, File, Form, Request, UploadFile
from pydantic import BaseModel, Field, HttpUrl, model_validator

router = APIRouter()


class Image(BaseModel):
    url: HttpUrl
    name: str


class Item(BaseModel):
    name: str = Field(max_length=20)
    price: float = Field(gt=0)
    tags: set[str] = set()
    image: Image | None = None

    @model_validator(mode="after")
    def dear_things_have_images(self) -> "Item":
        if self.price > 1000 and self.image is None:
            raise ValueError("dear things have images")
        return self


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    tricks: list[str]


class Login(BaseModel):
    model_config = {"extra": "forbid"}
    username: str
    password: str


@router.post("/items", status_code=201)
async def create(item: Item):
    return {**item.model_dump(mode="json"), "tags": sorted(item.tags)}


@router.put("/items/{number}")
async def update(number: int, item: Item, importance: Annotated[int, Body(gt=0)], q: str | None = None):
    return {"number": number, "name": item.name, "importance": importance, "q": q}


@router.patch("/embedded")
async def embedded(item: Annotated[Item, Body(embed=True)]):
    return item.model_dump(exclude_unset=True)


@router.delete("/items/{number}", status_code=204)
async def delete(number: int) -> None:
    return None


@router.post("/pets")
async def pet(pet: Annotated[Cat | Dog, Body(discriminator="kind")]):
    return {"type": type(pet).__name__, "pet": pet}


@router.post("/weights")
async def weights(weights: dict[int, float]):
    return weights


@router.post("/login")
async def login(username: Annotated[str, Form()], password: Annotated[str, Form()]):
    return {"username": username, "length": len(password)}


@router.post("/login-model")
async def login_model(form: Annotated[Login, Form()]):
    return {"username": form.username}


@router.post("/file")
async def file(file: Annotated[bytes, File()]):
    return {"size": len(file)}


@router.post("/upload")
async def upload(files: list[UploadFile], note: Annotated[str, Form()] = ""):
    told = []
    for file in files:
        content = await file.read()
        told.append([file.filename, file.content_type, file.size, hashlib.sha256(content).hexdigest()])
    return {"files": told, "note": note}


@router.post("/upload-large")
def upload_large(file: UploadFile):
    """Reads on a thread, piece by piece."""
    digest, size = hashlib.sha256(), 0
    while piece := file.file.read(1 << 20):
        digest.update(piece)
        size += len(piece)
    return {"size": size, "sha256": digest.hexdigest()}


@router.post("/raw")
async def raw(request: Request):
    body = await request.body()
    return {"length": len(body), "sha256": hashlib.sha256(body).hexdigest(), "type": request.headers.get("content-type")}


@router.post("/raw-stream")
async def raw_stream(request: Request):
    digest, size = hashlib.sha256(), 0
    async for piece in request.stream():
        digest.update(piece)
        size += len(piece)
    return {"size": size, "sha256": digest.hexdigest()}


@router.post("/ignored")
async def ignored():
    return "unread"
