"""Where each document is stored: two columns and two indexes for each table."""

import sqlalchemy as sa

from alembic import op

revision = "add_object_storage_columns"
down_revision = "create_document_tables"
branch_labels = None
depends_on = None

TABLES = ("attachment", "attachment_staging")
COLUMNS = ("storage_path", "storage_type")


def upgrade() -> None:
    for table in TABLES:
        op.add_column(table, sa.Column("storage_path", sa.String(500), nullable=True), schema="document")
        op.add_column(table, sa.Column("storage_type", sa.String(50), server_default="local"), schema="document")
        for column in COLUMNS:
            op.create_index(f"idx_{table}_{column}", table, [column], schema="document")


def downgrade() -> None:
    for table in TABLES:
        for column in COLUMNS:
            op.drop_index(f"idx_{table}_{column}", table, schema="document")
        for column in COLUMNS:
            op.drop_column(table, column, schema="document")
