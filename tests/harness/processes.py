"""Processes as the kernel sees them: descendants, CPU time, memory, death."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

_Answer = TypeVar("_Answer")

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


def eventually(
    condition: Callable[[], _Answer], what: str, timeout: float = 10.0, pause: float = 0.01
) -> _Answer:
    """The condition's first true answer; fails if there is none within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what}")
        time.sleep(pause)


def children(pid: int) -> list[int]:
    """The living children of a process, of all its threads; empty if it has ended."""
    found: list[int] = []
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return []
    for thread in threads:
        try:
            found += map(int, (thread / "children").read_text().split())
        except OSError:
            continue  # The thread has ended meanwhile.
    return [child for child in sorted(found) if is_running(child)]


def command_line(pid: int) -> list[str]:
    """The arguments a process was started with; empty if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def _stat(pid: int) -> list[str] | None:
    """The fields of `stat` from the third on (the state)."""
    try:
        # The second field is the program's name, which may contain anything.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def is_running(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    stat = _stat(pid)
    return stat is not None and stat[0] not in "ZX"


def cpu_seconds(pid: int) -> float:
    """The CPU time that all threads of a process have used so far, user and system."""
    stat = _stat(pid)
    if stat is None:
        raise ProcessLookupError(pid)
    return (int(stat[11]) + int(stat[12])) / CLOCK_TICKS


def _memory(pid: int, *keys: str) -> int:
    total = 0
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        key, _, value = line.partition(":")
        if key in keys:
            total += int(value.split()[0]) * 1024
    return total


def private_bytes(pid: int) -> int:
    """Memory that no other process shares: what ending this one would give back."""
    return _memory(pid, "Private_Clean", "Private_Dirty")


def resident_bytes(pid: int) -> int:
    """Resident memory, with pages shared among processes divided between them."""
    return _memory(pid, "Pss")


def allocated_bytes(pid: int) -> int:
    """Resident memory that is no file's, divided like `resident_bytes`: what a leak makes grow. Pages of files come and go with
    the system's memory and with other processes that have them."""
    return _memory(pid, "Pss_Anon", "Pss_Shmem")


def kill(pid: int) -> None:
    """Ends a process at once, as a crash would, and returns when it has ended."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    eventually(lambda: not is_running(pid), f"process {pid} ends after SIGKILL")
