"""A Django project as a Worker, through ASGI. (Through WSGI: `wsgi.entrypoint(get_wsgi_application())`.)"""

import os

from django.core.asgi import get_asgi_application
from workers import asgi

os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
Default = asgi.entrypoint(get_asgi_application())
