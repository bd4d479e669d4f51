"""Work on many files at once."""

from datetime import datetime
from typing import Literal, Self

from pydantic import AwareDatetime, Field, model_validator

from storage_service.app.schemas.fields import Name, Wire

MAX_KEYS = 3000  # as many as fit into a body, if they are long
MAX_PREFIXES = 1000


class BulkTarget(Wire):
    bucket: Name = Field(description="Name or id.")
    prefix: str = Field("", max_length=1024, description="What the new keys begin with.")


class BulkIn(Wire):
    """The files named, and all below the prefixes; an empty prefix is the whole bucket."""

    op: Literal["delete", "move", "copy", "restore"]
    bucket: Name = Field(description="Name or id.")
    keys: list[Name] = Field([], max_length=MAX_KEYS)
    prefixes: list[str] = Field([], max_length=MAX_PREFIXES)
    target: BulkTarget | None = Field(None, description="Of move and copy.")
    base: str = Field("", max_length=1024, description="Of move and copy: the part of each key that `target` replaces.")
    overwrite: bool = Field(False, description="Of move and copy: replace what is there.")
    purge: bool = Field(False, description="Of delete: skip the trash.")
    since: AwareDatetime | None = Field(None, description="Of restore: only what was deleted since then.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.op in {"move", "copy"}) != (self.target is not None):
            raise ValueError("target goes with move and copy")
        if not self.keys and not self.prefixes:
            raise ValueError("names neither keys nor prefixes")
        if self.target is not None and not all(one.startswith(self.base) for one in (*self.keys, *self.prefixes)):
            raise ValueError("keys and prefixes must begin with base")
        return self


class BulkError(Wire):
    key: str
    status: int
    code: str
    detail: str


class BulkLine(Wire):
    """How far it is. The last line is `finished`."""

    done: int
    failed: int
    total: int | None
    errors: list[BulkError]
    finished: bool


class UnfinishedUploadOut(Wire):
    """An upload that is not finished. `size`: bytes that have come; `length`: announced, null where that is unknown."""

    id: str
    bucket: str
    key: str
    kind: Literal["multipart", "resumable", "partial"]
    size: int
    length: int | None
    created_at: datetime
    expires_at: datetime


class UnfinishedUploadsOut(Wire):
    uploads: list[UnfinishedUploadOut]
    cursor: str | None
