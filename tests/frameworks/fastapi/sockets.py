"""WebSockets: text, binary and JSON messages, parameters, closing, exceptions, several at once."""

from typing import Annotated

from fastapi import APIRouter, Cookie, Depends, Header, Query, WebSocket, WebSocketDisconnect, WebSocketException

router = APIRouter(prefix="/sockets")
left: list[list[object]] = []
room: set[WebSocket] = set()


@router.websocket("/echo")
async def echo(socket: WebSocket):
    await socket.accept()
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            left.append(["echo", message["code"]])
            return
        if message.get("text") is not None:
            await socket.send_text(message["text"])
        else:
            await socket.send_bytes(message["bytes"])


@router.websocket("/json")
async def json(socket: WebSocket):
    await socket.accept()
    while (told := await socket.receive_json()) is not None:
        await socket.send_json({"told": told, "kind": type(told).__name__})
    await socket.close(4000, "told nothing")


async def token(socket: WebSocket, token: Annotated[str | None, Query()] = None) -> str:
    if token is None:
        await socket.accept()
        raise WebSocketException(1008, "no token")
    return token


@router.websocket("/parameters/{number}")
async def parameters(
    socket: WebSocket,
    number: int,
    token: Annotated[str, Depends(token)],
    x_own: Annotated[str | None, Header()] = None,
    session: Annotated[str | None, Cookie()] = None,
):
    await socket.accept()
    url = str(socket.url_for("echo"))
    await socket.send_json({"number": number, "token": token, "own": x_own, "session": session, "path": socket.url.path, "url": url})
    await socket.close()


@router.websocket("/count/{count}")
async def count(socket: WebSocket, count: int):
    await socket.accept()
    for number in range(count):
        await socket.send_text(str(number))
    await socket.close(1000, "counted")


@router.websocket("/close/{code}")
async def close(socket: WebSocket, code: int, reason: str = ""):
    await socket.accept()
    await socket.close(code, reason)


@router.websocket("/returns")
async def returns(socket: WebSocket):
    await socket.accept()
    await socket.send_text("bye")


@router.websocket("/raises")
async def raises(socket: WebSocket):
    await socket.accept()
    await socket.receive_text()
    raise RuntimeError("a mistake in the application")


@router.websocket("/iterated")
async def iterated(socket: WebSocket):
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_text(text.upper())
    left.append(["iterated"])


@router.websocket("/room/{name}")
async def enter(socket: WebSocket, name: str):
    """Everybody hears what anybody says."""
    await socket.accept()
    room.add(socket)
    await socket.send_text(f"{len(room)} here")
    try:
        while True:
            text = await socket.receive_text()
            for other in room:
                await other.send_text(f"{name}: {text}")
    except WebSocketDisconnect as gone:
        left.append([name, gone.code])
    finally:
        room.discard(socket)


@router.get("/left")
async def who_left():
    return {"left": left, "room": len(room)}
