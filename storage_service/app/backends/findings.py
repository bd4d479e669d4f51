"""What `storage check` says: problems with stable codes, notes that are no damage, and how much was looked at."""

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

Code = Literal[
    "blob_missing",
    "blob_edited",
    "blob_corrupt",
    "blob_foreign",
    "blob_orphan",
    "bucket_sidecar_damaged",
    "bucket_sidecar_differs",
    "bucket_sidecar_missing",
    "bucket_unknown",
    "catalog_damaged",
    "catalog_missing",
    "leftover",
    "parked",
    "row_missing",
    "sidecar_damaged",
    "sidecar_differs",
    "sidecar_missing",
    "symlink",
    "upload_damaged",
    "view_edited",
    "view_foreign",
    "view_stale",
]


class Finding(NamedTuple):
    """One thing that is not as it should be. `key` is a path below the bucket where no object is meant."""

    code: Code
    bucket: str | None
    key: str | None
    version_id: str | None
    detail: str

    def __str__(self) -> str:
        place = "/".join(part for part in (self.bucket, self.key) if part)
        version = f" (version {self.version_id})" if self.version_id else ""
        return f"{self.code}: {place}{version}: {self.detail}"


@dataclass(slots=True)
class Report:
    """`problems` need somebody; `notes` go away by themselves or do no harm. `lost_after`: see a rebuild's report."""

    problems: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)
    objects: int = 0
    versions: int = 0
    shown: int = 0  # names of the view that show what they should
    hidden: int = 0  # keys that cannot be file names
    lost_after: int | None = None

    @property
    def is_well(self) -> bool:
        return not self.problems and self.lost_after is None

    def record(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "problems": [finding._asdict() for finding in self.problems],
            "notes": [finding._asdict() for finding in self.notes],
            "objects": self.objects,
            "versions": self.versions,
            "view": {"shown": self.shown, "hidden": self.hidden},
            "lost_after": self.lost_after,
        }
