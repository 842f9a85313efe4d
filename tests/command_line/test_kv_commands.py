"""`isthmus kv …`."""

import base64
import json
import os
import re
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from harness.command import isthmus
from harness.server import Server

KV = "--binding=KV"


def test_a_value_is_put_got_listed_and_deleted(project: Path) -> None:
    put = isthmus(project, "kv", "key", "put", "k", "grüße", KV, "--metadata", '{"a": [1]}', "--ttl", "100")
    assert put.text == (
        'Writing the value "grüße" to key "k" on namespace binding: "KV" (id: "test") with metadata "{"a":[1]}".\n'
    )
    assert isthmus(project, "kv", "key", "get", "k", KV).out == "grüße".encode()
    assert isthmus(project, "kv", "key", "get", "k", "--text", "--namespace-id", "test").text == "grüße\n"
    [listed] = isthmus(project, "kv", "key", "list", KV).json
    assert abs(listed.pop("expiration") - time.time() - 100) < 10
    assert listed == {"name": "k", "metadata": {"a": [1]}}
    assert isthmus(project, "kv", "key", "list", KV, "--prefix", "x").text == "[]\n"
    deleted = isthmus(project, "kv", "key", "delete", "k", KV, "--local", "--preview", "false")
    assert deleted.text == 'Deleting the key "k" on namespace binding: "KV" (id: "test").\n'
    missing = isthmus(project, "kv", "key", "get", "k", KV, ok=False)
    assert (missing.code, missing.out, missing.err) == (1, b"", "error: Value not found\n\n")


def test_with_json_there_is_nothing_but_json(project: Path) -> None:
    assert isthmus(project, "kv", "key", "put", "k", "v", KV, "--json", "--metadata", "1").json == {
        "key": "k",
        "namespace_id": "test",
    }
    assert isthmus(project, "kv", "key", "get", "k", KV, "--json").json == {"key": "k", "value": "v", "metadata": 1}
    isthmus(project, "kv", "key", "put", "b", "--path", "-", KV, stdin=b"\xff\x00")
    got = isthmus(project, "kv", "key", "get", "b", KV, "--json").json
    assert got == {"key": "b", "value": "/wA=", "base64": True}
    assert isthmus(project, "kv", "key", "delete", "k", KV, "--json").json["key"] == "k"
    bulk = project / "keys.json"
    bulk.write_text('["b", "none"]')
    assert isthmus(project, "kv", "bulk", "get", str(bulk), KV, "--json").json == {
        "b": {"value": "/wA=", "base64": True},
        "none": {"value": None},
    }
    assert isthmus(project, "kv", "bulk", "delete", str(bulk), KV, "--json").json == {"keys": 2}


def test_files_of_every_kind_go_and_come_byte_by_byte(project: Path) -> None:
    for length in (0, 1, 100_000, 3_000_000):
        content = os.urandom(length) + b"\x1b[31m\r\n\xff"
        (project / "value").write_bytes(content)
        isthmus(project, "kv", "key", "put", "k", "--path", "value", KV)
        assert isthmus(project, "kv", "key", "get", "k", KV).out == content
        isthmus(project, "kv", "key", "put", "k", "--path", "-", KV, stdin=content[::-1])
        assert isthmus(project, "kv", "key", "get", "k", KV).out == content[::-1]


def test_many_keys_at_once(project: Path) -> None:
    items = [{"key": f"k{n:05}", "value": str(n)} for n in range(2500)]
    items += [
        {"key": "binary", "value": base64.b64encode(b"\xff").decode(), "base64": True},
        {"key": "with", "value": "m", "metadata": {"x": "ü"}, "expiration_ttl": 1000},
        # The last one counts, also behind a long one.
        {"key": "twice", "value": "1" * 200_000},
        {"key": "twice", "value": "2"},
    ]
    (project / "put.json").write_text(json.dumps(items))
    assert isthmus(project, "kv", "bulk", "put", "put.json", KV).text == "Success!\n"
    listed = isthmus(project, "kv", "key", "list", KV).json
    assert [key["name"] for key in listed] == sorted({item["key"] for item in items})
    (project / "get.json").write_text(json.dumps(["twice", {"name": "with"}, "binary", "none"]))
    got = isthmus(project, "kv", "bulk", "get", "get.json", KV)
    assert list(got.json.items()) == [
        ("twice", {"value": "2"}),
        ("with", {"value": "m"}),
        ("binary", {"value": "/w==", "base64": True}),
        ("none", {"value": None}),
    ]
    assert got.err == "\nSuccess!\n"
    # What `list` writes is what `delete` reads.
    (project / "all.json").write_text(json.dumps(listed))
    assert isthmus(project, "kv", "bulk", "delete", "all.json", KV).text == "Success!\n"
    assert isthmus(project, "kv", "key", "list", KV).json == []


