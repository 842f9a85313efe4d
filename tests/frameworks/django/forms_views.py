"""Bodies: raw, JSON, forms, files, and the protection against forged requests."""

import hashlib
import json as json_module

from django import forms
from django.http import HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.shortcuts import redirect, render
from django.views.decorators.csrf import csrf_exempt


class Contact(forms.Form):
    name = forms.CharField(max_length=10)
    email = forms.EmailField()
    age = forms.IntegerField(min_value=18, required=False)
    colours = forms.MultipleChoiceField(choices=[("r", "red"), ("g", "green")], required=False)
    agreed = forms.BooleanField()

    def clean_name(self) -> str:
        if self.cleaned_data["name"] == "admin":
            raise forms.ValidationError("not you")
        return self.cleaned_data["name"].strip()


def told(content: bytes) -> dict[str, object]:
    return {"length": len(content), "sha256": hashlib.sha256(content).hexdigest()}


@csrf_exempt
def body(request):
    return JsonResponse({**told(request.body), "type": request.headers.get("content-type")})


@csrf_exempt
def pieces(request):
    """Reads the body as it comes."""
    digest, length, reads = hashlib.sha256(), 0, 0
    while piece := request.read(10_000):
        digest.update(piece)
        length += len(piece)
        reads += 1
    return JsonResponse({"length": length, "sha256": digest.hexdigest(), "reads": reads})


@csrf_exempt
def json(request):
    try:
        return JsonResponse({"json": json_module.loads(request.body)})
    except ValueError:
        return JsonResponse({"error": "no JSON"}, status=400)


@csrf_exempt
def post(request):
    return JsonResponse({"post": dict(request.POST.lists()), "encoding": request.encoding})


@csrf_exempt
def upload(request):
    files = [
        [field, file.name, file.content_type, file.size, type(file).__name__, told(b"".join(file.chunks()))]
        for field, several in request.FILES.lists()
        for file in several
    ]
    return JsonResponse({"files": files, "post": request.POST.dict()})


@csrf_exempt
def upload_large(request):
    digest, length = hashlib.sha256(), 0
    for piece in request.FILES["file"].chunks(1 << 20):
        digest.update(piece)
        length += len(piece)
    return JsonResponse({"size": length, "sha256": digest.hexdigest()})


@csrf_exempt
def contact(request):
    form = Contact(request.POST or None)
    if request.method == "POST" and form.is_valid():
        return redirect("int", number=form.cleaned_data["age"] or 0)
    if request.headers.get("accept") == "application/json":
        return JsonResponse(form.errors.get_json_data(), status=422)
    return render(request, "contact.html", {"form": form})


def token(request):
    return HttpResponse(get_token(request))


def guarded(request):
    return HttpResponse("let in")
