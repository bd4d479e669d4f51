"""The command line as a caller of the service whose settings it has: its address, and a credential for it."""

from storage_service.app.core.config import BadSettings, Settings, load
from storage_service.app.process.admin import UNUSED_SECRET, Refused
from storage_service.app.process.probe import reached_at
from storage_service.app.wiring import make_verifier

TOKEN_SECONDS = 24 * 3600  # the longest transfer that begins with a fresh token and ends with it


def own_url() -> str:
    """By which this machine reaches it."""
    return reached_at(_load(secret_key=UNUSED_SECRET))


def own_token(user: str | None) -> str:
    """Of this user; without one the service's own key, or a token of the first admin. Raises: Refused."""
    settings = _load()
    if user is None and settings.storage_service_api_key is not None:
        return settings.storage_service_api_key.get_secret_value()
    who = user or next(iter(settings.storage_admins), None)
    if who is None:
        raise Refused("Say who is acting: --as USER, --token, STORAGE_TOKEN or STORAGE_SERVICE_API_KEY")
    try:
        return make_verifier(settings).mint(who, TOKEN_SECONDS)
    except ValueError as error:
        raise Refused(f"{who!r} cannot be a token's subject: {error}") from None


def _load(**values: str) -> Settings:
    try:
        return load(**values)
    except BadSettings as error:
        raise Refused(str(error)) from None
