"""`isthmus r2 …`."""

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from harness.command import isthmus
from harness.server import CONFIG, Server

WORKER = """
    from workers import Response, WorkerEntrypoint

    class Default(WorkerEntrypoint):
        async def fetch(self, request):
            key = request.url.rpartition("/")[2]
            if request.method == "PUT":
                await self.env.BUCKET.put(key, request.js_object.body, customMetadata={"by": "a Worker"})
                return Response("stored")
            found = await self.env.BUCKET.get(key)
            return Response(found.body) if found else Response("", status=404)
"""

BUCKETS = CONFIG.replace(
    '"kv_namespaces": [{ "binding": "KV", "id": "test" }]',
    '"r2_buckets": [{ "binding": "BUCKET", "bucket_name": "my-bucket" }, { "binding": "NAMELESS" }]',
)


@pytest.fixture
def project(make_worker: Callable[..., Path]) -> Path:
    return make_worker(WORKER, config=BUCKETS)


def test_an_object_is_put_got_listed_and_deleted(project: Path) -> None:
    (project / "hello.txt").write_text("grüße")
    put = isthmus(
        project, "r2", "object", "put", "my-bucket/a/hello.txt", "--file", "hello.txt", "--ct", "text/plain",
        "--cache-control", "no-store", "--expires", "1893456000000", "--storage-class", "InfrequentAccess", "--local",
    )  # fmt: skip
    assert put.text == (
        'Creating object "a/hello.txt" with InfrequentAccess storage class in bucket "my-bucket".\nUpload complete.\n'
    )
    got = isthmus(project, "r2", "object", "get", "my-bucket/a/hello.txt")
    assert got.text == 'Downloading "a/hello.txt" from "my-bucket".\nDownload complete.\n'
    assert (project / "a/hello.txt").read_text() == "grüße"
    assert isthmus(project, "r2", "object", "get", "my-bucket/a/hello.txt", "--pipe").out == "grüße".encode()
    isthmus(project, "r2", "object", "put", "my-bucket/b", "--pipe", stdin=b"from a pipe")
    listed = isthmus(project, "r2", "object", "list", "my-bucket").json
    assert [o["key"] for o in listed] == ["a/hello.txt", "b"]
    assert time.strptime(listed[0].pop("last_modified"), "%Y-%m-%dT%H:%M:%S.%fZ")
    assert listed[0] == {
        "key": "a/hello.txt",
        "size": 7,
        "etag": hashlib.md5("grüße".encode()).hexdigest(),
        "storage_class": "InfrequentAccess",
        "http_metadata": {
            "contentType": "text/plain",
            "cacheControl": "no-store",
            "cacheExpiry": "2030-01-01T00:00:00.000Z",
        },
        "custom_metadata": {},
    }
    assert [o["key"] for o in isthmus(project, "r2", "object", "list", "my-bucket", "--prefix", "b").json] == ["b"]
    deleted = isthmus(project, "r2", "object", "delete", "my-bucket/b")
    assert deleted.text == 'Deleting object "b" from bucket "my-bucket".\nDelete complete.\n'
    missing = isthmus(project, "r2", "object", "get", "my-bucket/b", "--file", "b", ok=False)
    assert (missing.code, missing.err) == (1, "error: The specified key does not exist.\n\n")
    assert not (project / "b").exists()


def test_with_json_there_is_nothing_but_json(project: Path) -> None:
    (project / "file").write_bytes(b"v")
    put = isthmus(project, "r2", "object", "put", "my-bucket/k", "--file", "file", "--json").json
    assert (put["key"], put["size"], put["storage_class"]) == ("k", 1, "Standard")
    got = isthmus(project, "r2", "object", "get", "my-bucket/k", "--file", "there/k", "--json").json
    assert (got["etag"], got["file"]) == (put["etag"], "there/k")
    assert (project / "there/k").read_bytes() == b"v"
    assert isthmus(project, "r2", "object", "delete", "my-bucket/k", "--json").json == {"key": "k", "bucket": "my-bucket"}
    assert isthmus(project, "r2", "object", "list", "my-bucket", "--json").json == []


