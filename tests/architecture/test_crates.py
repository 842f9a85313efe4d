"""The crate table of ARCHITECTURE.md holds: who may use whom, and what each must never use."""

import json
import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PREFIX = "isthmus-"

# What the words of the "never" column forbid: packages, by name.
FORBIDDEN = {
    "tokio": {"tokio"},
    "engines": {"rquickjs", "pyo3"},
    "pyo3": {"pyo3"},
    "I/O": {"tokio", "hyper", "hyper-util", "rustix", "libc", "rusqlite"},
}
# Where unsafe code is allowed: whole crates, and single files of others.
UNSAFE_CRATES = {"bridge", "sandbox", "native"}
UNSAFE_FILES = {"web": {"buffer_source", "bytecode", "class_id", "fiber"}}
# Words of that column that no dependency can break; a reader must check them.
UNCHECKED = {"logic of its own", "–", ""}


@cache
def metadata() -> dict[str, Any]:
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--no-deps"]
    return json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)


@cache
def used() -> dict[str, set[str]]:
    """For each crate the packages that it names itself; what only its tests use does not count."""
    return {
        package["name"].removeprefix(PREFIX): {
            dependency["name"] for dependency in package["dependencies"] if dependency["kind"] != "dev"
        }
        for package in metadata()["packages"]
    }


@cache
def table() -> dict[str, list[str]]:
    """The rows of the table: name → (what it is, may use, never)."""
    rows: dict[str, list[str]] = {}
    inside = False
    for line in (ROOT / "ARCHITECTURE.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("| crate") and len(cells) == 4:
            inside = True
        elif inside and not line.startswith("|"):
            break
        elif inside and not set(line) <= set("|-: "):
            assert len(cells) == 4, f"a row with {len(cells)} cells: {line}"
            rows[cells[0].strip("`")] = cells[1:]
    assert rows, "ARCHITECTURE.md has no crate table"
    return rows


def words(cell: str) -> set[str]:
    return {re.sub(r"`|\(.*?\)", "", word).strip() for word in cell.split(",")} - {"–", ""}


def allowed(crate: str) -> set[str]:
    may_use = words(table()[crate][1])
    if may_use == {"all above"}:
        names = list(table())
        return set(names[: names.index(crate)])
    return may_use


def test_the_table_lists_exactly_the_crates() -> None:
    assert set(table()) == set(used())


@pytest.mark.parametrize("crate", sorted(used()))
def test_a_crate_uses_only_what_it_may(crate: str) -> None:
    internal = {name.removeprefix(PREFIX) for name in used()[crate] if name.startswith(PREFIX)}
    assert internal <= allowed(crate), f"{crate} uses {sorted(internal - allowed(crate))}"


@pytest.mark.parametrize("crate", sorted(used()))
def test_a_crate_uses_nothing_that_it_never_may(crate: str) -> None:
    for word in words(table()[crate][2]) - UNCHECKED:
        forbidden = FORBIDDEN.get(word, {PREFIX + word})
        assert word in FORBIDDEN or word in table(), f"the table forbids {word!r}, which nobody can check"
        assert not used()[crate] & forbidden, f"{crate} uses {sorted(used()[crate] & forbidden)}"


def test_unsafe_code_is_where_the_architecture_allows_it() -> None:
    for package in metadata()["packages"]:
        manifest = Path(package["manifest_path"])
        name = package["name"].removeprefix(PREFIX)
        lints = tomllib.loads(manifest.read_text())["lints"]
        if name in UNSAFE_CRATES:
            assert "workspace" not in lints, f"{name} has lints of its own"
        elif name in UNSAFE_FILES:
            assert lints["rust"]["unsafe_code"] == "deny"
            sources = (manifest.parent / "src").rglob("*.rs")
            opened = {file.stem for file in sources if "expect(unsafe_code" in file.read_text().replace(" ", "")}
            assert opened <= UNSAFE_FILES[name], f"{name} opens unsafe code in {sorted(opened)}"
        else:
            assert lints == {"workspace": True}, f"{name} must take the workspace's lints, which forbid it"
