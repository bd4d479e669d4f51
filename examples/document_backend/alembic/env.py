"""Runs the revisions on the backend's own database, in one transaction each."""

from alembic import context
from core.config import get_settings
from db.session import make_engine
from models.document import Base

engine = make_engine(get_settings().DATABASE_URL)
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=Base.metadata, include_schemas=True)
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
