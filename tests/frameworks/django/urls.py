"""Every view's path."""

from django.urls import include, path, re_path, register_converter

import forms_views
import responses
import views


class Words:
    """`a+b` in a path is a list."""

    regex = "[a-z]+(?:[+][a-z]+)*"

    def to_python(self, value: str) -> list[str]:
        return value.split("+")

    def to_url(self, value: list[str]) -> str:
        return "+".join(value)


register_converter(Words, "words")

nested = [path("inner/<slug:slug>/", views.inner, name="inner")]

urlpatterns = [
    path("", views.index, name="index"),
    path("int/<int:number>/", views.parameters, name="int"),
    path("str/<str:text>/", views.parameters),
    path("uuid/<uuid:identity>/", views.parameters),
    path("path/<path:rest>", views.parameters),
    path("words/<words:words>/", views.parameters, name="words"),
    re_path(r"^year/(?P<year>[0-9]{4})/$", views.parameters),
    path("nested/", include((nested, "app"), namespace="nested")),
    path("request/", views.request),
    path("urls/", views.urls),
    path("greeting/", views.greeting),
    path("method/", views.method),
    path("only-post/", views.only_post),
    path("raises/<str:kind>/", views.raises),
    path("async/", views.asynchronous),
    path("async-many/", views.asynchronous_many),
    path("thread/", views.thread),
    path("class/<int:number>/", views.Things.as_view()),
    path("async-class/", views.AsyncThings.as_view()),
    path("template-view/", views.Page.as_view()),
    path("redirect-view/", views.Elsewhere.as_view()),
    path("session/<str:value>/", views.keep),
    path("flush/", views.flush),
    path("messages/", views.tell),
    path("language/", views.language),
    path("body/", forms_views.body),
    path("pieces/", forms_views.pieces),
    path("json/", forms_views.json),
    path("post/", forms_views.post),
    path("upload/", forms_views.upload),
    path("upload-large/", forms_views.upload_large),
    path("contact/", forms_views.contact),
    path("token/", forms_views.token),
    path("guarded/", forms_views.guarded),
    path("responses/<str:name>/", responses.named),
    path("empty/<int:code>/", responses.empty),
    path("streams/<str:name>/", responses.streamed),
]
handler404 = "views.missing"
