"""What Flask documents of requests and responses, an application in parts."""

import logging

import admin
import bodies
import responses
from flask import Flask, abort, current_app, g, jsonify, redirect, request, session, url_for
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import BaseConverter

app = Flask(__name__)
app.config.update(SECRET_KEY="not a secret", MAX_FORM_PARTS=50, SESSION_COOKIE_NAME="own")
logging.getLogger("werkzeug").setLevel(logging.ERROR)


class Words(BaseConverter):
    """`a+b` in a path is a list."""

    def to_python(self, value: str) -> list[str]:
        return value.split("+")

    def to_url(self, value: list[str]) -> str:
        return "+".join(value)


class Refused(Exception):
    pass


app.url_map.converters["words"] = Words
app.register_blueprint(admin.blueprint, url_prefix="/admin")
app.register_blueprint(bodies.blueprint)
app.register_blueprint(responses.blueprint, url_prefix="/responses")


class Stamp:
    """Middleware of WSGI itself."""

    def __init__(self, inner) -> None:
        self.inner = inner

    def __call__(self, environ, start_response):
        def start(status, headers, exc_info=None):
            return start_response(status, [*headers, ("x-stamp", environ["REQUEST_METHOD"])], exc_info)

        return self.inner(environ, start)


app.wsgi_app = Stamp(ProxyFix(app.wsgi_app, x_for=1, x_proto=1))


@app.before_request
def before() -> None:
    g.seen = ["before"]
    if request.args.get("stop") == "yes":
        abort(423)


@app.after_request
def after(response):
    response.headers["x-seen"] = ",".join([*g.get("seen", []), "after"])
    return response


@app.errorhandler(404)
def missing(error: HTTPException):
    return jsonify(missing=request.path, description=error.description), 404


@app.errorhandler(Refused)
def refused(error: Refused):
    return f"refused {error}", 402, {"x-refused": "yes"}


@app.get("/")
def index() -> str:
    return "index"


@app.get("/hello/<name>")
def hello(name: str) -> str:
    return f"hello {name}"


@app.get("/int/<int:number>")
def integer(number: int):
    return {"number": number}


@app.get("/float/<float(signed=True):number>")
def floating(number: float):
    return {"number": number}


@app.get("/path/<path:rest>")
def rest(rest: str):
    return {"rest": rest}


@app.get("/uuid/<uuid:identity>")
def identity(identity):
    return {"identity": str(identity)}


@app.get("/any/<any(one, two):word>")
def some(word: str):
    return {"word": word}


@app.get("/words/<words:words>")
def words(words: list[str]):
    return {"words": words, "again": url_for("words", words=words)}


@app.get("/defaults/", defaults={"page": 1})
@app.get("/defaults/<int:page>")
def defaults(page: int):
    return {"page": page}


@app.get("/slash/")
def slash() -> str:
    return "slash"


@app.get("/urls")
def urls():
    return {
        "relative": url_for("hello", name="a b/ü", q=["1", "2"]),
        "external": url_for("index", _external=True),
        "static": url_for("static", filename="style.css"),
        "admin": url_for("admin.show", number=5, _anchor="x"),
        "url": request.url,
        "base_url": request.base_url,
        "host_url": request.host_url,
        "full_path": request.full_path,
        "endpoint": request.endpoint,
        "remote": request.headers.get("x-forwarded-for"),
        "scheme": request.scheme,
    }


@app.get("/query")
def query():
    return {
        "a": request.args.getlist("a"),
        "n": request.args.get("n", 7, type=int),
        "raw": request.query_string.decode(),
    }


@app.get("/headers")
def headers():
    return {
        "agent": request.headers.get("User-Agent"),
        "accept": request.accept_mimetypes.best_match(["application/json", "text/html"]),
        "language": request.accept_languages.best_match(["de", "en"]),
        "own": request.headers.get("x-own"),
        "if_none_match": sorted(request.if_none_match.as_set(include_weak=True)),
        "authorization": request.authorization and request.authorization.parameters,
        "cookies": request.cookies,
    }


@app.get("/session/<value>")
def keep(value: str):
    before, session["value"] = session.get("value"), value
    return {"before": before}


@app.get("/logout")
def logout():
    session.clear()
    return redirect(url_for("index"))


@app.get("/refuse/<name>")
def refuse(name: str):
    raise Refused(name)


@app.get("/abort/<int:code>")
def stop(code: int):
    abort(code)


@app.get("/crash")
def crash():
    raise RuntimeError("a mistake in the application")


@app.get("/context")
def context():
    return {"app": current_app.name, "g": g.seen, "method": request.method, "multithread": isinstance(request.is_multithread, bool)}
