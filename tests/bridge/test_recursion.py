"""Recursion that runs through both languages, in every way they call each other: it ends in an error, whatever the
stack's size and Python's limit; the process and the engine go on.

All ways (recursion_*.py) run in one process per kind of stack, which writes what became of each.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

import pytest
from fresh import run_script

CHILD = "import sys, recursion; recursion.child(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])"


def outcome(limit: int, stack: int, names: tuple[str, ...] = ()) -> dict[str, str | None]:
    """What was wrong with each way; the last one without an answer ended the process."""
    result = run_script(CHILD, str(limit), str(stack), *names, timeout=200)
    found: dict[str, str | None] = {}
    for line in result.stdout.splitlines():
        name, *answer = json.loads(line)
        found[name] = answer[0] if answer else f"exit code {result.returncode}: {result.stderr[:3000]}"
    if result.returncode != 0 and not any(found.values()):
        found["the end"] = result.stderr
    return found


# From 3.12 on CPython counts its own calls in C against what a main thread's stack holds: freeing a deep list on a thread
# with a smaller one ends the process, without any JavaScript.
small_stack = pytest.mark.skipif(sys.version_info >= (3, 12), reason="CPython itself needs the main thread's stack")


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("limit", "stack"),
    [
        pytest.param(1000, 256 * 1024, marks=small_stack),
        (10**6, 0),
        pytest.param(1000, 0, marks=pytest.mark.slow),
        pytest.param(10**6, 256 * 1024, marks=[pytest.mark.slow, small_stack]),
        pytest.param(10**6, 1024 * 1024, marks=[pytest.mark.slow, small_stack]),
    ],
)
def test_every_recursion_ends(limit: int, stack: int) -> None:
    """With Python's limit of frames, on a thread with a stack of so many bytes; 0 is the main thread."""
    found = outcome(limit, stack)
    wrong = {name: answer for name, answer in found.items() if answer is not None}
    assert not wrong, "\n".join(f"{name}: {answer}" for name, answer in wrong.items())
    assert len(found) > 80


def test_a_long_traceback_is_shown_by_its_ends() -> None:
    """It is formatted at each level that it passes: whole, unwinding a deep recursion would be quadratic."""
    catch = fresh_message()
    assert catch(5).count("in back") == 5 and "left out" not in catch(5)
    assert catch(90).count("in outer") == 1
    long = catch(600)
    assert "in outer" in long and "ZeroDivisionError" in long and "calls in the middle of the traceback are left out" in long
    assert 20 < long.count("\n") < 150


def fresh_message() -> Callable[[int], str]:
    """A function that gives the message of an exception raised below so many calls."""
    from pyodide.code import run_js

    catch = run_js("(f, n) => { try { f(n); } catch (error) { return error.message; } }")

    def back(level: int, other: bool = True) -> None:
        if level == 1:
            raise ZeroDivisionError
        # Two lines in turn: Python itself leaves out what repeats.
        if other:
            back(level - 1, False)
        else:
            back(level - 1, True)

    def outer(level: int) -> None:
        back(level)

    return lambda level: catch(outer, level)
