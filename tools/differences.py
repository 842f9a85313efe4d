"""Writes the list of deviations from the reference into docs/ffi.md: each stands in a table OWN of a test, below its reason.

`python tools/differences.py`; `tests/docs/test_differences.py` fails where the list is not up to date.
"""

from __future__ import annotations

import ast
import io
import tokenize
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GUIDE = ROOT / "docs/ffi.md"
BEGIN = "<!-- written by tools/differences.py -->\n"


def table(file: Path) -> list[tuple[str, list[str]]]:
    """The reasons in a test's table OWN, each with the names of its cases. ValueError for a case without a reason.

    The table has cases as keys, with the reasons in comments above them, or reasons as keys and lists of cases as values.
    """
    source = file.read_text()
    own = next((node for node in ast.parse(source).body if is_own(node)), None)
    if own is None:
        return []
    if isinstance(own.value, ast.Dict) and all(isinstance(value, ast.List) for value in own.value.values):
        return [(f"{reason[0].upper()}{reason[1:]}.", names) for reason, names in ast.literal_eval(own.value).items()]
    comments = {
        token.start[0]: token.string.removeprefix("#").strip()
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    groups: list[tuple[str, list[str]]] = []
    names = own.value.keys if isinstance(own.value, ast.Dict) else own.value.elts
    line = own.lineno
    for name in names:
        reason = " ".join(comments[at] for at in range(line, name.lineno) if at in comments)
        if reason:
            groups.append((reason, []))
        if not groups:
            raise ValueError(f"{file}:{name.lineno}: a deviation without a reason (a comment above it)")
        groups[-1][1].append(ast.literal_eval(name))
        line = name.end_lineno or name.lineno
    return groups


def is_own(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id == "OWN"
        and isinstance(node.value, ast.Dict | ast.Set)
    )


def section() -> str:
    """The list as Markdown."""
    lines = ["| cases of | why ours differ | which |", "|---|---|---|"]
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        for reason, names in table(file):
            cases = ", ".join(f"`{name}`".replace("|", "\\|") for name in names)
            lines.append(f"| {file.stem.removeprefix('test_')} | {reason} | {cases} |")
    return "\n".join(lines) + "\n"


def written() -> tuple[str, str]:
    """The guide up to the list, and the list in it."""
    before, _, rest = GUIDE.read_text().partition(BEGIN)
    return before + BEGIN, rest


if __name__ == "__main__":
    GUIDE.write_text(written()[0] + section())
