"""Alembic's entry. ``triage/journal/schema.py`` runs it, with the connection whose transaction holds all of it."""

from alembic import context

from triage.journal.tables import metadata

connection = context.config.attributes.get("connection")
if connection is None:
    raise SystemExit("Migrations run through `triage db upgrade`, which opens the journal that the settings name.")

# render_as_batch: SQLite cannot change a column in place.
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
