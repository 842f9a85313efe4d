"""Settings without a database. What the Worker is bound to can be read here already."""

import os
from pathlib import Path

try:
    from workers import env

    GREETING = env.GREETING
except ImportError:  # behind another server
    GREETING = os.environ["GREETING"]

ROOT = Path(__file__).parent
SECRET_KEY = "not a secret"
DEBUG = False
ALLOWED_HOSTS = [".example.test"]
ROOT_URLCONF = "urls"
USE_TZ = True
INSTALLED_APPS = ["django.contrib.sessions", "django.contrib.messages", "django.contrib.staticfiles"]
MIDDLEWARE = [
    "middleware.stamp",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.http.ConditionalGetMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
MESSAGE_STORAGE = "django.contrib.messages.storage.cookie.CookieStorage"
LANGUAGES = [("en", "English"), ("de", "German")]
STATIC_URL = "static/"
DATA_UPLOAD_MAX_MEMORY_SIZE = 5_000_000
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "templates"],
        "OPTIONS": {
            "context_processors": ["django.template.context_processors.request", "django.contrib.messages.context_processors.messages"]
        },
    }
]
LOGGING = {"version": 1, "disable_existing_loggers": False, "loggers": {"django": {"level": "CRITICAL"}}}
