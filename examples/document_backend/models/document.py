"""Attachments, and those that wait to be attached."""

from datetime import UTC, datetime

from sqlalchemy import DateTime, Index, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from storage_service.providers import ObjectStorageColumns

SCHEMA = {"schema": "document"}


class Base(DeclarativeBase):
    """All tables."""


class DocumentColumns(ObjectStorageColumns, Base):
    """Both tables have these. `filepath` is the local file, as before there was object storage."""

    __abstract__ = True

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int | None]
    filename: Mapped[str] = mapped_column(String(255))
    content_type: Mapped[str] = mapped_column(String(255), default="application/octet-stream")
    filepath: Mapped[str | None] = mapped_column(String(500))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=lambda: datetime.now(UTC))


class Attachment(DocumentColumns):
    __tablename__ = "attachment"
    __table_args__ = (
        Index("idx_attachment_storage_path", "storage_path"),
        Index("idx_attachment_storage_type", "storage_type"),
        SCHEMA,
    )


class AttachmentStaging(DocumentColumns):
    __tablename__ = "attachment_staging"
    __table_args__ = (
        Index("idx_attachment_staging_storage_path", "storage_path"),
        Index("idx_attachment_staging_storage_type", "storage_type"),
        SCHEMA,
    )
