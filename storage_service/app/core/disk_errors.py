"""What a disk's refusal is called in the core's words."""

import contextlib
import errno
import logging
from collections.abc import Iterator

from storage_service.app.core.errors import InsufficientStorage, ServiceUnavailable

log = logging.getLogger(__name__)

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})  # a quota is a disk of one's own


@contextlib.contextmanager
def told(failure: str) -> Iterator[None]:
    """Around what writes; a file that is not there is the caller's matter.

    Args:
        failure: what to tell the client of any error but a full disk.

    Raises:
        InsufficientStorage, ServiceUnavailable
    """
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        log.error("a write failed: %s: %s", type(error).__name__, error)
        if error.errno in FULL:
            raise InsufficientStorage("The disk is full") from None
        raise ServiceUnavailable(failure) from None
