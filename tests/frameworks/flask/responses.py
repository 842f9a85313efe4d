"""Kinds of responses: text, JSON, templates, files, streams, cookies, caching."""

import datetime
import io
from collections.abc import Iterator

from flask import (
    Blueprint,
    Response,
    flash,
    get_flashed_messages,
    jsonify,
    make_response,
    redirect,
    render_template,
    render_template_string,
    request,
    send_file,
    send_from_directory,
    stream_template,
    stream_with_context,
)

blueprint = Blueprint("responses", __name__)
closed: list[str] = []


@blueprint.get("/tuple")
def pair():
    return "created", 201, {"x-own": "1", "content-type": "text/x-own"}


@blueprint.get("/list")
def many():
    return [1, {"a": None}, "é"]


@blueprint.get("/json")
def json():
    return jsonify(day=datetime.date(2026, 2, 28), text="\u2028ü")


@blueprint.get("/made")
def made():
    response = make_response(b"\x00\xff", 203)
    response.mimetype = "application/octet-stream"
    response.headers.add("x-many", "1")
    response.headers.add("x-many", "2")
    return response


@blueprint.get("/cookies")
def cookies():
    response = make_response("cookies")
    response.set_cookie("a", "1", max_age=60, httponly=True, samesite="Strict")
    response.set_cookie("b", "two, words; é", path="/responses", secure=True, partitioned=True)
    response.delete_cookie("c")
    return response


@blueprint.get("/template")
def template():
    return render_template("page.html", items=["<a>", "b"], name=request.args.get("name", "nobody"))


@blueprint.get("/template-string")
def template_string():
    return render_template_string("{{ site }} {{ 1 + 1 }} {{ request.path }} {{ '<x>' }}")


@blueprint.get("/template-stream")
def template_stream():
    return stream_template("page.html", items=map(str, range(1000)), name="stream")


@blueprint.get("/flash")
def flashed():
    flash("one", "error")
    flash("two")
    return {"messages": get_flashed_messages(with_categories=True)}


@blueprint.get("/redirect")
def elsewhere():
    return redirect("/?é=1", code=int(request.args.get("code", "302")))


@blueprint.get("/stream")
def stream():
    def pieces() -> Iterator[str]:
        try:
            for number in range(int(request.args.get("count", "3"))):
                yield f"{number}:{request.path}\n"
        finally:
            closed.append(request.args.get("name", ""))

    return Response(stream_with_context(pieces()), mimetype="text/plain")


@blueprint.get("/large")
def large():
    return Response((bytes([number]) * 65536 for number in range(64)), mimetype="application/octet-stream")


@blueprint.get("/stream-late")
def late():
    """Its first pieces are empty."""
    return Response(iter([b"", b"", b"late"]), status=202)


@blueprint.get("/closed")
def was_closed():
    return {"closed": closed}


@blueprint.get("/on-close")
def on_close():
    response = make_response("closing")
    response.call_on_close(lambda: closed.append("called"))
    return response


@blueprint.get("/file")
def file():
    return send_from_directory(blueprint.root_path + "/static", "style.css", conditional=True, etag="own", last_modified=0)


@blueprint.get("/attachment")
def attachment():
    return send_file(io.BytesIO(b"a,b\n1,2\n"), mimetype="text/csv", as_attachment=True, download_name="dätä.csv")


@blueprint.get("/cached")
def cached():
    response = make_response("cached")
    response.add_etag()
    response.cache_control.max_age = 60
    response.cache_control.public = True
    response.vary.add("Accept")
    return response.make_conditional(request)


@blueprint.get("/empty/<int:code>")
def empty(code: int):
    return "", code


@blueprint.get("/gzip")
def compressed():
    import gzip

    return Response(gzip.compress(b"text " * 100, mtime=0), headers={"content-encoding": "gzip"})


@blueprint.route("/method", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
def method() -> str:
    return request.method


@blueprint.route("/options", methods=["OPTIONS", "GET"], provide_automatic_options=False)
def options():
    return request.method, {"x-options": "own"}


@blueprint.get("/write")
def write():
    """A WSGI application of its own, which uses `write()`."""

    def application(environ, start_response):
        send = start_response("200 OK", [("content-type", "text/plain")])
        send(b"written ")
        return [b"returned"]

    return application
