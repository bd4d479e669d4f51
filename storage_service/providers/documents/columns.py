"""What a table of documents says of where each is stored."""

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column


class ObjectStorageColumns:
    """Two columns for a model. `storage_path` is None while the file lies only under its old `filepath`."""

    storage_path: Mapped[str | None] = mapped_column(String(500), nullable=True)
    storage_type: Mapped[str | None] = mapped_column(String(50), default="local", server_default="local")
