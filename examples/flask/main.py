"""A Flask application: a template, a session, an upload that is read as it comes, a stream, and a binding."""

import hashlib

from flask import Flask, Response, render_template, request, session, stream_with_context
from workers import wsgi

app = Flask(__name__)
app.secret_key = "change me"


@app.get("/")
def greet():
    return render_template("greet.html", greeting=request.environ["workers.env"].GREETING, name=request.args.get("name", "World"))


@app.get("/count")
def count():
    session["count"] = session.get("count", 0) + 1
    return {"count": session["count"]}


@app.put("/digest")
def digest():
    """The body comes through `run_sync`: other requests go on while this one waits for more of it."""
    found = hashlib.sha256()
    while piece := request.stream.read(65536):
        found.update(piece)
    return {"sha256": found.hexdigest()}


@app.get("/lines")
def lines():
    def tell():
        for number in range(int(request.args.get("count", "3"))):
            yield f"line {number}\n"

    return Response(stream_with_context(tell()), mimetype="text/plain")


Default = wsgi.entrypoint(app)
