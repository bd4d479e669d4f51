"""The way to a service, and its refusals as one line with an exit code."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from storage_service.cli.local_env import ENV_FILE, present
from storage_service.cli.parameters import Access
from storage_service.cli.say import found, refusals, refuse
from storage_service.cli.show import plain

if TYPE_CHECKING:
    from storage_service.client import Client

WAIT_SECONDS = 60.0
RETRIES = 4


class Reach(NamedTuple):
    """`own`: it is the service of this machine, which no proxy stands before."""

    url: str
    token: str | None
    own: bool


@contextmanager
def connected(access: Access, wait_seconds: float = WAIT_SECONDS, retries: int = RETRIES) -> Iterator["Client"]:
    """A client of the service that is meant. What it raises ends the command: 1 for what is not there, 3 refused."""
    reach = reach_of(access)
    import httpx

    from storage_service.client import Client

    transport = httpx.HTTPTransport() if reach.own else None  # one's own transport heeds no proxy of the environment
    with answers():
        try:
            client = Client(reach.url, token=reach.token, timeout=wait_seconds, retries=retries, transport=transport)
        except httpx.InvalidURL as error:
            refuse(f"{reach.url}: {error}")
        with client:
            yield client


@contextmanager
def answers() -> Iterator[None]:
    """What a service or a disk refuses, as the command's one line."""
    from storage_service.client import ClientError, NotFound

    try:
        yield
    except NotFound as error:
        found(f"storage: {plain(str(error))}")
    except ClientError as error:
        refuse(plain(str(error)))
    except BrokenPipeError:
        raise  # whoever read our output has left: nothing to explain
    except OSError as error:
        refuse(plain(f"{error.filename}: {error.strerror}" if error.filename else str(error)))


def reach_of(access: Access) -> Reach:
    """From options, environment and `.env`, in this order; then from the settings of the service itself.

    The service's own key is for the service of this machine: no other address ever gets to see it.
    """
    said = present(Path(ENV_FILE), os.environ)
    url = access.url or said.get("STORAGE_URL") or None
    token = access.token or (None if access.user else said.get("STORAGE_TOKEN")) or None
    if access.user is not None and access.token is not None:
        refuse("--as makes a token, --token is one: give either")
    if url is not None and access.user is None:
        return Reach(url, token, own=False)
    with refusals():
        from storage_service.app.process.caller import own_token, own_url

        return Reach(url or own_url(), token or own_token(access.user), own=url is None)
