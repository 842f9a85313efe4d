"""The application as a Worker; `application` knows nothing of Workers."""

from application import app
from workers import wsgi

Default = wsgi.entrypoint(app, options=wsgi.Options(encode_body="manual"))
