"""Settings: the environment and `.env`, parsed once at the start. Only main's wiring imports this.

A field bears its variable's name in lower case; further names are aliases of the SelfDB generations
(contract §2). An empty value counts as unset. Lists are JSON or comma separated.
"""

import json
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from storage_service.app.core.errors import InvalidBucketName
from storage_service.app.core.objects import check_bucket_name

KIB, MIB, GIB, TIB = 2**10, 2**20, 2**30, 2**40

MAX_PORT = 65_535
MIN_SECRET_BYTES = 32  # as long as the hash of HS256. Source: RFC 7518 §3.2.
MIN_SERVICE_KEY_BYTES = 16
# Words of secrets in documentation: the seed's, SelfDB's committed defaults, the usual ones.
KNOWN_WEAK = (
    "yoursecret",
    "yoursuper",
    "yourjwt",
    "yourstorage",
    "yourapikey",
    "changeme",
    "changethis",
    "replaceme",
    "supersecret",
    "insecure",
)


class BadSettings(ValueError):
    """What is wrong with the environment, a line per variable; never with a secret in it."""


class WeakSecret(ValueError):
    """A secret that others can guess, on an address that others can reach."""


class Address(NamedTuple):
    """Where to listen. `host` None = the same as HOST."""

    host: str | None
    port: int


class SeedBucket(NamedTuple):
    """A bucket to be there after the first start."""

    name: str
    public: bool


def _items(value: object) -> object:
    """The items of JSON or comma separated text; anything else as it is."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith(("[", "{")):
        try:
            found = json.loads(value)
        except ValueError:
            raise ValueError("is neither JSON nor comma separated") from None
        return found if isinstance(found, list) else [found]
    return [item.strip() for item in value.split(",") if item.strip()]


def _url(value: str) -> str:
    """An http(s) URL without its last slash: paths are appended to it."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be a URL like https://files.example.org")
    if parts.query or parts.fragment or parts.username is not None:
        raise ValueError("must be scheme, host and path only")
    return value.rstrip("/")


def _network(value: object) -> object:
    """One message instead of pydantic's two, one for each kind of address."""
    try:
        return ip_network(value) if isinstance(value, str) else value
    except ValueError:
        raise ValueError(f"{value} is no address or network, as 10.0.0.0/8 or ::1 are") from None


def _address(value: object) -> object:
    """`:9000`, `127.0.0.1:9000` or `[::1]:9000`."""
    if not isinstance(value, str):
        return value
    host, colon, port = value.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or not 0 < int(port) <= MAX_PORT:
        raise ValueError(f"{value} is no address, as :9000 or 127.0.0.1:9000 are")
    return Address(host.strip("[]") or None, int(port))


def _seed_bucket(value: object) -> object:
    """`name`, `name:public`, `name:private` or {"name": …, "public": …}."""
    if isinstance(value, str):
        name, _, access = value.partition(":")
        if access not in ("", "public", "private"):
            raise ValueError(f"bucket {name}: after the colon stands public or private")
        value = {"name": name, "public": access == "public"}
    if isinstance(value, dict):
        if not value.keys() <= {"name", "public"} or not isinstance(value.get("name"), str):
            raise ValueError('a bucket is "name", "name:public" or {"name": …, "public": true}')
        value = SeedBucket(value["name"], value.get("public", False))
    if isinstance(value, SeedBucket):
        try:
            check_bucket_name(value.name)
        except InvalidBucketName as error:
            raise ValueError(f"bucket {value.name}: {error.detail}") from None
    return value


Url = Annotated[str, AfterValidator(_url)]
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_items)]
Urls = Annotated[tuple[Url, ...], NoDecode, BeforeValidator(_items)]
Networks = Annotated[
    tuple[Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)], ...],
    NoDecode,
    BeforeValidator(_items),
]
Addresses = Annotated[tuple[Annotated[Address, BeforeValidator(_address)], ...], NoDecode, BeforeValidator(_items)]
SeedBuckets = Annotated[
    tuple[Annotated[SeedBucket, BeforeValidator(_seed_bucket)], ...],
    NoDecode,
    BeforeValidator(_items),
]