def test_a_bad_file_changes_nothing_and_says_where_it_is_bad(project: Path) -> None:
    for content, expected in [
        ("no json", "Expected an array of key-value objects but got no JSON: expected ident"),
        ("{}", "Expected an array of key-value objects but got another kind of value."),
        ('[{"key": "a", "value": "1"}, {"key": 1}]', 'The item at index 1 is {"key":1} (invalid type'),
        ('[{"key": "a", "value": "1"}, "b"]', 'The item at index 1 is "b"'),
        ('[{"key": "a", "value": "!", "base64": true}]', "(no base64:"),
        ("[" + ",".join(["1"] * 20) + "]", "The item at index 11 is 1 (invalid type: integer `1`, expected struct"),
    ]:
        (project / "bad.json").write_text(content)
        refused = isthmus(project, "kv", "bulk", "put", "bad.json", KV, ok=False)
        assert expected in refused.err, refused.err
    assert "index 12" not in refused.err
    (project / "bad.json").write_text('["a", 1, {}]')
    for command in ("get", "delete"):
        refused = isthmus(project, "kv", "bulk", command, "bad.json", KV, ok=False)
        assert re.search(r"index 1 is 1\n *The item at index 2 is {}", refused.err), refused.err
    assert "cannot read none.json" in isthmus(project, "kv", "bulk", "put", "none.json", KV, ok=False).err
    assert isthmus(project, "kv", "key", "list", KV).json == []


def test_what_is_strange_about_a_file_is_told(project: Path) -> None:
    (project / "odd.json").write_text('[{"key": "a", "value": "1", "ttl": 60, "x": 1}, {"key": "b", "value": "2"}]')
    put = isthmus(project, "kv", "bulk", "put", "odd.json", KV)
    assert put.text == "Success!\n"
    assert 'Unexpected key-value properties in "odd.json".' in put.err
    assert 'The item at index 0 contains unexpected properties: ["ttl","x"].' in put.err and "index 1" not in put.err
    assert isthmus(project, "kv", "key", "get", "a", KV).text == "1"


def test_a_value_may_be_a_negative_number(project: Path) -> None:
    isthmus(project, "kv", "key", "put", "k", "-5", KV)
    assert isthmus(project, "kv", "key", "get", "k", KV).text == "-5"


def test_a_folder_that_is_not_there_is_not_made(project: Path) -> None:
    refused = isthmus(project, "kv", "key", "get", "k", "--namespace-id", "x", "--cwd", "none", ok=False)
    assert (refused.code, "there is no folder" in refused.err) == (1, True)
    assert not (project / "none").exists()


def test_the_platforms_rules_hold(project: Path) -> None:
    for arguments, expected in [
        (["put", "k", "v", "--ttl", "59"], "KV PUT failed: 400 Invalid expiration_ttl of 59."),
        (["put", "k", "v", "--expiration", "1"], "KV PUT failed: 400 Invalid expiration of 1."),
        (["put", "k" * 513, "v"], "KV PUT failed: 414 UTF-8 encoded length of 513 exceeds"),
        (["put", "..", "v"], 'KV PUT failed: 400 Illegal key name "..".'),
        (["put", "k", "v", "--metadata", json.dumps("m" * 1023)], "413 Metadata length of 1025 exceeds limit of 1024."),
        (["get", ""], "KV GET failed: 400 Key names must not be empty"),
        (["delete", "."], "KV DELETE failed: 400 Illegal key name"),
    ]:
        refused = isthmus(project, "kv", "key", *arguments, KV, ok=False)
        assert (refused.code, expected in refused.err) == (1, True), refused.err
    (project / "long").write_bytes(bytes(25 * 1024 * 1024 + 1))
    refused = isthmus(project, "kv", "key", "put", "k", "--path", "long", KV, ok=False)
    assert "413 Value length of 26214401 exceeds limit of 26214400." in refused.err
    (project / "bulk.json").write_text('[{"key": "good", "value": "v"}, {"key": "..", "value": "v"}]')
    refused = isthmus(project, "kv", "bulk", "put", "bulk.json", KV, ok=False)
    assert 'key "..": KV PUT failed: 400' in refused.err


def test_the_worker_and_the_commands_see_the_same(folder: Path, serve: Callable[..., Server]) -> None:
    isthmus(folder, "kv", "key", "put", "early", "1", KV)
    server = serve(folder)
    assert server.get("/early").text == "1"
    isthmus(folder, "kv", "key", "put", "late", "2", KV)
    assert server.get("/late").text == "2"
    server.client.put("/worker", content="3")
    assert isthmus(folder, "kv", "key", "get", "worker", KV).text == "3"
    server.stop()
    assert not (folder / ".wrangler/state/dev.sock").exists()
    assert isthmus(folder, "kv", "key", "get", "worker", KV).text == "3"


