"""`isthmus secret …`: what it writes is what the Worker has."""

import stat
from collections.abc import Callable
from pathlib import Path

from harness.command import isthmus
from harness.server import CONFIG, Server

SHOWS = """
    from workers import Response, WorkerEntrypoint

    class Default(WorkerEntrypoint):
        async def fetch(self, request):
            return Response.json({name: getattr(self.env, name, None) for name in ("A", "B", "C")})
"""


def test_secrets_reach_the_worker(make_worker: Callable[..., Path], serve: Callable[..., Server]) -> None:
    folder = make_worker(SHOWS)
    put = isthmus(folder, "secret", "put", "A", stdin="it's \"quoted\" # no comment\n".encode())
    assert put.text.endswith("✨ Success! Uploaded secret A\n"), put.text
    assert stat.S_IMODE((folder / ".dev.vars").stat().st_mode) == 0o600
    (folder / "more.json").write_text('{"B": "two\\nlines", "C": "$A"}')
    bulk = isthmus(folder, "secret", "bulk", "more.json").text
    assert "✨ Successfully created secret for key: B\n" in bulk and "✨ 2 secrets successfully uploaded\n" in bulk
    assert isthmus(folder, "secret", "list").json == [{"name": name, "type": "secret_text"} for name in "ABC"]
    assert isthmus(folder, "secret", "list", "--format", "pretty").text.startswith("Secret Name: A\n")
    expected = {"A": "it's \"quoted\" # no comment", "B": "two\nlines", "C": "$A"}
    server = serve(folder)
    assert server.get("/").json() == expected
    server.stop()
    assert isthmus(folder, "secret", "delete", "B", "--json").json == {"name": "B"}
    assert serve(folder).get("/").json() == {**expected, "B": None}


def test_what_cannot_be_done_leaves_the_file_alone(make_worker: Callable[..., Path]) -> None:
    folder = make_worker("")
    isthmus(folder, "secret", "bulk", stdin=b"A=1\n")
    before = (folder / ".dev.vars").read_bytes()
    (folder / "bad.json").write_text('{"B": "1", "C": 2}')
    for arguments, stdin, expected in [
        (["delete", "B"], b"", "there is no secret B in"),
        (["put", "A B"], b"v", "can't be the name of a secret"),
        (["put", "B"], b"' \" ` #", "no kind of quotes fits it"),
        (["put", "B"], b"\xff", "cannot read the secret"),
        (["bulk", "bad.json"], b"", 'The value for "C" in "bad.json" is not a string'),
        (["bulk"], b"", "No content found in file, or piped input."),
        (["bulk"], b' {"B": "1"', 'The contents of "-" is not valid JSON: EOF while parsing'),
        (["bulk", "none"], b"", "cannot read none"),
    ]:
        refused = isthmus(folder, "secret", *arguments, stdin=stdin, ok=False)
        assert (refused.code, expected in refused.err) == (1, True), refused.err
    assert (folder / ".dev.vars").read_bytes() == before


def test_an_environment_keeps_what_it_had(make_worker: Callable[..., Path]) -> None:
    folder = make_worker("", CONFIG.rstrip().rstrip("}") + ', "env": { "staging": {} } }')
    isthmus(folder, "secret", "put", "A", stdin=b"1")
    told = isthmus(folder, "secret", "put", "B", "--env", "staging", stdin=b"2")
    assert ".dev.vars.staging begins as a copy of" in told.err
    assert [secret["name"] for secret in isthmus(folder, "secret", "list", "--env", "staging").json] == ["A", "B"]
    assert [secret["name"] for secret in isthmus(folder, "secret", "list").json] == ["A"]
