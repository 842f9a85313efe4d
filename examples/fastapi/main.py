"""A FastAPI application: bindings, validation, a form, a stream of events, a route that blocks, and a WebSocket."""

import asyncio
import time
from typing import Annotated

from fastapi import Depends, FastAPI, Form, Request, WebSocket
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field
from workers import asgi

app = FastAPI(title="fastapi on Isthmus")


class Order(BaseModel):
    item: str
    count: int = Field(gt=0, le=10)


def env(request: Request):
    """What the Worker is bound to."""
    return request.scope["env"]


@app.get("/")
async def greet(env: Annotated[object, Depends(env)], name: str = "World"):
    return {"message": f"{env.GREETING}, {name}!"}


@app.post("/orders", status_code=201)
async def order(order: Order):
    return {"ordered": f"{order.count} x {order.item}"}


@app.post("/login")
async def login(name: Annotated[str, Form()]):
    return {"name": name}


@app.get("/blocking")
def blocking():
    """Runs on a thread, so that others are served meanwhile."""
    time.sleep(0.1)
    return {"slept": True}


@app.get("/events")
async def events(count: int = 3):
    async def tell():
        for number in range(count):
            yield f"data: {number}\n\n"
            await asyncio.sleep(0.1)

    return StreamingResponse(tell(), media_type="text/event-stream")


@app.websocket("/socket")
async def talk(socket: WebSocket):
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_json({"you said": text})


Default = asgi.entrypoint(app)