def test_a_dev_that_was_killed_is_no_obstacle(folder: Path, serve: Callable[..., Server]) -> None:
    server = serve(folder)
    socket = folder / ".wrangler/state/dev.sock"
    assert stat.S_IMODE(socket.stat().st_mode) == 0o600
    server.kill_host()
    assert socket.is_socket()
    isthmus(folder, "kv", "key", "put", "k", "v", KV)
    server.start()
    assert server.get("/k").text == "v"
    isthmus(folder, "kv", "key", "put", "k", "w", KV)
    assert server.get("/k").text == "w"


def test_a_second_dev_on_the_same_state_leaves_the_first_its_commands(
    folder: Path, serve: Callable[..., Server]
) -> None:
    first, second = serve(folder), serve(folder)
    assert f"another `isthmus dev` (process {first.host_pid}) uses the same state" in second.log
    second.stop()
    isthmus(folder, "kv", "key", "put", "k", "v", KV)
    assert first.get("/k").text == "v"


def test_the_state_may_lie_elsewhere_and_deep(folder: Path, serve: Callable[..., Server], tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120)
    server = serve(folder, "--persist-to", str(deep))
    isthmus(folder, "kv", "key", "put", "k", "v", KV, "--persist-to", str(deep))
    assert server.get("/k").text == "v"
    assert isthmus(folder, "kv", "key", "get", "k", KV, ok=False).code == 1
    # No project is needed where nothing is looked up in it.
    found = isthmus(tmp_path, "kv", "key", "get", "k", "--namespace-id", "test", "--persist-to", str(deep))
    assert found.text == "v"


def test_which_namespace_is_meant(make_worker: Callable[..., Path]) -> None:
    config = """{
      "name": "w", "main": "main.py", "compatibility_date": "2026-11-01", "compatibility_flags": ["python_workers"],
      "kv_namespaces": [{ "binding": "KV", "id": "test" }, { "binding": "NAMELESS" }],
      "env": { "staging": { "kv_namespaces": [{ "binding": "KV", "id": "staged" }] } }
    }
    """
    folder = make_worker("", config)
    isthmus(folder, "kv", "key", "put", "k", "v", KV, "--env", "staging")
    isthmus(folder, "kv", "key", "put", "k", "w", "--namespace-id", "A/b")
    assert isthmus(folder, "kv", "key", "get", "k", "--namespace-id", "staged").text == "v"
    namespaces = isthmus(folder, "kv", "namespace", "list").json
    assert [(n["title"], n["id"]) for n in namespaces] == [
        ("KV", "test"),
        ("NAMELESS", "NAMELESS"),
        ("A/b", "A/b"),
        ("staged", "staged"),
    ]
    for arguments, expected in [
        (["--binding", "KW"], 'A namespace with binding name "KW" was not found in the configured "kv_namespaces".'),
        ([KV, "--env", "prod"], "there is no environment `prod`"),
        ([KV, "--config", "none.toml"], "cannot read"),
        ([KV, "--remote"], "there is no remote data: Isthmus keeps all of it on this machine"),
        ([KV, "--preview"], "there is nothing of the kind `preview`"),
        (["--namespace-id", ""], "it is empty"),
    ]:
        refused = isthmus(folder, "kv", "key", "get", "k", *arguments, ok=False)
        assert expected in refused.err, refused.err
    for arguments in ([], [KV, "--namespace-id", "test"]):
        assert isthmus(folder, "kv", "key", "get", "k", *arguments, ok=False).code == 2
    for arguments in (["k"], ["k", "v", "--path", "x"], ["k", "v", "--metadata", "{"], ["k", "v", "--ttl", "x"]):
        assert isthmus(folder, "kv", "key", "put", *arguments, KV, ok=False).code == 2
    config = config.replace('"kv_namespaces": [{ "binding": "KV", "id": "test" }, { "binding": "NAMELESS" }],', "")
    refused = isthmus(make_worker("", config), "kv", "key", "get", "k", KV, ok=False)
    assert "No KV Namespaces configured!" in refused.err


def test_a_damaged_namespace_is_named(project: Path) -> None:
    kv = project / ".wrangler/state/kv"
    kv.mkdir(parents=True, exist_ok=True)
    (kv / "bad.sqlite").write_bytes(b"x" * 8192)
    refused = isthmus(project, "kv", "key", "list", "--namespace-id", "bad", ok=False)
    assert "kv/bad.sqlite" in refused.err and "damaged" in refused.err, refused.err
    assert isthmus(project, "kv", "key", "list", KV).json == []


def test_output_that_cannot_be_written_is_an_error(folder: Path) -> None:
    isthmus(folder, "kv", "key", "put", "k", "v", KV)
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with open("/dev/full", "wb") as full:
        command = [sys.executable, "-m", "isthmus", "kv", "key", "get", "k", KV]
        assert subprocess.run(command, cwd=folder, stdout=full, stderr=subprocess.DEVNULL).returncode == 1
