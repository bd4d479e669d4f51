"""Settings of the example. What matters here is STORAGES; the rest is the least that Django needs."""

import os
from pathlib import Path
from typing import Any

BASE_DIR = Path(__file__).parents[1]
SECRET_KEY = os.environ["DJANGO_SECRET_KEY"]
DEBUG = os.environ.get("DEBUG") == "1"
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
ROOT_URLCONF = "project.urls"
INSTALLED_APPS = ["files"]
MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", "django.middleware.csrf.CsrfViewMiddleware"]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ.get("DATABASE", BASE_DIR / "files.db")}
}


def s3(endpoint: str) -> dict[str, Any]:
    """django-storages at the S3 door of the storage service."""
    return {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "endpoint_url": endpoint,
            "access_key": os.environ["AWS_ACCESS_KEY_ID"],
            "secret_key": os.environ["AWS_SECRET_ACCESS_KEY"],
            "bucket_name": os.environ.get("BUCKET", "uploads"),
            "addressing_style": "path",
            "signature_version": "s3v4",
            "file_overwrite": False,  # a second cat.png becomes cat_x7f3.png
            "querystring_expire": 900,  # seconds a link holds
        },
    }


STORAGE_URL = os.environ["STORAGE_URL"]
STORAGES = {
    "default": s3(STORAGE_URL),
    # A signed link is for the address it begins with: browsers get one that begins with theirs.
    "links": s3(os.environ.get("STORAGE_PUBLIC_URL", STORAGE_URL)),
}