class Settings(BaseSettings):
    """Every choice an operator has. Sizes in bytes, times in the unit the name ends with.

    Of a variable's several names an earlier one wins. The text under a field is its description.
    """

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",  # the .env is shared with other services
        frozen=True,
        hide_input_in_errors=True,  # an input may be a secret
        validate_by_name=True,
        validate_by_alias=True,
        use_attribute_docstrings=True,
    )

    # Where and how bytes are kept.
    storage_path: Path = Path("/data/storage")
    """Directory of the store; one directory per bucket in it."""
    storage_id: str | None = None
    """Identity the store on STORAGE_PATH must have; another or none: the disk is not mounted."""
    storage_gid: int | None = Field(None, ge=0)
    """Group that may read blobs, shared with nginx. None = the service's own."""
    durability: Literal["power-safe", "crash-safe", "scratch"] = "power-safe"
    """What an acknowledged write survives: a power cut, the death of the process, nothing."""
    inline_body_bytes: int = Field(16 * KIB, ge=0, le=MIB)
    """Bodies up to this size travel in the journal. Above 32 KiB that was slower than a file."""
    max_object_bytes: int = Field(5 * TIB, ge=1, le=2**50)
    """Largest object. 5 TiB was S3's limit until 2025."""
    free_space_reserve_bytes: int = Field(256 * MIB, ge=0)
    """Writes that would leave less free are refused (507); trash goes early."""
    backlog_rows: int = Field(100_000, ge=1)
    """Commits that may wait to be settled; past it writes wait, then get 503."""
    backlog_bytes: int = Field(GIB, ge=MIB)
    """Bodies that may wait to be settled."""
    backlog_seconds: float = Field(60, ge=1, allow_inf_nan=False)
    """Age the oldest unsettled commit may reach."""
    trash_days: float = Field(1, ge=0, le=36_500, allow_inf_nan=False)
    """How long what was deleted or replaced can be brought back."""
    feed_days: float = Field(7, ge=0, le=36_500, allow_inf_nan=False)
    """How long the change feed reaches back."""
    grace_seconds: int = Field(60, ge=60, le=86_400)
    """How long a dead blob stays at least: nginx and slow readers may still open it."""

    # Where it listens and what it is called.
    host: str = "127.0.0.1"
    """Address to listen on. A container sets 0.0.0.0."""
    port: int = Field(8001, ge=1, le=MAX_PORT, validation_alias=AliasChoices("PORT", "STORAGE_PORT"))
    """TCP port of every door."""
    also_listen: Addresses = ()
    """Further addresses of every door, `:9000` or `127.0.0.1:9000`; without a host that of HOST."""
    tls_cert: Path | None = None
    """PEM file of the certificate and its chain: every port speaks HTTPS then. Read again when it is renewed."""
    tls_key: Path | None = None
    """PEM file of the certificate's key."""
    workers: int = Field(1, ge=1, le=64)
    """Processes that serve requests."""
    max_concurrent_requests: int = Field(2000, ge=1)
    """Requests at work in one process; more get 503."""
    storage_service_public_url: Url = Field(
        "http://localhost:8001",
        validation_alias=AliasChoices("STORAGE_SERVICE_PUBLIC_URL", "STORAGE_SERVICE_EXTERNAL_URL"),
    )
    """The address clients reach the service by; signed links begin with it."""
    public_urls: Urls = ()
    """Further addresses of the same service."""
    base_url: Url | None = None
    """What permanent links begin with. None = the public URL."""
    cdn_url: Url | None = None
    """What permanent links of public buckets begin with. None = no CDN."""
    trusted_proxies: Networks = ()
    """Addresses and networks of proxies: their X-Forwarded headers are believed, and they may send files themselves."""
    cors_origins: Words = Field(("*",), validation_alias=AliasChoices("CORS_ORIGINS", "ALLOWED_CORS"))
    """Origins whose pages may call; `*` = all. Never with credentials."""

    # Who may do what.
    secret_key: SecretStr = Field(validation_alias=AliasChoices("SECRET_KEY", "JWT_SECRET_KEY"))
    """Signs and checks tokens and links: at least 32 bytes, the same as the backend's."""
    secret_key_previous: SecretStr | None = None
    """The key before the last change: still accepted, never used to sign."""
    algorithm: str = Field("HS256", validation_alias=AliasChoices("ALGORITHM", "JWT_ALGORITHM"))
    """HS256, HS384 or HS512; tokens of any other are refused."""
    jwt_issuer: str | None = None
    """The `iss` tokens must have. None = any."""
    anon_key: SecretStr | None = None
    """Key of clients without a login. Public: it stands in web pages."""
    storage_service_api_key: SecretStr | None = Field(
        None, validation_alias=AliasChoices("STORAGE_SERVICE_API_KEY", "API_KEY")
    )
    """Key of the backend itself: may do everything."""
    storage_admins: Words = ()
    """Ids or e-mail addresses of users who may do everything, spelled as in their tokens."""
    private_read: Literal["owner", "authenticated"] = "owner"
    """Who reads objects of a private bucket; `authenticated` = any user."""
    default_bucket_public: bool = True
    """Whether `POST /buckets` makes public buckets when the request does not say."""
    bucket_delete: Literal["reject", "cascade"] = "reject"
    """What deleting a bucket does to its objects: refuse (409), or take them to the trash."""
    upload_direct_enabled: bool = True
    """Whether PUT /files/upload-direct is served."""
    storage_buckets: SeedBuckets = ()
    """Buckets to make at the first start: `name:public,name2`, or JSON."""
    selfdb_backend_url: Url | None = None
    """SelfDB backend that knows users and file ids. None = tokens say everything."""

    @field_validator("algorithm")
    @classmethod
    def _hmac_only(cls, value: str) -> str:
        if value not in ("HS256", "HS384", "HS512"):
            raise ValueError("must be HS256, HS384 or HS512: SECRET_KEY is a shared secret")
        return value

    @field_validator("storage_path", mode="after")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        # Workers and jobs must mean the same directory, whatever theirs is.
        return value.expanduser().absolute()

    @field_validator("tls_cert", "tls_key", mode="after")
    @classmethod
    def _absolute_if_set(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser().absolute()

    @model_validator(mode="after")
    def _certificate_has_a_key(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("TLS_CERT and TLS_KEY go together: set both, or neither")
        return self

    @model_validator(mode="after")
    def _public_key_is_no_secret(self) -> Self:
        anon, secrets = _reveal(self.anon_key), (self.secret_key, self.storage_service_api_key)
        if anon is not None and anon in [_reveal(secret) for secret in secrets]:
            raise ValueError("ANON_KEY stands in web pages: it must differ from SECRET_KEY and STORAGE_SERVICE_API_KEY")
        return self

    @property
    def permanent_url(self) -> str:
        """What permanent links begin with, without a slash at the end."""
        return self.base_url or self.storage_service_public_url

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Host and port of everything that is listened on, HOST and PORT first."""
        return [(self.host, self.port), *((host or self.host, port) for host, port in self.also_listen)]

    @property
    def tls_pair(self) -> tuple[Path, Path] | None:
        """Certificate and key; None = plain HTTP."""
        return (self.tls_cert, self.tls_key) if self.tls_cert and self.tls_key else None

    @property
    def secrets(self) -> list[str]:
        """The keys of tokens and links: the one that signs, then the previous one."""
        both = (self.secret_key, self.secret_key_previous)
        return [secret.get_secret_value() for secret in both if secret is not None]


def load(**values: Any) -> Settings:
    """Settings of the environment, `values` first. Raises: BadSettings, naming each variable."""
    try:
        return Settings(**values)
    except ValidationError as error:
        raise BadSettings("\n".join(_explain(error))) from None


def check_secret(settings: Settings, host: str) -> str | None:
    """None when the secrets are strong, else a warning for a service only this machine can reach.

    Raises: WeakSecret when `host` is not a loopback address.
    """
    named = (
        ("SECRET_KEY", settings.secret_key, MIN_SECRET_BYTES),
        ("SECRET_KEY_PREVIOUS", settings.secret_key_previous, MIN_SECRET_BYTES),
        ("STORAGE_SERVICE_API_KEY", settings.storage_service_api_key, MIN_SERVICE_KEY_BYTES),
    )
    faults = [
        f"{name} {fault}"
        for name, secret, least in named
        if secret is not None and (fault := _weakness(secret.get_secret_value(), least))
    ]
    if not faults:
        return None
    advice = f"{'; '.join(faults)}. Make a new one with `openssl rand -base64 48`."
    if not is_loopback(host):
        raise WeakSecret(f"Refusing to listen on {host}: {advice}")
    return advice


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a service there. Names but `localhost` may be anything."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _weakness(secret: str, least_bytes: int) -> str | None:
    plain = "".join(letter for letter in secret.lower() if letter.isalnum())
    if any(word in plain for word in KNOWN_WEAK):
        return "is a known example"
    if len(secret.encode()) < least_bytes:
        return f"is shorter than {least_bytes} bytes"
    if len(set(secret)) == 1:
        return "is one character repeated"
    return None


def _reveal(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret is not None else None


def _explain(error: ValidationError) -> Sequence[str]:
    """A line per fault: the variable's name, and what it must be."""
    lines = []
    for fault in error.errors(include_input=False, include_url=False, include_context=False):
        name = str(fault["loc"][0]).upper() if fault["loc"] else ""
        message = fault["msg"].removeprefix("Value error, ")
        if fault["type"] == "missing":
            message = "is required"
        lines.append(f"{name}: {message}" if name else message)
    return lines
