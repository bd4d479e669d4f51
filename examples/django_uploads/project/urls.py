"""One page."""

from django.urls import path

from files.views import files

urlpatterns = [path("", files, name="files")]
