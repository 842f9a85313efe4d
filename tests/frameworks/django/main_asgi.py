"""The project as a Worker behind ASGI."""

from project_asgi import application
from workers import asgi

Default = asgi.entrypoint(application, options=asgi.Options(encode_body="manual"))
