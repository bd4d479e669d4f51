"""The group of STORAGE_GID: nginx is in it, may pass through the store's directories, and reads the blobs.

Once, when the group is new to a store. Afterwards directories hand their group on by their set-group-id bit.
"""

import contextlib
import logging
import os
import stat

from storage_service.app.backends.blobs import BLOBS, SERVICE

log = logging.getLogger(__name__)


def share_store(root: str, group: int) -> bool:
    """Whether the group can read all blobs from now on; quick where it could already. The root comes last: it says
    that the rest was done."""
    try:
        found = os.stat(root)
        if found.st_gid != group or not found.st_mode & stat.S_ISGID:
            _share_buckets(root, group)
            _share_dir(root, group)
    except PermissionError:
        log.warning(
            "STORAGE_GID %d: this user (uid %d) is not in that group, so a proxy in it cannot read the files and the"
            " service sends them itself. Start it with the group among its own, or unset STORAGE_GID",
            group,
            os.geteuid(),
        )
        return False
    except OSError as error:  # a disk in trouble: that is found out elsewhere, and nginx is not needed for anything
        log.warning("STORAGE_GID %d: the files could not be given to it: %s", group, error)
        return False
    return True


def _share_buckets(root: str, group: int) -> None:
    for bucket in os.scandir(root):
        blobs = f"{bucket.path}/{BLOBS}"
        if bucket.name == SERVICE or bucket.is_symlink() or not os.path.isdir(blobs):
            continue
        for shard in os.scandir(blobs):
            if shard.is_dir(follow_symlinks=False):
                for blob in os.scandir(shard.path):
                    with contextlib.suppress(FileNotFoundError):  # garbage is collected meanwhile
                        os.chown(blob.path, -1, group, follow_symlinks=False)
                _share_dir(shard.path, group)
        _share_dir(blobs, group)
        _share_dir(bucket.path, group)


def _share_dir(path: str, group: int) -> None:
    os.chown(path, -1, group, follow_symlinks=False)
    mode = stat.S_IMODE(os.stat(path).st_mode)
    os.chmod(path, mode | stat.S_ISGID | 0o050)  # noqa: S103 - that is what the group is for
