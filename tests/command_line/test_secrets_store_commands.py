"""`isthmus secrets-store …`: what it keeps is what the Worker reads, of a server that runs and of one that doesn't yet."""

from collections.abc import Callable
from pathlib import Path

from harness.command import isthmus
from harness.server import CONFIG, Server

READS = """
    from pyodide.ffi import JsException
    from workers import Response, WorkerEntrypoint

    class Default(WorkerEntrypoint):
        async def fetch(self, request):
            try:
                return Response(await self.env.TOKEN.get())
            except JsException as error:
                return Response(error.message, status=404)
"""
BOUND = '"secrets_store_secrets": [{ "binding": "TOKEN", "store_id": "s", "secret_name": "token" }]'


def test_secrets_reach_the_worker(make_worker: Callable[..., Path], serve: Callable[..., Server]) -> None:
    folder = make_worker(READS, config=CONFIG.rstrip().removesuffix("}").rstrip() + ",\n" + BOUND + "}")
    made = isthmus(folder, "secrets-store", "secret", "create", "s", "--name", "token", "--scopes", "workers", stdin=b"one\n")
    assert made.text == "✅ Created secret! (Name: token, Store: s)\n"
    server = serve(folder)
    assert server.get("/").text == "one"
    isthmus(folder, "secrets-store", "secret", "update", "s", "--secret-id", "token", "--value", "zwö")
    assert server.get("/").text == "zwö"
    listed = [{"id": "token", "store_id": "s", "name": "token"}]
    assert isthmus(folder, "secrets-store", "secret", "list", "s", "--json").json == listed
    assert isthmus(folder, "secrets-store", "secret", "get", "s", "--name", "token", "--json").json == listed
    assert "token" in isthmus(folder, "secrets-store", "secret", "list", "s").text
    isthmus(folder, "secrets-store", "secret", "delete", "s", "--name", "token")
    assert (server.get("/").status_code, server.get("/").text) == (404, 'Secret "token" not found')
    assert isthmus(folder, "secrets-store", "secret", "list", "s", "--json").json == []


def test_stores_are_listed(make_worker: Callable[..., Path]) -> None:
    folder = make_worker("", config=CONFIG.rstrip().removesuffix("}").rstrip() + ",\n" + BOUND + "}")
    listing = ("secrets-store", "store", "list")
    assert isthmus(folder, *listing, "--json").json == [{"id": "s", "name": "s"}]
    isthmus(folder, "secrets-store", "secret", "create", "a", "--name", "x", "--value", "1")
    assert [store["id"] for store in isthmus(folder, *listing, "--json").json] == ["a", "s"]
    assert isthmus(folder, *listing).text.count("s") >= 2
    elsewhere = isthmus(folder, *listing, "--json", "--persist-to", "elsewhere")
    assert elsewhere.json == [{"id": "s", "name": "s"}]


def test_what_cannot_be_done(make_worker: Callable[..., Path]) -> None:
    folder = make_worker("")
    secret = ("secrets-store", "secret")
    isthmus(folder, *secret, "create", "s", "--name", "a", "--value", "1")
    for arguments, expected in [
        (["create", "s", "--name", "a", "--value", "2"], 'there is a secret "a" in the store s already'),
        (["create", "s", "--name", "a", "--value", "-2"], 'there is a secret "a" in the store s already'),
        (["create", "s", "--name", "b"], "a secret can't be empty"),
        (["update", "s", "--name", "b", "--value", "2"], 'there is no secret "b" in the store s'),
        (["get", "s", "--name", "b"], 'there is no secret "b" in the store s'),
        (["delete", "other", "--name", "a"], 'there is no secret "a" in the store other'),
        (["get", "s"], "--secret-id"),
    ]:
        assert expected in isthmus(folder, *secret, *arguments, ok=False).err, arguments
    assert isthmus(folder, *secret, "list", "s", "--json").json == [{"id": "a", "store_id": "s", "name": "a"}]
