"""Where the service at PORT is reached from this machine, and the keys that may do everything: for `storage import`."""

from typing import NamedTuple

from storage_service.app.core.config import BadSettings, load
from storage_service.app.process.admin import UNUSED_SECRET, Refused
from storage_service.app.process.probe import reached_at


class OwnService(NamedTuple):
    """`api_key` is None where none is set: then quotas, owners and access keys cannot be set."""

    url: str
    access_key: str
    secret_key: str
    api_key: str | None
    region: str


def own_service(url: str | None = None) -> OwnService:
    """Of the environment and `.env`; `url` names a service elsewhere with the same keys. Raises: Refused."""
    try:
        settings = load(secret_key=UNUSED_SECRET)
    except BadSettings as error:
        raise Refused(str(error)) from None
    secret, api_key = settings.s3_root_secret_key, settings.storage_service_api_key
    if not settings.s3_root_access_key or secret is None:
        raise Refused("S3_ROOT_ACCESS_KEY and S3_ROOT_SECRET_KEY of the service are needed")
    return OwnService(
        (url or reached_at(settings)).rstrip("/"),
        settings.s3_root_access_key,
        secret.get_secret_value(),
        api_key.get_secret_value() if api_key else None,
        settings.s3_region or "us-east-1",
    )
