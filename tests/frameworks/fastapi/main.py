"""The application as a Worker; `application` knows nothing of Workers."""

from application import app
from workers import asgi

# What GZipMiddleware has compressed must not be compressed again by the runtime, which a Response otherwise promises.
Default = asgi.entrypoint(app, options=asgi.Options(encode_body="manual"))
