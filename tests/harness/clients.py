"""Many clients at once."""

import asyncio

import httpx


def send(url: str, requests: int, clients: int) -> set[tuple[int, str]]:
    """Sends GET requests, each client one after the other on its own connection; answers the different answers."""

    async def run() -> set[tuple[int, str]]:
        remaining = iter(range(requests))
        answers: set[tuple[int, str]] = set()

        async def client() -> None:
            async with httpx.AsyncClient(timeout=30) as session:
                for _ in remaining:
                    response = await session.get(url)
                    answers.add((response.status_code, response.text))

        await asyncio.gather(*(client() for _ in range(clients)))
        return answers

    return asyncio.run(run())
