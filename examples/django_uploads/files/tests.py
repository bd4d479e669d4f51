"""Against a running storage service: `python manage.py test`."""

from html import unescape

import urllib3
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import TestCase

from files.models import File


class FilesTest(TestCase):
    def upload(self, name: str, body: bytes) -> None:
        content = SimpleUploadedFile(name, body, "image/png")
        self.assertRedirects(self.client.post("/", {"title": name, "content": content}), "/")

    def test_uploaded_file_is_stored_and_linked(self) -> None:
        self.upload("cat.png", b"a picture, so to say")
        page = self.client.get("/").content.decode()
        link = unescape(page.partition('<a href="')[2].partition('"')[0])
        answer = urllib3.request("GET", link)
        self.assertEqual((answer.status, answer.data), (200, b"a picture, so to say"))
        self.assertEqual(answer.headers["content-type"], "image/png")
        self.assertEqual(urllib3.request("GET", link.partition("?")[0]).status, 403)

    def test_second_file_of_a_name_gets_another_key(self) -> None:
        self.upload("dog.png", b"one")
        self.upload("dog.png", b"two")
        first, second = File.objects.order_by("id")
        self.assertNotEqual(first.content.name, second.content.name)
        with first.content.open() as content:
            self.assertEqual(content.read(), b"one")

    def test_deleted_content_is_gone(self) -> None:
        self.upload("old.png", b"old")
        file = File.objects.get()
        storage, name = file.content.storage, file.content.name
        file.content.delete()
        self.assertFalse(storage.exists(name))
