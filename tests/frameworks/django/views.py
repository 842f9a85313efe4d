"""Functions and classes, synchronous and asynchronous."""

import asyncio
import threading

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.http import Http404, HttpResponse, JsonResponse
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.translation import get_language, gettext
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from django.views.generic import RedirectView, TemplateView


def index(request):
    return HttpResponse("index")


def parameters(request, **given):
    return JsonResponse({name: value if isinstance(value, int | list) else str(value) for name, value in given.items()})


def inner(request, slug):
    return JsonResponse({"slug": slug, "view": request.resolver_match.view_name, "route": request.resolver_match.route})


def request(request):
    return JsonResponse(
        {
            "path": request.path,
            "full": request.get_full_path(),
            "uri": request.build_absolute_uri(),
            "other": request.build_absolute_uri("/x?é"),
            "get": dict(request.GET.lists()),
            "cookies": request.COOKIES,
            "own": request.headers.get("X-Own"),
            "agent": request.META.get("HTTP_USER_AGENT"),
            "accepts": request.accepts("application/json"),
            "preferred": request.get_preferred_type(["text/html", "application/json"]),
            "secure": request.is_secure(),
            "host": request.get_host(),
            "method": request.method,
            "script": request.META.get("SCRIPT_NAME"),
            "query": request.META.get("QUERY_STRING"),
            "content_type": request.content_type,
        }
    )


def urls(request):
    return JsonResponse(
        {
            "int": reverse("int", args=[3]),
            "words": reverse("words", kwargs={"words": ["a", "b"]}),
            "nested": reverse("nested:inner", args=["a-b"], query={"q": ["1", "ü"]}, fragment="x"),
        }
    )


def greeting(request):
    return HttpResponse(settings.GREETING)


@csrf_exempt
def method(request):
    return HttpResponse(request.method)


@csrf_exempt
@require_POST
def only_post(request):
    return HttpResponse("posted", status=201)


def missing(request, exception):
    return JsonResponse({"missing": request.path}, status=404)


def raises(request, kind):
    raise {
        "404": Http404("none"),
        "403": PermissionDenied("no"),
        "400": BadRequest("bad"),
        "suspicious": SuspiciousOperation("strange"),
        "500": RuntimeError("a mistake in the application"),
    }[kind]


async def asynchronous(request):
    await asyncio.sleep(0)
    return JsonResponse({"loop": asyncio.get_running_loop().is_running()})


async def asynchronous_many(request):
    async def square(number: int) -> int:
        await asyncio.sleep(0.001)
        return number * number

    return JsonResponse({"squares": await asyncio.gather(*map(square, range(5)))})


def thread(request):
    """Synchronous views are kept off the event loop's thread, where there is one."""
    try:
        asyncio.get_running_loop()
        loop = True
    except RuntimeError:
        loop = False
    return JsonResponse({"loop": loop, "main": threading.current_thread() is threading.main_thread()})


@method_decorator(csrf_exempt, name="dispatch")
class Things(View):
    def get(self, request, number):
        return JsonResponse({"got": number})

    def put(self, request, number):
        return JsonResponse({"put": number, "length": len(request.body)})

    def delete(self, request, number):
        return HttpResponse(status=204)


@method_decorator(csrf_exempt, name="dispatch")
class AsyncThings(View):
    async def get(self, request):
        await asyncio.sleep(0)
        return JsonResponse({"async": "get"})

    async def post(self, request):
        return JsonResponse({"async": len(request.body)})


class Page(TemplateView):
    template_name = "page.html"
    extra_context = {"items": ["<a>", "b"], "day": None}


class Elsewhere(RedirectView):
    pattern_name = "index"
    query_string = True
    permanent = True


def keep(request, value):
    before = request.session.get("value")
    request.session["value"] = value
    return JsonResponse({"before": before})


def flush(request):
    request.session.flush()
    return HttpResponse("flushed")


def tell(request):
    messages.info(request, "one")
    messages.error(request, "two <b>")
    return JsonResponse({"messages": [[message.tags, str(message)] for message in messages.get_messages(request)]})


def language(request):
    return JsonResponse({"language": get_language(), "text": gettext("Yes")})
