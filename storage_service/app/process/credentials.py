"""Tokens and keys for people: what `storage token` and `storage keys` print."""

from typing import NamedTuple

from pydantic import SecretStr

from storage_service.app.core.config import BadSettings, Settings, load
from storage_service.app.process.admin import Refused
from storage_service.app.wiring import make_verifier

SHOWN_CHARS = 4  # of a masked secret: enough to tell two keys apart, too little to use


class Credential(NamedTuple):
    """`value` is the secret itself; None = not set."""

    name: str
    use: str
    value: str | None

    @property
    def masked(self) -> str:
        return f"{self.value[:SHOWN_CHARS]}... ({len(self.value)} characters)" if self.value else "not set"


def _settings() -> Settings:
    try:
        return load()
    except BadSettings as error:
        raise Refused(str(error)) from None


def mint(subject: str, ttl_seconds: int, claims: dict[str, str | int | bool]) -> str:
    """A login token that this service accepts. Raises: Refused for an unusable subject or lifetime."""
    if ttl_seconds <= 0:
        raise Refused("A token must live for at least a second")
    try:
        return make_verifier(_settings()).mint(subject, ttl_seconds, **claims)
    except ValueError as error:
        raise Refused(f"{subject!r} cannot be a token's subject: {error}") from None


def credentials() -> list[Credential]:
    """The credentials in effect: of the environment, else of `.env`."""
    settings = _settings()
    return [
        Credential("SECRET_KEY", "signs tokens and links", _plain(settings.secret_key)),
        Credential("SECRET_KEY_PREVIOUS", "the old one: still accepted", _plain(settings.secret_key_previous)),
        Credential("ANON_KEY", "public: for web pages", _plain(settings.anon_key)),
        Credential("STORAGE_SERVICE_API_KEY", "the backend: everything", _plain(settings.storage_service_api_key)),
        Credential("S3_ROOT_ACCESS_KEY", "S3 clients: everything", settings.s3_root_access_key),
        Credential("S3_ROOT_SECRET_KEY", "its secret", _plain(settings.s3_root_secret_key)),
        Credential("CONSOLE_PASSWORD", "people, at /console: everything", _plain(settings.console_password)),
    ]


def _plain(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret is not None else None
