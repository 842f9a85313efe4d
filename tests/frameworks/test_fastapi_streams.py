"""FastAPI's streams, threads and background tasks behind Isthmus, beside uvicorn."""

import concurrent.futures

import httpx
import pytest
from harness.processes import eventually
from harness.twins import Twins


@pytest.fixture
def app(fastapi: Twins) -> Twins:
    return fastapi


@pytest.mark.parametrize("path", ["async?count=5", "async?count=0", "sync?count=4", "empty", "large?megabytes=3"])
def test_streams(app: Twins, path: str) -> None:
    assert app.get(f"/streams/{path}").status_code in (200, 206)


def test_a_compressed_stream(app: Twins) -> None:
    answer = app.get("/streams/async?count=100", headers={"accept-encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip" and answer.text.endswith("piece 99\n")


def test_events_come_one_by_one(app: Twins) -> None:
    assert app.get("/streams/events").text.count("event: tick") == 3
    with app.isthmus.client.stream(
        "GET", "/streams/events?count=1000&pause=0.05", headers={"host": "example.test"}
    ) as answer:
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        lines = answer.iter_lines()
        assert [next(lines) for _ in range(5)] == ["id: 0", "event: tick", 'data: {"number": 0}', "", "id: 1"]


def test_background_tasks_run_after_the_answer(app: Twins) -> None:
    assert app.get("/streams/background/a").json() == {"accepted": "a"}
    assert app.get("/streams/background-response").json() == {"accepted": True}
    for client in app.clients:
        eventually(
            lambda client=client: {"a async", "a thread False", "response"} <= set(client.get("/streams/done").json()),
            "the tasks are done",
        )


def test_synchronous_routes_have_threads(app: Twins) -> None:
    assert app.get("/streams/thread").json() == {"main": False, "loop": False}
    assert app.get("/streams/from-thread").json() == {"answer": 42}


def test_synchronous_routes_keep_their_threads(fastapi: Twins) -> None:
    def names() -> set[str]:
        told = (client.get("/streams/thread-id").json() for client in fastapi.clients for _ in range(10))
        return set(told)

    # One thread each: what one request needed serves the next.
    assert len(names()) == 2


def test_synchronous_routes_run_at_once(app: Twins) -> None:
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for url in (app.isthmus.url, app.peer.url):
            answers = list(pool.map(lambda name, url=url: _get(f"{url}/streams/meet/{name}"), "ab"))
            assert answers == [{"met": "a"}, {"met": "b"}]


def _get(url: str) -> object:
    return httpx.get(url, headers={"host": "example.test"}, timeout=20).json()


def test_task_groups_and_time_outs(app: Twins) -> None:
    assert app.get("/streams/groups").json() == {"results": [1, 2, 3], "timed_out": True}