def test_objects_of_every_size_go_and_come_byte_by_byte(project: Path) -> None:
    for length in (0, 1, 70_000, 5_000_000):
        content = os.urandom(length)
        (project / "value").write_bytes(content)
        isthmus(project, "r2", "object", "put", "my-bucket/k", "--file", "value")
        assert isthmus(project, "r2", "object", "get", "my-bucket/k", "--pipe").out == content
        isthmus(project, "r2", "object", "put", "my-bucket/k", "--pipe", stdin=content[::-1])
        assert isthmus(project, "r2", "object", "get", "my-bucket/k", "--pipe").out == content[::-1]


def test_buckets_are_listed_bound_ones_first(project: Path) -> None:
    isthmus(project, "r2", "object", "put", "another", "--pipe", ok=False)
    isthmus(project, "r2", "object", "put", "another/k", "--pipe", stdin=b"v")
    assert isthmus(project, "r2", "bucket", "list", "--json").json == [
        {"name": "my-bucket", "binding": "BUCKET"},
        {"name": "NAMELESS", "binding": "NAMELESS"},
        {"name": "another"},
    ]
    assert isthmus(project, "r2", "bucket", "list").text == (
        "Listing buckets...\nname:     my-bucket\nbinding:  BUCKET\n\nname:     NAMELESS\nbinding:  NAMELESS\n\n"
        "name:     another\n"
    )


def test_a_running_dev_and_a_command_see_the_same_objects(project: Path, serve: Callable[..., Server]) -> None:
    server = serve(project)
    assert server.client.put("/worker", content=b"w" * 200_000).text == "stored"
    assert isthmus(project, "r2", "object", "get", "my-bucket/worker", "--pipe").out == b"w" * 200_000
    isthmus(project, "r2", "object", "put", "my-bucket/command", "--pipe", stdin=b"c" * 200_000)
    assert server.get("/command").content == b"c" * 200_000
    [command, worker] = isthmus(project, "r2", "object", "list", "my-bucket").json
    assert (command["custom_metadata"], worker["custom_metadata"]) == ({}, {"by": "a Worker"})
    isthmus(project, "r2", "object", "delete", "my-bucket/worker")
    assert server.get("/worker").status_code == 404


def test_the_state_lies_where_it_is_wanted(project: Path, tmp_path: Path) -> None:
    isthmus(project, "r2", "object", "put", "my-bucket/k", "--pipe", "--persist-to", str(tmp_path / "s"), stdin=b"v")
    assert (tmp_path / "s/r2/my-bucket/index.sqlite").is_file()
    assert isthmus(project, "r2", "object", "list", "my-bucket").json == []


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["get", "no-key"], 1, "The object path must be in the form of {bucket}/{key} you provided no-key"),
        (["get", "No_Bucket/k"], 1, 'The bucket name "No_Bucket" is invalid.'),
        (["get", "../k/x"], 1, 'The bucket name ".." is invalid.'),
        (["get", "my-bucket/../k"], 1, "can't be the name of a file here: name one with --file"),
        (["put", "my-bucket/k"], 2, "<--file <FILE>|--pipe>"),
        (["put", "my-bucket/k", "--file", "none"], 1, "cannot read none"),
        (["put", "my-bucket/k", "--pipe", "--storage-class", "Deep"], 1, "put: The specified storage class is not valid."),
        (["put", "my-bucket/" + "k" * 1025, "--pipe"], 1, "put: The specified object name is not valid. (10020)"),
        (["get", "my-bucket/k", "--remote", "--pipe"], 1, "there is no remote data"),
        (["get", "my-bucket/k", "--pipe", "--file", "x"], 2, "cannot be used with"),
    ],
)
def test_what_is_wrong_is_said(project: Path, arguments: list[str], code: int, message: str) -> None:
    wrong = isthmus(project, "r2", "object", *arguments, ok=False)
    assert wrong.code == code
    assert message in wrong.err, wrong.err
