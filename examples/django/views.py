"""Synchronous and asynchronous views, a form, a session, a stream."""

import asyncio

from django import forms
from django.conf import settings
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.views.decorators.csrf import csrf_exempt


class Contact(forms.Form):
    name = forms.CharField(max_length=20)
    email = forms.EmailField()


def greet(request):
    return HttpResponse(f"{settings.GREETING}, {request.GET.get('name', 'World')}!", content_type="text/plain")


def count(request):
    request.session["count"] = request.session.get("count", 0) + 1
    return JsonResponse({"count": request.session["count"]})


async def square(request, number):
    await asyncio.sleep(0)
    return JsonResponse({"square": number * number})


@csrf_exempt
def contact(request):
    form = Contact(request.POST)
    if not form.is_valid():
        return JsonResponse(form.errors, status=422)
    return JsonResponse(form.cleaned_data)


async def lines(request):
    async def tell():
        for number in range(3):
            yield f"line {number}\n"
            await asyncio.sleep(0.05)

    return StreamingHttpResponse(tell(), content_type="text/plain")
