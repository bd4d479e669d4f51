"""One kept connection to a server. Not for two threads at once."""

import http.client
import socket
import ssl
from collections.abc import Iterable, Mapping

from storage_service.remote.endpoint import Endpoint, Signer, target_of
from storage_service.remote.errors import Unreachable, refused

TIMEOUT_SECONDS = 60.0  # of one wait
MOST_ERROR_BYTES = 64 << 10
PIECE_BYTES = 256 << 10
FIRST_ERROR = 300  # a redirect is one, too: it was signed for this server
Payload = bytes | Iterable[bytes] | None


class Connection:
    """Signed requests, one after another; opened when it is needed, and again after it broke."""

    def __init__(self, endpoint: Endpoint, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._endpoint = endpoint
        self._signer = Signer(endpoint)
        self._timeout = timeout_seconds
        self._http: http.client.HTTPConnection | None = None
        self._used = False  # an idle connection may have been closed meanwhile: that is no failure
        self._spoiled = False  # a payload was not sent to its end

    def send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        payload: Payload = None,
        size: int | None = None,
    ) -> http.client.HTTPResponse:
        """The head of a good answer; whoever takes it reads its body, or calls `close`.

        `size` in bytes of a payload that is an iterable. Raises: Refused, Unreachable.
        """
        again = self._used and (payload is None or isinstance(payload, bytes))
        try:
            answer = self._exchange(method, target_of(self._endpoint, path, query), headers, payload, size)
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError) as error:
            self.close()
            if not again:
                raise self._unreachable(error) from None
            return self.send(method, path, query, headers, payload, size)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise self._unreachable(error) from None
        except BaseException:
            self.close()  # the payload failed half-way: what was sent must not look whole
            raise
        if answer.status >= FIRST_ERROR:
            raise refused(answer.status, self._rest(answer))
        return answer

    def _unreachable(self, error: Exception) -> Unreachable:
        words = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return Unreachable(f"{self._endpoint.host}: {words}")

    def _exchange(
        self, method: str, target: str, headers: Mapping[str, str], payload: Payload, size: int | None
    ) -> http.client.HTTPResponse:
        length = len(payload) if isinstance(payload, bytes) else size
        lines = [("host", self._endpoint.host), *headers.items()]
        if length is not None or method in {"PUT", "POST"}:
            lines.append(("content-length", str(length or 0)))
        signed = self._signer.sign(method, target, lines)
        connection = self._open()
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in signed:
            connection.putheader(name, value.encode(errors="surrogateescape"))
        connection.endheaders(payload if isinstance(payload, bytes) and payload else None)
        if payload is not None and not isinstance(payload, bytes):
            self._pour(connection, payload)
        answer = connection.getresponse()
        self._used = True
        return answer

    def _pour(self, connection: http.client.HTTPConnection, payload: Iterable[bytes]) -> None:
        """A server that refuses early answers and closes: its answer is worth more than the broken pipe."""
        for piece in payload:
            try:
                connection.send(piece)
            except (BrokenPipeError, ConnectionResetError):
                self._spoiled = True
                return

    def _rest(self, answer: http.client.HTTPResponse) -> bytes:
        try:
            body = answer.read(MOST_ERROR_BYTES)
            if self._spoiled or not answer.isclosed():
                self.close()
            return body
        except (OSError, http.client.HTTPException):
            self.close()
            return b""

    def _open(self) -> http.client.HTTPConnection:
        if self._http is None:
            host, timeout = self._endpoint.host, self._timeout
            if self._endpoint.is_tls:
                context = ssl.create_default_context()
                self._http = http.client.HTTPSConnection(host, timeout=timeout, context=context)
            else:
                self._http = http.client.HTTPConnection(host, timeout=timeout)
            self._http.connect()
            self._http.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._used = self._spoiled = False
        return self._http

    def close(self) -> None:
        """Also ends an answer that was not read to its end."""
        if self._http is not None:
            self._http.close()
            self._http = None
        self._used = False


def headers_of(answer: http.client.HTTPResponse) -> dict[str, str]:
    """In lower case. Values are UTF-8 where they can be: metadata of people's languages."""
    return {name.lower(): _text(value) for name, value in answer.getheaders()}


def _text(value: str) -> str:
    try:
        return value if value.isascii() else value.encode("latin-1").decode()
    except UnicodeError:
        return value
