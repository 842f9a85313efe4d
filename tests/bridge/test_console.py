"""`pyodide.console`, against the reference's recorded answers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from recorded_cases import load

Run = Callable[[Coroutine[Any, Any, Any]], Any]

# Where we differ on purpose.
OWN = {
    # The reference holds the last character back when it reads all there is.
    "stdin sizes": "list(str 'ab', str 'cde', str 'fabc', str 'defabcdef', list(int 2, int 3, int -1))",
}


@pytest.mark.parametrize(("label", "source", "expected"), [pytest.param(*case, id=case[0]) for case in load("console")])
def test_recorded(case: Any, run: Run, label: str, source: str, expected: str) -> None:
    outcome = case.outcome(source)
    if inspect.iscoroutine(outcome):
        outcome = run(outcome)
    assert outcome == OWN.get(label, expected), label




def test_a_cancelled_line_cancels_its_future(run: Run) -> None:
    import asyncio

    from pyodide.console import Console

    async def main() -> None:
        console = Console()
        console.push("import asyncio")
        future = console.push("await asyncio.sleep(100)")
        await asyncio.sleep(0.01)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await future

    run(main())


def test_pyodide_console(run: Run) -> None:
    from pyodide.console import PyodideConsole

    async def main() -> None:
        assert await PyodideConsole().push("import json; json.dumps([1])") == "[1]"

    run(main())
