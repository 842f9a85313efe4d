"""The index of bindings knows every key that binds something, and says truly whether it is served."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
KEYS = (ROOT / "crates/project/src/schema/keys.rs").read_text()
INDEX = (ROOT / "docs/bindings.md").read_text()
PLAIN = {"vars"}
"""Keys whose values are plain: they have no label in the schema."""


def bound() -> dict[str, bool]:
    """The keys that bind something, and whether the schema serves them."""
    found = {}
    starts = [match.start() for match in re.finditer(r"^    (?:Key \{|bindings\(|single\(|key\()", KEYS, re.MULTILINE)]
    for start, end in zip(starts, [*starts[1:], len(KEYS)], strict=True):
        text = KEYS[start:end]
        if (name := re.search(r"(bindings|single|key)\(\s*\"([a-z_0-9]+)\"", text)) and (
            name[1] != "key" or "Role::Binding(" in text
        ):
            found[name[2]] = "served: true" in text
    return found


def listed() -> dict[str, bool]:
    """The keys of the table, and whether it says that they are served."""
    rows = [line.strip("|").split("|") for line in INDEX.splitlines() if line.startswith("| `")]
    return {key: row[2].strip() == "yes" for row in rows for key in re.findall(r"`([a-z_0-9]+)`", row[0])}


@pytest.mark.parametrize("key", sorted(bound()))
def test_a_key_is_listed_as_it_is_served(key: str) -> None:
    assert key in listed(), f"docs/bindings.md doesn't name `{key}`"
    assert listed()[key] is bound()[key], f"docs/bindings.md is wrong on whether `{key}` is served"


def test_the_index_names_no_key_that_binds_nothing() -> None:
    assert set(listed()) - set(bound()) <= PLAIN | {"secrets"}


def test_links_lead_somewhere() -> None:
    for page in [ROOT / "docs/bindings.md", ROOT / "docs/command-line.md", *(ROOT / "docs/bindings").glob("*.md")]:
        for link in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name} links to {link}"
