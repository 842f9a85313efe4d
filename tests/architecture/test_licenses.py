"""Every dependency's licence is one that deny.toml allows (what `cargo deny check licenses` checks)."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def is_allowed(expression: str, allowed: set[str]) -> bool:
    """Whether the allowed licences satisfy an SPDX expression (old ones write `/` for OR)."""
    tokens = re.findall(r"\(|\)|[^\s()]+", expression.replace("/", " OR "))

    def alternatives() -> bool:
        satisfied = conjunction()
        while tokens[:1] == ["OR"]:
            tokens.pop(0)
            satisfied = conjunction() or satisfied
        return satisfied

    def conjunction() -> bool:
        satisfied = licence()
        while tokens[:1] == ["AND"]:
            tokens.pop(0)
            satisfied = licence() and satisfied
        return satisfied

    def licence() -> bool:
        if tokens[0] == "(":
            tokens.pop(0)
            satisfied = alternatives()
            assert tokens.pop(0) == ")"
            return satisfied
        name = tokens.pop(0)
        if tokens[:1] == ["WITH"]:
            name = " ".join([name, tokens.pop(0), tokens.pop(0)])
        return name in allowed

    satisfied = alternatives()
    assert not tokens, expression
    return satisfied


def test_every_dependency_may_be_used() -> None:
    policy = tomllib.loads((ROOT / "deny.toml").read_text())
    allowed = set(policy["licenses"]["allow"])
    exceptions = {entry["crate"]: set(entry["allow"]) for entry in policy["licenses"]["exceptions"]}
    command = ["cargo", "metadata", "--format-version", "1", "--locked"]
    packages = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)["packages"]
    assert len(packages) > 50
    refused = [
        f"{package['name']} {package['version']}: {package['license']}"
        for package in packages
        if not (package["license"] and is_allowed(package["license"], allowed | exceptions.get(package["name"], set())))
    ]
    assert refused == []
    assert exceptions.keys() <= {package["name"] for package in packages}
    sources = {package["source"] for package in packages} - {None}
    assert sources == {f"registry+{url}" for url in policy["sources"]["allow-registry"]}


def test_expressions_are_read_as_spdx_means_them() -> None:
    allowed = {"MIT", "BSD-3-Clause", "Apache-2.0 WITH LLVM-exception"}
    for good in ("MIT", "GPL-3.0 OR MIT", "(Apache-2.0 OR MIT) AND BSD-3-Clause", "Apache-2.0/MIT"):
        assert is_allowed(good, allowed), good
    for bad in ("GPL-3.0", "MIT AND GPL-3.0", "Apache-2.0", "(MIT OR X) AND Y"):
        assert not is_allowed(bad, allowed), bad
    assert is_allowed("Apache-2.0 WITH LLVM-exception", allowed)
