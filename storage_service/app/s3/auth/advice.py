"""What to do about each fault the signature doctor names; for people."""

from collections.abc import Mapping

from storage_service.app.s3.auth.guesses import Fault

ADVICE: Mapping[Fault, str] = {
    "host": (
        "A proxy on the way replaced the Host header. Let it pass the client's, or declare the public address in"
        " PUBLIC_URLS."
    ),
    "port": (
        "The Host header arrived with another port, or without it. Let the proxy pass the Host header as the client"
        " sent it, or declare the public address with its port in PUBLIC_URLS."
    ),
    "prefix": (
        "A proxy on the way removed the beginning of the path. Declare the public address with its path in PUBLIC_URLS,"
        " or let the proxy say X-Forwarded-Prefix and name it in TRUSTED_PROXIES."
    ),
    "clock": "The client's clock and ours differ by more than 15 minutes. Set both by NTP.",
    "expired": "The URL was valid only until then. Make a new one, or one that lasts longer (7 days at most).",
    "encoding": (
        "The path or the query was encoded in another way than it was signed. Let the proxy pass the request line"
        " untouched: in nginx no path stands behind proxy_pass, and merge_slashes is off."
    ),
    "secret": "The client signs with another secret than the one of this access key."  # nosec B105
    " Copy it again; mind spaces.",
    "region": "The client signs for another region than S3_REGION. Set the client's region, or unset S3_REGION.",
    "unsigned header": (
        "A header that belongs to the signature was added after it was made: by a proxy, or by whoever uses the URL."
        " Remove it, or sign it."
    ),
    "header": "A signed header was changed or removed on the way. Let the proxy pass it, or the client not sign it.",
    "method": "The method was changed on the way; in nginx proxy_cache_convert_head does it.",
    "access key": "There is no such access key, or it was revoked. `storage keys list` shows those that hold.",
    "malformed": "This is no signature of version 4 that can be read; the reason is what the client was told.",
}
UNBELIEVED = " A proxy said so in its X-Forwarded headers, but its address is not in TRUSTED_PROXIES."
OR_ELSE = " If it is the name that the client uses, the secret is wrong."
PROXY_LINES: Mapping[Fault, str] = {
    "host": "proxy_set_header Host $http_host;",
    "port": "proxy_set_header Host $http_host;",
    "prefix": "proxy_set_header X-Forwarded-Prefix {prefix};",
    "encoding": "merge_slashes off; proxy_pass http://storage;",
    "header": "proxy_pass_request_headers on;",
    "method": "proxy_cache_convert_head off;",
}
