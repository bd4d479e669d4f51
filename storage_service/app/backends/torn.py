"""Pairs a power cut has torn: a sidecar that survived without its bytes. A rebuild must not believe them.

Only what was never settled can be torn: settle syncs both before it says so. While the catalog lives its journal has
the bytes; once it is lost, the version below is all there is, and the torn one must not bury it.
"""

from awscrt.checksums import crc64nvme

from storage_service.app.backends.blobs import LocalBlobs, is_intact, read_file
from storage_service.app.core import sidecar
from storage_service.app.core.digests import render_crc64nvme
from storage_service.app.core.objects import BlobName, Version

MOST_BYTES = 4 << 20  # larger bodies were synced before their commit; nothing is journalled that is as large


def is_torn(blobs: LocalBlobs, blob: BlobName, version: Version) -> bool:
    """Whether the bytes are not those the sidecar tells of. Where they are, but their time was lost, it is set right.

    Raises:
        OSError: the disk cannot read them.
    """
    if version.is_marker or version.size > MOST_BYTES:
        return False
    found = blobs.stat(blob)
    if found is None or found.size != version.size:
        return True
    body = read_file(blobs.disk, blobs.path(blob))
    wanted = sidecar.digests_of(version).crc64nvme
    if wanted and render_crc64nvme(crc64nvme(body)) != wanted:
        return True
    if version.mtime_ns is not None and not is_intact(found, version.size, version.mtime_ns):
        blobs.write(blob, body, version.mtime_ns)
    return False


def set_aside(blobs: LocalBlobs, blob: BlobName) -> None:
    """Keep the pair, but not as a sidecar: a later rebuild, which knows less, would believe it."""
    path = blobs.sidecar_path(blob)
    blobs.disk.rename(path, f"{path}.torn")
