"""The page: what is there, and a form for more."""

from django.core.files.storage import storages
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from files.models import File


class FileForm(ModelForm):
    class Meta:
        model = File
        fields = ("title", "content")


def files(request: HttpRequest) -> HttpResponse:
    form = FileForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        form.save()
        return redirect("files")
    links = storages["links"]
    rows = [(file.title, links.url(file.content.name)) for file in File.objects.order_by("-id")]
    return render(request, "files/page.html", {"rows": rows, "form": form})
