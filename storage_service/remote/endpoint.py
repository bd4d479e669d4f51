"""Where an S3 server is, and the signature its requests bear (version 4, by the AWS runtime)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

from awscrt.auth import (
    AwsCredentialsProvider,
    AwsSignatureType,
    AwsSignedBodyHeaderType,
    AwsSigningAlgorithm,
    AwsSigningConfig,
    aws_sign_request,
)
from awscrt.http import HttpHeaders, HttpRequest

SAFE = "-._~/"  # what stands in a path as it is. Source: AWS "Create a signed request", URI encoding
PAYLOAD = "UNSIGNED-PAYLOAD"  # bodies are compared by digest, and stream


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server's address and who asks. Without an access key requests are not signed."""

    url: str
    access_key: str = ""
    secret_key: str = field(default="", repr=False)
    region: str = "us-east-1"

    @property
    def is_tls(self) -> bool:
        return urlsplit(self.url).scheme == "https"

    @property
    def host(self) -> str:
        """Name and port, as the header Host has them."""
        return urlsplit(self.url).netloc

    @property
    def base_path(self) -> str:
        return urlsplit(self.url).path.rstrip("/")


def check_url(url: str) -> str:
    """The URL of a server, without its last slash. Raises: ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"{url} is no address like https://minio.example.org:9000")
    if parts.username is not None:
        raise ValueError("keys do not stand in the address")
    return url.rstrip("/")


def target_of(endpoint: Endpoint, path: str, query: Mapping[str, str]) -> str:
    """Path and query as they go on the line. `path` begins with a slash and is not encoded yet."""
    text = quote(endpoint.base_path + path, safe=SAFE)
    if query:
        pairs = sorted((quote(name, safe="-._~"), quote(value, safe="-._~")) for name, value in query.items())
        text += "?" + "&".join(f"{name}={value}" for name, value in pairs)
    return text


class Signer:
    """Signs for one endpoint."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._region = endpoint.region
        self._provider = None
        if endpoint.access_key:
            self._provider = AwsCredentialsProvider.new_static(  # type: ignore[no-untyped-call]
                endpoint.access_key, endpoint.secret_key
            )

    def sign(self, method: str, target: str, headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """The headers with those of the signature; Host must be among them."""
        if self._provider is None:
            return headers
        config = AwsSigningConfig(  # type: ignore[no-untyped-call]
            algorithm=AwsSigningAlgorithm.V4,
            signature_type=AwsSignatureType.HTTP_REQUEST_HEADERS,
            credentials_provider=self._provider,
            region=self._region,
            service="s3",
            date=datetime.now(UTC),
            use_double_uri_encode=False,
            should_normalize_uri_path=False,
            signed_body_value=PAYLOAD,
            signed_body_header_type=AwsSignedBodyHeaderType.X_AMZ_CONTENT_SHA_256,
        )
        request = HttpRequest(method, target, HttpHeaders(headers))
        aws_sign_request(request, config).result()  # type: ignore[no-untyped-call]
        return list(request.headers)
