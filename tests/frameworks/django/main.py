"""The project as a Worker behind WSGI."""

from project_wsgi import application
from workers import wsgi

Default = wsgi.entrypoint(application, options=wsgi.Options(encode_body="manual"))
