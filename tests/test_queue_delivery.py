"""What is delivered when, and how often: as miniflare (see `queue_reference/record_delivery.mjs`), unless upstream documents otherwise."""

import json
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest
from harness.server import Server

REFERENCE = Path(__file__).resolve().parent / "queue_reference"
CASES: list[dict[str, Any]] = json.loads((REFERENCE / "delivery_cases.json").read_text())
RECORDED: dict[str, Any] = {case["name"]: case["came"] for case in json.loads((REFERENCE / "delivery.json").read_text())}

BOTH = ["q", [["a", 1, 0], ["b", 1, 1]]]

DEVIATIONS: dict[str, Any] = {
    # "Messages that are explicitly acknowledged will not be re-delivered, even if your queue consumer fails on a subsequent
    # message and/or fails to return successfully": developers.cloudflare.com/queues/configuration/batching-retries. Miniflare
    # forgets all that was said when the handler raises.
    "ack, then raise": [BOTH, ["q", [["b", 2, 1]]]],
    "ack, then raise, always": [BOTH, ["q", [["b", 2, 1]]], ["d", [["b", 1, 1]]]],
    # `ackAll()` is as good as that handler's return, says the same page.
    "ackAll, then raise": [BOTH],
    # The same page: what is said of a message counts more than what is said of its batch. In miniflare `retryAll()` wins.
    "ack, then retryAll": [BOTH, ["q", [["b", 2, 1]]]],
    # Within a batch the oldest message is the first here, in miniflare the one that has waited for longest.
    "attempts are each message's own": [
        BOTH,
        ["q", [["a", 2, 0], ["c", 1, 2]]],
        ["q", [["c", 2, 2]]],
        ["d", [["a", 1, 0]]],
    ],
}

WORKER = """
    import asyncio
    import json

    import cases
    from workers import Response, WorkerEntrypoint

    CASES = json.loads(cases.TEXT)
    came = [[] for _ in CASES]
    names = [[] for _ in CASES]


    def options(delay):
        return {"delaySeconds": int(delay[0])} if delay else {}


    def say(batch, step):
        word, *rest = step.split()
        match word:
            case "ack" | "retry":
                for message in batch.messages:
                    if message.body == rest[0]:
                        getattr(message, word)(**options(rest[1:]))
            case "ackAll":
                batch.ackAll()
            case "retryAll":
                batch.retryAll(**options(rest))
            case "raise":
                raise ValueError("raised")


    class Default(WorkerEntrypoint):
        async def fetch(self, request):
            if request.method == "GET":
                return Response.json(came)
            await asyncio.gather(*(self.send(number, case) for number, case in enumerate(CASES)))
            return Response("sent")

        async def send(self, number, case):
            queue = getattr(self.env, f"Q{number}")
            for texts in case["sends"]:
                sent = [text.split() for text in texts]
                messages = [{"body": body, **options(delay)} for body, *delay in sent]
                await queue.sendBatch(messages, delaySeconds=case.get("delay"))
                await asyncio.sleep(0.3)

        async def queue(self, batch, env, ctx):
            queue, number = batch.queue[0], int(batch.queue[1:])
            for message in batch.messages:
                if message.id not in names[number]:
                    names[number].append(message.id)
            before = sum(1 for other, _ in came[number] if other == queue)
            seen = [[message.body, message.attempts, names[number].index(message.id)] for message in batch.messages]
            came[number].append([queue, seen])
            case = CASES[number]
            says = case.get("says", []) if queue == "q" else case["dead"].get("says", [])
            for step in says[before] if before < len(says) else []:
                say(batch, step)
"""


def config() -> str:
    """Each case has queues of its own."""
    producers, consumers = [], []
    for number, case in enumerate(CASES):
        producer = {"binding": f"Q{number}", "queue": f"q{number}", "delivery_delay": case.get("delivery_delay", 0)}
        producers.append(producer)
        consumer = {"queue": f"q{number}", "max_batch_timeout": 0, **case.get("consumer", {})}
        if "dead" in case:
            consumer["dead_letter_queue"] = f"d{number}"
            settings = {key: value for key, value in case["dead"].items() if key != "says"}
            consumers.append({"queue": f"d{number}", "max_batch_timeout": 0, **settings})
        consumers.append(consumer)
    return json.dumps(
        {
            "name": "delivery",
            "main": "main.py",
            "compatibility_date": "2026-11-01",
            "compatibility_flags": ["python_workers"],
            "queues": {"producers": producers, "consumers": consumers},
        }
    )


@pytest.fixture(scope="module")
def came(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What came of each case."""
    folder = tmp_path_factory.mktemp("delivery")
    (folder / "wrangler.jsonc").write_text(config())
    (folder / "cases.py").write_text(f"TEXT = {json.dumps(CASES)!r}\n")
    (folder / "main.py").write_text(textwrap.dedent(WORKER))
    with Server(folder) as server:
        server.post("/")
        # Two of the cases take four seconds; nothing more may come in the two after that.
        time.sleep(6)
        came = server.get("/").json()
    # Queues know nothing of each other: only the order within each counts.
    return {
        case["name"]: [batch for queue in "qd" for batch in batches if batch[0] == queue]
        for case, batches in zip(CASES, came, strict=True)
    }


@pytest.mark.parametrize("name", RECORDED)
def test_as_the_reference_or_as_documented(came: dict[str, Any], name: str) -> None:
    assert came[name] == DEVIATIONS.get(name, RECORDED[name])


def test_deviations_are_some() -> None:
    assert DEVIATIONS.keys() <= RECORDED.keys()
    assert all(ours != RECORDED[name] for name, ours in DEVIATIONS.items())
