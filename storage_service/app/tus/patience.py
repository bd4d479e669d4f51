"""Not now: tus-js-client takes a 503 to HEAD for an upload that is gone and sends all of it anew; 423 makes it wait."""

from storage_service.app.core.errors import UploadLocked
from storage_service.app.edge.request import Request
from storage_service.app.edge.status import status_of

UNAVAILABLE = 503


def patient(request: Request, error: Exception) -> Exception:
    """The error to answer with: of a look at an upload one that says to try again, where the service cannot tell."""
    is_look = request.method == "HEAD" and request.raw_path.startswith(b"/files/resumable/")
    if is_look and status_of(error) == UNAVAILABLE:
        return UploadLocked("The service cannot tell now; try again")
    return error
