"""The host killed at random moments under load: what every store must survive.

A store's test describes it by a `Store` and calls `survive_kills`. `ISTHMUS_KILLS` says how often the host is killed (10
times unless it does; `make soak`: 200), `ISTHMUS_SEED` repeats the moments of an earlier run.
"""

import concurrent.futures
import itertools
import os
import random
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

import httpx
from harness.server import Server

KILLS = int(os.environ.get("ISTHMUS_KILLS", "10"))
SEED = int(os.environ.get("ISTHMUS_SEED") or random.randrange(1 << 32))
TIMEOUT = 60 + 15 * KILLS
"""What a test that kills may take, in seconds."""


class Store(Protocol):
    """What a store promises, as writes through a Worker and a check of what is left of them.

    Writes are numbered, and no number comes twice. They run on several threads.
    """

    def write(self, client: httpx.Client, number: int) -> None:
        """Does one write and returns once it is acknowledged. Lets `httpx.TransportError` through, which means that the
        host is gone and the outcome unknown; anything unexpected fails the test.
        """
        ...

    def check(self, server: Server, acknowledged: Iterable[int], unsure: Iterable[int]) -> list[str]:
        """What is wrong with the store after a restart: acknowledged writes must be there and whole; unsure ones may be
        there, but not in part.
        """
        ...


@dataclass
class Outcome:
    """The writes of one life of the host, or of all."""

    acknowledged: list[int] = field(default_factory=list)
    unsure: list[int] = field(default_factory=list)

    def add(self, other: "Outcome") -> None:
        """Takes in another's."""
        self.acknowledged += other.acknowledged
        self.unsure += other.unsure


class Values:
    """A store of values by key, behind a Worker that answers `stored`, `deleted`, or the value with its key as
    `x-metadata`; 404 says that there is none. Every seventh write is a deletion of what the third before it wrote.
    """

    def __init__(self, value: Callable[[int], bytes], method: Callable[[int], str] = lambda _: "PUT") -> None:
        """`value` is what is written as a number's, and `method` the request that writes it."""
        self.value = value
        self.method = method

    def write(self, client: httpx.Client, number: int) -> None:
        """See `Store`."""
        if number % 7 == 6:
            response = client.delete(f"/key-{number - 3}")
            assert (response.status_code, response.text) == (200, "deleted"), response.text
            return
        response = client.request(self.method(number), f"/key-{number}", content=self.value(number))
        assert (response.status_code, response.text) == (200, "stored"), response.text

    def check(self, server: Server, acknowledged: Iterable[int], unsure: Iterable[int]) -> list[str]:
        """See `Store`."""
        wrong = []
        done, maybe = set(acknowledged), set(unsure)
        # A deletion may have come before the put that it is to undo, so only its absence tells something.
        deleted = {number - 3 for number in done | maybe if number % 7 == 6}
        for number in sorted(done | maybe):
            if number % 7 == 6:
                continue
            response = server.get(f"/key-{number}")
            if response.status_code == 404 and (number in maybe or number in deleted):
                continue
            if (response.content, response.headers.get("x-metadata")) != (self.value(number), f"key-{number}"):
                told = f"{response.status_code}, {len(response.content)} bytes, {response.content[:40]!r}"
                wrong.append(f"key-{number}: {told}")
        return wrong


def write_until_killed(
    store: Store, url: str, numbers: "itertools.count[int]", acknowledged: Callable[[], Any]
) -> Outcome:
    """Writes until the host is gone."""
    outcome = Outcome()
    with httpx.Client(base_url=url, timeout=30) as client:
        while True:
            number = next(numbers)
            try:
                store.write(client, number)
            except httpx.TransportError:
                outcome.unsure.append(number)
                return outcome
            outcome.acknowledged.append(number)
            acknowledged()


def survive_kills(store: Store, server: Server, *, writers: int = 8, kills: int = KILLS, seed: int = SEED) -> Outcome:
    """Kills the running host again and again while `writers` threads write, starts it anew and checks; answers all writes.

    After each kill the writes of that life are checked, and all of them in the end.
    """
    moments = random.Random(seed)
    numbers = itertools.count()
    total = Outcome()
    with concurrent.futures.ThreadPoolExecutor(writers) as pool:
        for cycle in range(kills):
            heard = threading.Semaphore(0)
            threads = [
                pool.submit(write_until_killed, store, server.url, numbers, heard.release) for _ in range(writers)
            ]
            # At least one write of each, so that groups are under way; then any moment of the next ones.
            for _ in range(writers + moments.randrange(4 * writers)):
                while not heard.acquire(timeout=0.2):
                    for thread in threads:
                        if thread.done():
                            thread.result()
                            raise AssertionError(f"the host went away by itself:\n{server.log}")
            time.sleep(moments.random() * 0.02)
            server.kill_host()
            life = Outcome()
            for thread in threads:
                life.add(thread.result())
            server.start()
            wrong = store.check(server, life.acknowledged, life.unsure)
            assert not wrong, f"kill {cycle}, seed {seed}: {wrong}\n{server.log}"
            total.add(life)
    wrong = store.check(server, total.acknowledged, total.unsure)
    assert not wrong, f"after {kills} kills, seed {seed}: {wrong}"
    assert len(total.acknowledged) >= kills * writers
    return total
