"""The tables as they were before object storage."""

import sqlalchemy as sa

from alembic import op

revision = "create_document_tables"
down_revision = None
branch_labels = None
depends_on = None

TABLES = ("attachment", "attachment_staging")


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("CREATE SCHEMA IF NOT EXISTS document")
    for table in TABLES:
        op.create_table(
            table,
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("user_id", sa.Integer),
            sa.Column("filename", sa.String(255), nullable=False),
            sa.Column("content_type", sa.String(255), nullable=False),
            sa.Column("filepath", sa.String(500)),
            sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
            schema="document",
        )


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table, schema="document")
