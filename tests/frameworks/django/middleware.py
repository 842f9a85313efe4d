"""Middleware for both kinds of views."""

from asgiref.sync import iscoroutinefunction
from django.utils.decorators import sync_and_async_middleware


@sync_and_async_middleware
def stamp(get_response):
    if iscoroutinefunction(get_response):

        async def middleware(request):
            response = await get_response(request)
            response["x-stamp"] = request.method
            return response
    else:

        def middleware(request):
            response = get_response(request)
            response["x-stamp"] = request.method
            return response

    return middleware
