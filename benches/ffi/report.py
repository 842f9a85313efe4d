"""What was measured, as text for the terminal and as `docs/performance.md`."""

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field

from limits import LEAST_MEAN, LEAST_RATIO, LIMITS, REFERENCE_LOOP

PEERS = ("pyodide", "pythonmonkey", "mini_racer", "quickjs_ng", "jspybridge", "cpython")
LOOP = "pure_loop_empty"
WORST = 8


@dataclass
class Run:
    """The figures of one session; times are ns per operation."""

    # `ffi_bench.measure`'s results of each pass.
    passes: dict[str, list[dict]]
    # Recorded medians of the peers by case, and what `peers.json` says of them.
    peers: dict[str, dict[str, float]]
    peers_about: str
    # CPU medians of Pyodide on this machine in this session, by case and pass; empty without it.
    here: dict[str, list[float]] = field(default_factory=dict)
    here_about: str = ""
    # Cases without a figure, and why.
    missing: dict[str, str] = field(default_factory=dict)

    def time(self, name: str, key: str = "cpu_median") -> float:
        """The median over the passes."""
        return statistics.median(result[key] for result in self.passes[name])

    def here_time(self, name: str) -> float | None:
        """Pyodide's on this machine."""
        return statistics.median(self.here[name]) if name in self.here else None

    def loop(self, name: str) -> float:
        """An iteration of the empty loop just before and after a case."""
        return self.time(name, "loop")

    def scale(self, name: str) -> float:
        """What turns a case's time measured here into one of the reference machine, at its speed of that moment."""
        return REFERENCE_LOOP / self.loop(name)

    def loops(self) -> tuple[float, float]:
        """The fastest and the slowest empty loop beside a case."""
        loops = [self.loop(name) for name in self.passes]
        return min(loops), max(loops)

    def yardstick(self) -> float:
        """How plain Python fared here: the geometric mean of this machine's times over the reference machine's."""
        recorded = {name: known["cpython"] for name, known in self.peers.items() if "cpython" in known}
        return mean(self.time(name) / recorded[name] for name in self.passes if name in recorded)

    def ratios(self, key: str = "cpu_median", scaled: bool = False) -> dict[str, float]:
        """How many times faster than the recorded Pyodide, for each FFI case that was recorded."""
        return {
            name: self.peers[name]["pyodide"] / (self.time(name, key) * (self.scale(name) if scaled else 1.0))
            for name in self.passes
            if not name.startswith("pure_") and "pyodide" in self.peers.get(name, {})
        }

    def ratios_here(self) -> dict[str, float]:
        """The same against Pyodide on this machine."""
        return {
            name: ratio
            for name in self.ratios()
            if (known := self.here_time(name)) is not None and (ratio := known / self.time(name))
        }


def mean(values: Iterable[float]) -> float:
    """The geometric mean; NaN of nothing."""
    logs = [math.log(value) for value in values]
    return math.exp(statistics.fmean(logs)) if logs else math.nan


def number(value: float | None) -> str:
    """A time in ns for a table."""
    return "" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def times(ratio: float | None) -> str:
    """A ratio for a table."""
    return "" if ratio is None else f"{ratio:.1f}" if ratio < 100 else f"{ratio:,.0f}"


def _verdict(holds: bool) -> str:
    return "holds" if holds else "NO"


def limits(run: Run) -> list[list[str]]:
    """A row per limit: name, limit, measured, whether it holds, scaled, whether that holds."""
    rows = []
    for name, limit in LIMITS.items():
        if name in run.passes:
            measured = run.time(name)
            scaled = measured * run.scale(name)
            rows.append([
                name, f"{limit:,}", number(measured), _verdict(measured <= limit), number(scaled), _verdict(scaled <= limit)
            ])
    return rows


