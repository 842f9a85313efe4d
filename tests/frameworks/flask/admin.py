"""A blueprint with views that are classes."""

from flask import Blueprint, g, jsonify, request
from flask.views import MethodView, View

blueprint = Blueprint("admin", __name__)


@blueprint.before_request
def authenticate() -> None:
    g.seen.append("admin")


@blueprint.app_context_processor
def site() -> dict[str, str]:
    return {"site": "cases"}


@blueprint.get("/<int:number>")
def show(number: int):
    return {"admin": number, "blueprint": request.blueprint}


@blueprint.errorhandler(ValueError)
def invalid(error: ValueError):
    return jsonify(invalid=str(error)), 400


@blueprint.get("/fails")
def fails():
    raise ValueError("not so")


class Things(MethodView):
    """A resource with a method for each HTTP method."""

    init_every_request = False

    def get(self, number: int):
        return {"got": number}

    def put(self, number: int):
        return {"put": number, "body": request.get_json()}

    def delete(self, number: int):
        return "", 204


class Told(View):
    methods = ["GET", "POST"]

    def __init__(self, text: str) -> None:
        self.text = text

    def dispatch_request(self) -> str:
        return f"{self.text} {request.method}"


blueprint.add_url_rule("/things/<int:number>", view_func=Things.as_view("things"))
blueprint.add_url_rule("/told", view_func=Told.as_view("told", "told"))
