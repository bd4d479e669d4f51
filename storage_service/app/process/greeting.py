"""What a person reads when the service is ready."""

from storage_service.app.core.config import Settings


def announce(settings: Settings, warning: str | None) -> None:
    """Address, keys and three lines to try, on stdout."""
    print(render(settings, warning), flush=True)  # noqa: T201


def render(settings: Settings, warning: str | None) -> str:
    url = f"http://{_host(settings.host)}:{settings.port}"
    lines = [
        "",
        f"Storage service is ready at {url}   (API documentation: {url}/docs)",
        f"  files in       {settings.storage_path}   ({settings.durability}, {settings.workers} worker"
        f"{'s' if settings.workers > 1 else ''})",
        f"  ANON_KEY       {_shown(settings.anon_key)}",
        f"  service key    {_hidden(settings.storage_service_api_key)}",
        "",
        "Try:",
        "  TOKEN=$(.venv/bin/storage token me@example.org)",
        f'  curl -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" -d \'{{"name":"photos"}}\' {url}/buckets',
        f'  curl -H "Authorization: Bearer $TOKEN" -F file=@README.md {url}/files/upload/photos',
        "",
    ]
    if warning:
        lines.insert(1, f"WARNING: {warning}")
    return "\n".join(lines)


def _host(host: str) -> str:
    return {"0.0.0.0": "localhost", "::": "localhost", "127.0.0.1": "localhost"}.get(host, host)  # noqa: S104


def _shown(secret: object) -> str:
    """The anon key is public by nature: it stands in web pages."""
    value = getattr(secret, "get_secret_value", lambda: "")()
    return value or "not set: no anonymous uploads"


def _hidden(secret: object) -> str:
    return "set (STORAGE_SERVICE_API_KEY)" if secret is not None else "not set"