def summary(run: Run) -> list[list[str]]:
    """Rows about all cases together: title, against the recorded Pyodide, the same scaled, against Pyodide here."""
    columns = [run.ratios(), run.ratios(scaled=True), run.ratios_here()]

    def row(title, text):
        return [title, *(text(ratios) if ratios else "" for ratios in columns)]

    return [
        row(f"geometric mean (at least {LEAST_MEAN:g})", lambda ratios: f"{mean(ratios.values()):.2f}"),
        row("cases", lambda ratios: str(len(ratios))),
        row("slowest case", lambda ratios: f"{min(ratios.values()):.2f} ({min(ratios, key=ratios.get)})"),
        row(f"cases below {LEAST_RATIO:g}", lambda ratios: str(sum(ratio < LEAST_RATIO for ratio in ratios.values()))),
        row("cases below 3", lambda ratios: str(sum(ratio < 3 for ratio in ratios.values()))),
    ]


def worst(run: Run) -> list[list[str]]:
    """The cases nearest to the recorded Pyodide."""
    scaled, here = run.ratios(scaled=True), run.ratios_here()
    rows = sorted(run.ratios().items(), key=lambda item: item[1])[:WORST]
    return [[name, times(ratio), times(scaled[name]), times(here.get(name))] for name, ratio in rows]


def cases(run: Run, peers: Iterable[str] = PEERS) -> list[list[str]]:
    """A row per case: name, CPU median, median, minimum, the ratio, Pyodide here and its ratio, the peers."""
    ratios, here = run.ratios(), run.ratios_here()
    return [
        [
            name, number(run.time(name)), number(run.time(name, "median")), number(run.time(name, "min")),
            times(ratios.get(name)), number(run.here_time(name)), times(here.get(name)),
            *(number(run.peers.get(name, {}).get(peer)) for peer in peers),
        ]
        for name in run.passes
    ]


CASES_HEADER = ["case", "cpu median", "median", "min", "×", "pyodide here", "× here", *PEERS]
LIMITS_HEADER = ["limit", "at most", "measured", "", "scaled", ""]
SUMMARY_HEADER = ["times faster than Pyodide", "recorded", "recorded, scaled", "here"]
WORST_HEADER = ["nearest to Pyodide", "recorded", "recorded, scaled", "here"]


def scaling(run: Run) -> str:
    """What `scaled` means."""
    fastest, slowest = run.loops()
    return (
        f"scaled: as if {LOOP} had taken {REFERENCE_LOOP:g} ns, as on the reference machine, by the empty loop"
        f" measured just before and after each case ({fastest:.1f} to {slowest:.1f} ns in this run). All of plain Python (pure_*) took"
        f" {run.yardstick():.2f} of the reference machine's time."
    )


def text_table(header: list[str], rows: list[list[str]]) -> str:
    """Aligned columns, those without content left out; the first is left-aligned."""
    kept = [at for at in range(len(header)) if at == 0 or any(row[at] for row in rows)]
    lines = [[line[at] for at in kept] for line in [header, *rows]]
    widths = [max(map(len, column)) for column in zip(*lines)]
    return "\n".join(
        "  ".join(cell.rjust(width) if at else cell.ljust(width) for at, (cell, width) in enumerate(zip(line, widths)))
        for line in lines
    )


def markdown_table(header: list[str], rows: list[list[str]]) -> str:
    """A table of the same content."""
    kept = [at for at in range(len(header)) if at == 0 or any(row[at] for row in rows)]
    lines = [[line[at] for at in kept] for line in [header, *rows]]
    rule = ["-", *["-:"] * (len(kept) - 1)]
    return "\n".join(f"| {' | '.join(line)} |" for line in [lines[0], rule, *lines[1:]])


def text(run: Run) -> str:
    """The report for the terminal."""
    parts = [
        f"FFI, ns per operation in an isolate. Peers: {run.peers_about}",
        text_table(CASES_HEADER, cases(run)),
        text_table(LIMITS_HEADER, limits(run)) if limits(run) else "",
        text_table(WORST_HEADER, worst(run)),
        text_table(SUMMARY_HEADER, summary(run)),
        scaling(run),
    ]
    if run.missing:
        parts.append("Missing:\n" + "\n".join(f"  {name}: {why}" for name, why in run.missing.items()))
    return "\n\n".join(part for part in parts if part)
