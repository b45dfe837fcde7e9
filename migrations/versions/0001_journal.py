"""The journal's first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite counts only where the type is INTEGER
FIRST_TICKET = 1001


def upgrade() -> None:
    op.create_table(
        "mailbox",
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("uidvalidity", sa.BigInteger(), nullable=False),
        sa.Column("watermark", sa.BigInteger(), nullable=False),
        sa.Column("scanned_to", sa.BigInteger(), nullable=False),
        sa.Column("first_connected_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("went_live_at", sa.DateTime(timezone=True)),
        sa.Column("last_ok_at", sa.DateTime(timezone=True)),
        sa.Column("last_error_at", sa.DateTime(timezone=True)),
        sa.Column("last_error", sa.Text()),
        sa.Column("errors_in_a_row", sa.Integer(), nullable=False),
        sa.Column("sent_uidvalidity", sa.BigInteger()),
        sa.Column("sent_scanned_to", sa.BigInteger()),
        sa.PrimaryKeyConstraint("address", name="pk_mailbox"),
    )
    op.create_table(
        "mode_change",
        sa.Column("id", NUMBER, sa.Identity(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_mode_change"),
    )
    op.create_table(
        "suppression",
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name="pk_suppression"),
    )
    op.create_table(
        "failure",
        sa.Column("mailbox", sa.Text(), nullable=False),
        sa.Column("uidvalidity", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("uid", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["mailbox"], ["mailbox.address"], name="fk_failure_mailbox"),
        sa.PrimaryKeyConstraint("mailbox", "uidvalidity", "uid", name="pk_failure"),
    )
    op.create_table(
        "ticket",
        sa.Column("number", NUMBER, sa.Identity(start=FIRST_TICKET), nullable=False),
        sa.Column("mailbox", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("team", sa.Text()),
        sa.Column("person_since", sa.DateTime(timezone=True)),
        sa.Column("undelivered_at", sa.DateTime(timezone=True)),
        sa.Column("closed_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(["mailbox"], ["mailbox.address"], name="fk_ticket_mailbox"),
        sa.PrimaryKeyConstraint("number", name="pk_ticket"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "email",
        sa.Column("id", NUMBER, sa.Identity(), nullable=False),
        sa.Column("mailbox", sa.Text(), nullable=False),
        sa.Column("uidvalidity", sa.BigInteger(), nullable=False),
        sa.Column("uid", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("same_as", sa.BigInteger()),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("message_id", sa.Text()),
        sa.Column("in_reply_to", sa.JSON(), nullable=False),
        sa.Column("reference_ids", sa.JSON(), nullable=False),
        sa.Column("sender", sa.Text()),
        sa.Column("sender_name", sa.Text()),
        sa.Column("subject", sa.Text()),
        sa.Column("text", sa.Text()),
        sa.Column("signature", sa.Text()),
        sa.Column("quoted", sa.Text()),
        sa.Column("attachments", sa.JSON(), nullable=False),
        sa.Column("redactions", sa.JSON(), nullable=False),
        sa.Column("defects", sa.JSON(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True)),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("team", sa.Text()),
        sa.Column("confidence", sa.Float(), nullable=False),
        sa.Column("decision", sa.JSON(), nullable=False),
        sa.Column("objections", sa.JSON(), nullable=False),
        sa.Column("prediction", sa.JSON(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("faq", sa.Text(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("final_state", sa.Text(), nullable=False),
        sa.Column("parked", sa.Text()),
        sa.Column("ticket", sa.BigInteger()),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.Column("put_away_at", sa.DateTime(timezone=True)),
        sa.Column("milliseconds", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["mailbox"], ["mailbox.address"], name="fk_email_mailbox"),
        sa.ForeignKeyConstraint(["same_as"], ["email.id"], name="fk_email_same_as", ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["ticket"], ["ticket.number"], name="fk_email_ticket"),
        sa.PrimaryKeyConstraint("id", name="pk_email"),
        sa.UniqueConstraint("mailbox", "uidvalidity", "uid", "sha256", name="uq_email_mailbox_uidvalidity_uid_sha256"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_email_action_id", "email", ["action", "id"])
    op.create_index("ix_email_mailbox_fingerprint", "email", ["mailbox", "fingerprint"])
    op.create_index("ix_email_mailbox_id", "email", ["mailbox", "id"])
    op.create_index("ix_email_mailbox_place_id", "email", ["mailbox", "place", "id"])
    op.create_index("ix_email_mailbox_sha256", "email", ["mailbox", "sha256"])
    op.create_index("ix_email_mailbox_state", "email", ["mailbox", "state"])
    op.create_index("ix_email_recorded_at_id", "email", ["recorded_at", "id"])
    op.create_index("ix_email_same_as", "email", ["same_as"])
    op.create_index("ix_email_sender_id", "email", ["sender", "id"])
    op.create_index("ix_email_state_id", "email", ["state", "id"])
    op.create_index("ix_email_team_id", "email", ["team", "id"])
    op.create_index("ix_email_ticket_id", "email", ["ticket", "id"])
    op.create_table(
        "participant",
        sa.Column("ticket", sa.BigInteger(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["ticket"], ["ticket.number"], name="fk_participant_ticket", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("ticket", "address", name="pk_participant"),
    )
    op.create_index("ix_participant_address", "participant", ["address"])
    op.create_table(
        "email_intent",
        sa.Column("email_id", sa.BigInteger(), nullable=False),
        sa.Column("intent", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["email_id"], ["email.id"], name="fk_email_intent_email_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("email_id", "intent", name="pk_email_intent"),
    )
    op.create_index("ix_email_intent_intent_email_id", "email_intent", ["intent", "email_id"])
    op.create_table(
        "outbox",
        sa.Column("id", NUMBER, sa.Identity(), nullable=False),
        sa.Column("mailbox", sa.Text(), nullable=False),
        sa.Column("email_id", sa.BigInteger()),
        sa.Column("ticket", sa.BigInteger()),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("recipient_key", sa.Text(), nullable=False),
        sa.Column("envelope_sender", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text()),
        sa.Column("raw", sa.LargeBinary()),
        sa.Column("sentences", sa.JSON()),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_answer", sa.Text()),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("approved_at", sa.DateTime(timezone=True)),
        sa.Column("approved_by", sa.Text()),
        sa.Column("sent_at", sa.DateTime(timezone=True)),
        sa.Column("sent_copy_id", sa.Text()),
        sa.Column("bounced_at", sa.DateTime(timezone=True)),
        sa.Column("bounce", sa.Text()),
        sa.ForeignKeyConstraint(["email_id"], ["email.id"], name="fk_outbox_email_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["mailbox"], ["mailbox.address"], name="fk_outbox_mailbox"),
        sa.ForeignKeyConstraint(["ticket"], ["ticket.number"], name="fk_outbox_ticket"),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        sa.UniqueConstraint("message_id", name="uq_outbox_message_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outbox_created_at", "outbox", ["created_at"])
    op.create_index("ix_outbox_email_id", "outbox", ["email_id"])
    op.create_index("ix_outbox_key", "outbox", ["key"])
    op.create_index("ix_outbox_recipient_key_created_at", "outbox", ["recipient_key", "created_at"])
    op.create_index(
        "ix_outbox_state_priority_next_attempt_at_id", "outbox", ["state", "priority", "next_attempt_at", "id"]
    )
    op.create_index("ix_outbox_ticket", "outbox", ["ticket"])
    op.create_table(
        "attempt",
        sa.Column("outbox_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("verdict", sa.Text()),
        sa.Column("answer", sa.Text()),
        sa.ForeignKeyConstraint(["outbox_id"], ["outbox.id"], name="fk_attempt_outbox_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("outbox_id", "number", name="pk_attempt"),
    )
    op.create_table(
        "event",
        sa.Column("id", NUMBER, sa.Identity(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("email_id", sa.BigInteger()),
        sa.Column("outbox_id", sa.BigInteger()),
        sa.Column("ticket", sa.BigInteger()),
        sa.ForeignKeyConstraint(["email_id"], ["email.id"], name="fk_event_email_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["outbox_id"], ["outbox.id"], name="fk_event_outbox_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["ticket"], ["ticket.number"], name="fk_event_ticket", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_event"),
    )
    op.create_index("ix_event_email_id", "event", ["email_id"])
    op.create_index("ix_event_outbox_id", "event", ["outbox_id"])
    op.create_index("ix_event_ticket", "event", ["ticket"])
    op.create_table(
        "message",
        sa.Column("id", NUMBER, sa.Identity(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("ticket", sa.BigInteger(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("email_id", sa.BigInteger()),
        sa.Column("outbox_id", sa.BigInteger()),
        sa.ForeignKeyConstraint(["email_id"], ["email.id"], name="fk_message_email_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["outbox_id"], ["outbox.id"], name="fk_message_outbox_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["ticket"], ["ticket.number"], name="fk_message_ticket", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_message"),
    )
    op.create_index("ix_message_email_id", "message", ["email_id"])
    op.create_index("ix_message_message_id", "message", ["message_id"])
    op.create_index("ix_message_outbox_id", "message", ["outbox_id"])
    op.create_index("ix_message_ticket", "message", ["ticket"])
    if op.get_bind().dialect.name == "sqlite":
        # It has no start value for its counters.
        counter = sa.text("INSERT INTO sqlite_sequence (name, seq) VALUES ('ticket', :last)")
        op.execute(counter.bindparams(last=FIRST_TICKET - 1))


def downgrade() -> None:
    op.drop_table("message")
    op.drop_table("event")
    op.drop_table("attempt")
    op.drop_table("outbox")
    op.drop_table("email_intent")
    op.drop_table("participant")
    op.drop_table("email")
    op.drop_table("ticket")
    op.drop_table("failure")
    op.drop_table("suppression")
    op.drop_table("mode_change")
    op.drop_table("mailbox")
