"""Settings: the environment and `.env`, parsed once at the start. Only main's wiring imports this.

A field bears its variable's name in lower case; further names are aliases of the SelfDB generations
(contract §2). An empty value counts as unset. Lists are JSON or comma separated.
"""

from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import (
    AliasChoices,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from storage_service.app.core.key_making import ACCESS_KEY
from storage_service.app.core.keys import AccessKey
from storage_service.app.core.security import SERVICE
from storage_service.app.core.setting_types import (
    MAX_PORT,
    Addresses,
    Domains,
    Networks,
    SeedBuckets,
    SeedKeys,
    Url,
    Urls,
    Words,
)

KIB, MIB, GIB, TIB = 2**10, 2**20, 2**30, 2**40

MIN_SECRET_BYTES = 32  # as long as the hash of HS256. Source: RFC 7518 §3.2.
MIN_SERVICE_KEY_BYTES = 16
MIN_PASSWORD_BYTES = 12
MIN_ROOT_SECRET_CHARS = 8  # MinIO's least: its compose files are to work here
# Root secrets of documentation and compose files, whole; a longer secret may well hold such a word.
KNOWN_ROOT = frozenset({"minioadmin", "miniosecret", "minio123", "minio12345", "password", "password123", "12345678"})
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
KNOWN_EXAMPLE = "is a known example"


class BadSettings(ValueError):
    """What is wrong with the environment, a line per variable; never with a secret in it."""


class WeakSecret(ValueError):
    """A secret that others can guess, on an address that others can reach."""


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
    inline_body_bytes: int = Field(64 * KIB, ge=0, le=MIB)
    """Bodies up to this size travel in the journal. From 128 KiB on that was slower than a file."""
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
    upload_expiry_days: float = Field(7, gt=0, le=36_500, allow_inf_nan=False)
    """How long an unfinished multipart or resumable upload is kept after its last piece."""
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
    vhost_domains: Domains = Field((), validation_alias=AliasChoices("VHOST_DOMAINS", "MINIO_DOMAIN"))
    """Domains under which a first label names an S3 bucket: `photos.s3.example.org`. Paths always work too."""
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
    s3_root_access_key: str | None = Field(
        None, validation_alias=AliasChoices("S3_ROOT_ACCESS_KEY", "MINIO_ROOT_USER"), pattern=f"^{ACCESS_KEY.pattern}$"
    )
    """S3 access key that may do everything; with S3_ROOT_SECRET_KEY."""
    s3_root_secret_key: SecretStr | None = Field(
        None, validation_alias=AliasChoices("S3_ROOT_SECRET_KEY", "MINIO_ROOT_PASSWORD")
    )
    """Its secret: at least 8 characters."""
    allow_known_root_secret: bool = False
    """Whether that secret may be a known example, such as minioadmin. The image allows it where it starts as MinIO."""
    storage_keys: SeedKeys = ()
    """S3 access keys to make at the first start: `key:secret:owner:rw:bucket/prefix`, or JSON."""
    s3_region: str | None = Field(None, pattern="^[A-Za-z0-9_-]{1,64}$")
    """Region that S3 signatures must name. None = any; buckets then say us-east-1."""
    sigv2_enabled: bool = True
    """Whether S3 signatures of version 2 are accepted too; many clients still presign with it."""
    console_enabled: bool = True
    """Whether people find the console at /console."""
    console_password: SecretStr | None = None
    """Password that signs in to the console with all rights: at least 12 characters. None = by token or access key."""
    console_session_hours: float = Field(12, gt=0, le=8760, allow_inf_nan=False)
    """How long a session of the console lasts."""
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

    @model_validator(mode="after")
    def _root_pair(self) -> Self:
        if (self.s3_root_access_key is None) != (self.s3_root_secret_key is None):
            raise ValueError("S3_ROOT_ACCESS_KEY and S3_ROOT_SECRET_KEY are set together")
        return self

    @property
    def root_key(self) -> AccessKey | None:
        """The root pair as a key of the service itself."""
        if self.s3_root_access_key is None or self.s3_root_secret_key is None:
            return None
        secret = self.s3_root_secret_key.get_secret_value()
        return AccessKey(self.s3_root_access_key, secret, SERVICE.subject, description="root")

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
    """None when the secrets are strong, else a warning: for a service only this machine can reach, or of what the
    operator allows.

    Raises: WeakSecret when `host` is not a loopback address.
    """
    named = (
        ("SECRET_KEY", settings.secret_key, MIN_SECRET_BYTES),
        ("SECRET_KEY_PREVIOUS", settings.secret_key_previous, MIN_SECRET_BYTES),
        ("STORAGE_SERVICE_API_KEY", settings.storage_service_api_key, MIN_SERVICE_KEY_BYTES),
        ("CONSOLE_PASSWORD", settings.console_password, MIN_PASSWORD_BYTES),
    )
    faults = [
        f"{name} {fault}"
        for name, secret, least in named
        if secret is not None and (fault := _weakness(secret.get_secret_value(), least))
    ]
    warnings: list[str] = []
    if root := _root_weakness(settings):
        accepted = settings.allow_known_root_secret and root == KNOWN_EXAMPLE
        (warnings if accepted else faults).append(f"S3_ROOT_SECRET_KEY {root}")
    if not faults and not warnings:
        return None
    advice = f"{'; '.join(faults + warnings)}. Make a new one with `openssl rand -base64 48`."
    if faults and not is_loopback(host):
        raise WeakSecret(f"Refusing to listen on {host}: {advice}")
    return f"Whoever knows it may do everything: {advice}" if warnings else advice


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
        return KNOWN_EXAMPLE
    if len(secret.encode()) < least_bytes:
        return f"is shorter than {least_bytes} bytes"
    if len(set(secret)) == 1:
        return "is one character repeated"
    return None


def _root_weakness(settings: Settings) -> str | None:
    secret = _reveal(settings.s3_root_secret_key)
    if secret is None:
        return None
    if secret.lower() in KNOWN_ROOT or secret == settings.s3_root_access_key:
        return KNOWN_EXAMPLE
    return f"is shorter than {MIN_ROOT_SECRET_CHARS} characters" if len(secret) < MIN_ROOT_SECRET_CHARS else None


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
