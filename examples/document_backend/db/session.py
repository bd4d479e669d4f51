"""Sessions. SQLite has no schemas: there `document` is a second file, attached under that name."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session, sessionmaker

from core.config import get_settings

BUSY_SECONDS = 30  # a writer of SQLite waits for another


def make_engine(url: str) -> Engine:
    if not url.startswith("sqlite"):
        return create_engine(url)
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS})
    attached = f"{make_url(url).database}.document"

    @event.listens_for(engine, "connect")
    def attach(connection: Any, _: Any) -> None:
        connection.execute("ATTACH DATABASE ? AS document", (attached,)).close()

    return engine


@lru_cache
def get_engine() -> Engine:
    return make_engine(get_settings().DATABASE_URL)


def new_session() -> Session:
    return sessionmaker(get_engine(), expire_on_commit=False)()


def session_of_request() -> Iterator[Session]:
    """A dependency: one session, closed when the answer is made."""
    with new_session() as session:
        yield session
