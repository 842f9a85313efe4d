"""What a request's body is read as."""

import hashlib

from flask import Blueprint, request

blueprint = Blueprint("bodies", __name__)


def told(content: bytes) -> dict[str, object]:
    return {"length": len(content), "sha256": hashlib.sha256(content).hexdigest()}


@blueprint.post("/form")
def form():
    return {"single": request.form.get("name"), "all": request.form.to_dict(flat=False), "values": request.values.getlist("name")}


@blueprint.post("/json")
def json():
    return {"json": request.get_json(), "is_json": request.is_json}


@blueprint.post("/json-silent")
def silent():
    return {"json": request.get_json(force=True, silent=True)}


@blueprint.post("/data")
def data():
    return {**told(request.get_data()), "type": request.content_type, "declared": request.content_length}


@blueprint.post("/pieces")
def pieces():
    """Reads the body as it comes."""
    digest, length, reads = hashlib.sha256(), 0, 0
    while piece := request.stream.read(10_000):
        digest.update(piece)
        length += len(piece)
        reads += 1
    return {"length": length, "sha256": digest.hexdigest(), "reads": reads}


@blueprint.post("/lines")
def lines():
    return {"lines": [line.decode() for line in request.stream]}


@blueprint.post("/upload")
def upload():
    files = [[field, file.filename, file.mimetype, told(file.read())] for field, file in request.files.items(multi=True)]
    return {"files": files, "form": request.form.to_dict()}


@blueprint.post("/upload-large")
def upload_large():
    """A multipart body, of which no more than a piece is ever in memory."""
    digest, length = hashlib.sha256(), 0
    stream = request.files["file"].stream
    while piece := stream.read(1 << 20):
        digest.update(piece)
        length += len(piece)
    return {"size": length, "sha256": digest.hexdigest()}


@blueprint.post("/ignored")
def ignored() -> str:
    return "unread"


@blueprint.get("/live")
def live():
    """What is under way, this request included."""
    import asyncio

    return {"tasks": len(asyncio.all_tasks())}


@blueprint.post("/limited")
def limited():
    request.max_content_length = 1000
    return told(request.get_data())
