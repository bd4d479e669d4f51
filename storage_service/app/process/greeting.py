"""What a person reads when the service is ready: address, keys, and lines to copy into another terminal."""

import os
import sys
from pathlib import Path

from pydantic import SecretStr

from storage_service.app.core.config import Settings

NAMED_LOCALHOST = frozenset({"0.0.0.0", "::", "127.0.0.1", "::1"})  # nosec B104 # noqa: S104 (names of what is listened on)


def announce(settings: Settings, warning: str | None) -> None:
    """The greeting, on stdout."""
    print(render(settings, warning), flush=True)


def render(settings: Settings, warning: str | None) -> str:
    url = address(settings)
    workers = f"{settings.workers} worker{'s' if settings.workers > 1 else ''}"
    lines = [
        "",
        f"Storage service is ready at {url}   (API documentation: {url}/docs)",
        f"  files in       {settings.storage_path}   ({settings.durability}, {workers})",
        f"  ANON_KEY       {_shown(settings.anon_key)}",
        f"  service key    {_hidden(settings.storage_service_api_key)}",
        f"  S3 root key    {settings.s3_root_access_key or 'not set: see `storage keys create`'}",
        *_console(settings, url),
        "",
        f"Try, in another terminal in {Path.cwd()}:",
        *(f"  {line}" for line in to_try(url)),
        "",
    ]
    if warning:
        lines.insert(1, f"WARNING: {warning}")
    return "\n".join(lines)


def to_try(url: str) -> list[str]:
    """Lines for any POSIX shell. The token is made from the same .env, so the directory matters."""
    asks = 'curl -H "Authorization: Bearer $TOKEN"'
    body = '{"name":"photos","is_public":true}'
    return [
        f"TOKEN=$({storage_command()} token me@example.org)",
        f"{asks} -H 'Content-Type: application/json' -d '{body}' {url}/buckets",
        f"echo hello | {asks} -F 'file=@-;filename=hello.txt' {url}/files/upload/photos",
        f"curl {url}/storage/photos/hello.txt",
    ]


def storage_command() -> str:
    """How to call `storage` from here: what stands beside this Python, as short as it goes."""
    script = Path(sys.executable).parent / "storage"
    if not script.exists():
        return f"{sys.executable} -m storage_service.cli.main"
    return os.fspath(script.relative_to(Path.cwd()) if script.is_relative_to(Path.cwd()) else script)


def address(settings: Settings) -> str:
    """Where a person on this machine finds the service."""
    host = "localhost" if settings.host in NAMED_LOCALHOST else settings.host
    scheme = "https" if settings.tls_pair else "http"
    return f"{scheme}://[{host}]:{settings.port}" if ":" in host else f"{scheme}://{host}:{settings.port}"


def _shown(secret: SecretStr | None) -> str:
    """The anon key is public by nature: it stands in web pages."""
    return secret.get_secret_value() if secret is not None else "not set: no anonymous uploads"


def _console(settings: Settings, url: str) -> list[str]:
    """Where people look at it with a browser, and what they sign in with."""
    if not settings.console_enabled:
        return []
    known = "CONSOLE_PASSWORD" if settings.console_password else "an access key or a token"
    return [f"  console        {url}/console/   (sign in with {known})"]


def _hidden(secret: SecretStr | None) -> str:
    return "set (STORAGE_SERVICE_API_KEY)" if secret is not None else "not set"
