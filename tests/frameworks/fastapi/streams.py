"""Streams, server-sent events, background tasks, and synchronous routes on threads."""

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Iterator

import anyio
from fastapi import APIRouter, BackgroundTasks, Request
from fastapi.responses import StreamingResponse
from starlette.background import BackgroundTask
from starlette.responses import JSONResponse

router = APIRouter(prefix="/streams")
done: list[str] = []


@router.get("/async")
async def asynchronous(count: int = 3):
    async def pieces() -> AsyncIterator[str]:
        for number in range(count):
            yield f"piece {number}\n"
            await asyncio.sleep(0)

    return StreamingResponse(pieces(), media_type="text/plain")


@router.get("/sync")
def synchronous(count: int = 3):
    def pieces() -> Iterator[bytes]:
        for number in range(count):
            yield b"%d," % number

    return StreamingResponse(pieces(), status_code=206, headers={"x-stream": "yes"})


@router.get("/large")
async def large(megabytes: int = 4):
    async def pieces() -> AsyncIterator[bytes]:
        for number in range(megabytes * 16):
            yield bytes([number % 256]) * 65536

    return StreamingResponse(pieces(), media_type="application/octet-stream")


@router.get("/empty")
async def empty():
    async def nothing() -> AsyncIterator[bytes]:
        return
        yield b""

    return StreamingResponse(nothing())


@router.get("/events")
async def events(request: Request, count: int = 3, pause: float = 0):
    async def tell() -> AsyncIterator[str]:
        for number in range(count):
            yield f"id: {number}\nevent: tick\ndata: {{\"number\": {number}}}\n\n"
            await asyncio.sleep(pause)

    return StreamingResponse(tell(), media_type="text/event-stream", headers={"cache-control": "no-store"})


@router.get("/endless")
async def endless(pause: float = 0.05):
    async def tell() -> AsyncIterator[str]:
        global listeners
        listeners += 1
        try:
            while True:
                yield "data: tick\n\n"
                await asyncio.sleep(pause)
        finally:
            listeners -= 1

    return StreamingResponse(tell(), media_type="text/event-stream")


listeners = 0


@router.get("/slow")
async def slow():
    await asyncio.sleep(1)
    done.append("slow")
    return "too late"


@router.get("/live")
async def live():
    """What is under way beside this request."""
    return {"tasks": len(asyncio.all_tasks()), "listeners": listeners, "threads": threading.active_count()}


@router.get("/background/{name}")
async def background(name: str, tasks: BackgroundTasks):
    tasks.add_task(finish, f"{name} async")
    tasks.add_task(finish_on_thread, f"{name} thread")
    return {"accepted": name}


async def finish(name: str) -> None:
    await asyncio.sleep(0.01)
    done.append(name)


def finish_on_thread(name: str) -> None:
    time.sleep(0.01)
    done.append(f"{name} {threading.current_thread() is threading.main_thread()}")


@router.get("/background-response")
async def background_response():
    return JSONResponse({"accepted": True}, background=BackgroundTask(finish, "response"))


@router.get("/done")
async def was_done():
    return sorted(done)


@router.get("/thread")
def thread():
    return {"main": threading.current_thread() is threading.main_thread(), "loop": _has_loop()}


@router.get("/thread-id")
def thread_id() -> str:
    return f"{os.getpid()} {threading.get_native_id()}"


def _has_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


@router.get("/meet/{name}")
def meet(name: str):
    """Two synchronous routes that wait for each other end only if both run at once."""
    _meeting.wait(10)
    return {"met": name}


_meeting = threading.Barrier(2)


@router.get("/from-thread")
def from_thread():
    """A thread that has the loop do something."""
    return {"answer": anyio.from_thread.run(_answer, 42)}


async def _answer(number: int) -> int:
    await asyncio.sleep(0)
    return number


@router.get("/groups")
async def groups():
    """anyio's structured concurrency with a time-out."""
    results: list[int] = []
    turns = [anyio.Event() for _ in range(4)]

    async def work(number: int) -> None:
        await turns[number - 1].wait()
        results.append(number)
        turns[number].set()

    turns[0].set()
    async with anyio.create_task_group() as group:
        for number in (3, 1, 2):
            group.start_soon(work, number)
    with anyio.move_on_after(0.01) as scope:
        await anyio.sleep(10)
    return {"results": results, "timed_out": scope.cancelled_caught}
