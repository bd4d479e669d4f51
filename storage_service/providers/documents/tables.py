"""The tables of documents: `document.attachment`, and `document.attachment_staging` for those that wait."""

from datetime import datetime
from typing import Any

from sqlalchemy import DateTime, Engine, String, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from storage_service.providers.documents.columns import ObjectStorageColumns

SCHEMA = "document"
BUSY_SECONDS = 30  # a writer of SQLite waits for another


class Base(DeclarativeBase):
    """What a migration reads and writes; a table may have further columns."""


class DocumentColumns(ObjectStorageColumns, Base):
    """Both tables have these. `filepath` is the local file of before."""

    __abstract__ = True
    __table_args__ = {"schema": SCHEMA}  # noqa: RUF012 - SQLAlchemy's own word for it

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int | None]
    filename: Mapped[str] = mapped_column(String(255))
    content_type: Mapped[str] = mapped_column(String(255))
    filepath: Mapped[str | None] = mapped_column(String(500))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class Attachment(DocumentColumns):
    __tablename__ = "attachment"


class AttachmentStaging(DocumentColumns):
    __tablename__ = "attachment_staging"


def engine_of(url: str) -> Engine:
    """SQLite has no schemas: there `document` is a second file beside the first. Raises: SQLAlchemyError."""
    if not url.startswith("sqlite"):
        return create_engine(url)
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS})
    attached = f"{make_url(url).database}.{SCHEMA}"

    @event.listens_for(engine, "connect")
    def attach(connection: Any, _: Any) -> None:
        connection.execute(f"ATTACH DATABASE ? AS {SCHEMA}", (attached,)).close()

    return engine
