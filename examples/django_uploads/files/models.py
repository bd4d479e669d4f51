"""What the app knows of a file. Its bytes are in the storage service."""

from django.db import models
from django.db.models.functions import Now


class File(models.Model):
    """`content` is as any FileField: `STORAGES` alone says where it is kept."""

    title = models.CharField(max_length=200)
    content = models.FileField(upload_to="files/%Y/%m/")
    uploaded_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.title
