"""Runs programs of proxy operations against the model (model.py) and shows the smallest one that disagrees.

    python fuzz/run.py [--seconds 60 | --programs 1000] [--seed 0]

Programs follow from their seeds. Each batch runs in a forked child, so that a crash is a finding as any other.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests" / "bridge"), str(HERE.parent / "python")]

import fresh  # noqa: E402
import objects  # noqa: E402
from programs import Step, generate, run, show  # noqa: E402

BATCH = 25
"""Programs that share a child."""


def failure_of(programs: list[list[Step]]) -> str | None:
    """Runs programs in a child; what went wrong there, None if nothing did."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            for program in programs:
                run(program, fresh.settle)
        except BaseException as error:
            os.write(writing, f"{type(error).__name__}: {error}".encode(errors="replace")[:4000])
            os._exit(1)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        text = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    if status == 0:
        return None
    return text or f"the process ended with signal {os.WTERMSIG(status)}"


def shrink(program: list[Step], deadline: float) -> list[Step]:
    """A smaller program that fails as well: steps are left out, then their numbers made small."""
    size = max(1, len(program) // 2)
    while size and time.monotonic() < deadline:
        start, removed = 0, False
        while start < len(program):
            shorter = program[:start] + program[start + size :]
            if failure_of([shorter]):
                program, removed = shorter, True
            else:
                start += size
        if not removed:
            size //= 2
    for index, step in enumerate(program):
        for position in (1, 2, 3):
            for value in range(min(step[position], 20)):
                if time.monotonic() > deadline:
                    return program
                smaller = (*step[:position], value, *step[position + 1 :])
                if failure_of([[*program[:index], smaller, *program[index + 1 :]]]):
                    program[index] = step = smaller
                    break
    return program


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, help="how long")
    parser.add_argument("--programs", type=int, help="how many")
    parser.add_argument("--seed", type=int, default=0, help="of the first program; each next one has the next number")
    options = parser.parse_args()
    fresh.start()
    objects.start(fresh.ffi, fresh.run_js)
    # The modules' own objects need not be looked at by each of the many collections.
    gc.collect()
    gc.freeze()
    begun, seed = time.monotonic(), options.seed
    while True:
        left = BATCH if options.programs is None else min(BATCH, options.seed + options.programs - seed)
        late = options.seconds is not None and time.monotonic() - begun > options.seconds
        if left <= 0 or late or (options.seconds is None and options.programs is None and seed >= options.seed + 1000):
            break
        seeds = range(seed, seed + left)
        if failure_of([generate(number) for number in seeds]) is not None:
            for number in seeds:
                if (text := failure_of([generate(number)])) is None:
                    continue
                smallest = shrink(generate(number), time.monotonic() + 60)
                print(f"seed {number}: {text}\nshrunk to {len(smallest)} steps: {failure_of([smallest])}\n{show(smallest)}")
                return 1
            print(f"seeds {seeds.start} to {seeds.stop - 1} fail together, none of them alone")
            return 1
        seed += left
    print(f"{seed - options.seed} programs, seeds {options.seed} to {seed - 1}: none disagrees")
    return 0


if __name__ == "__main__":
    sys.exit(main())
