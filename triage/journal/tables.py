"""The journal's tables, the same on SQLite and PostgreSQL. ``migrations/`` makes them."""

import re
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

SCHEMA = "0001"  # the migration that this code needs: the newest one in migrations/versions
FIRST_TICKET = 1001

# PostgreSQL stores no NUL, and no database a half of a surrogate pair; broken emails have both.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

# A btree entry of PostgreSQL holds about 2,700 bytes, and an email may name an id of any length. Those that mail
# programs make have 54 to 90 characters; of a longer one the beginning has to do.
_INDEXABLE_CHARS = 500


class Utc(TypeDecorator[datetime]):
    """A moment: aware when it goes in, aware UTC when it comes out. SQLite keeps it as text that sorts by time."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value.isoformat()} has no time zone; the journal takes aware times, UTC by preference")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Words(TypeDecorator[str]):
    """Text from outside: whatever no database can store becomes U+FFFD."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else storable(value)


class Key(Words):
    """Text from outside that is looked up: stored and compared by its first 500 characters."""

    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else indexable(value)


def storable(text: str) -> str:
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def indexable(text: str) -> str:
    return storable(text)[:_INDEXABLE_CHARS]


# SQLite counts by itself only where the type is INTEGER.
_Number = BigInteger().with_variant(Integer, "sqlite")

# Plain JSON on PostgreSQL too: JSONB refuses the \u0000 that broken emails bring.
_Json = JSON(none_as_null=True)


def _id(name: str = "id", start: int = 1) -> Column[int]:
    return Column(name, _Number, Identity(start=start), primary_key=True)


def _required(name: str, kind: Any, *more: Any) -> Column[Any]:
    return Column(name, kind, *more, nullable=False)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

mode_change = Table(
    "mode_change",  # append-only; the last row is the mode of the service
    metadata,
    _id(),
    _required("mode", Text),
    _required("at", Utc),
    _required("who", Words),
    _required("why", Words),
)

mailbox = Table(
    "mailbox",
    metadata,
    Column("address", Text, primary_key=True),
    _required("uidvalidity", BigInteger),
    _required("watermark", BigInteger),  # first UID that is ours to handle
    _required("scanned_to", BigInteger),  # all UIDs below were taken in
    _required("first_connected_at", Utc),
    Column("went_live_at", Utc),  # NULL: in shadow mode whatever the service is in
    Column("last_ok_at", Utc),
    Column("last_error_at", Utc),
    Column("last_error", Words),
    _required("errors_in_a_row", Integer),
    Column("sent_uidvalidity", BigInteger),  # of the folder Sent; NULL where there was none yet
    Column("sent_scanned_to", BigInteger),  # all UIDs of Sent below were looked at; NULL: never looked for
)

failure = Table(
    "failure",  # emails that were seen but could not be taken in yet
    metadata,
    Column("mailbox", Text, ForeignKey("mailbox.address"), primary_key=True),
    Column("uidvalidity", BigInteger, primary_key=True, autoincrement=False),
    Column("uid", BigInteger, primary_key=True, autoincrement=False),
    _required("tries", Integer),
    _required("sentence", Words),
    _required("first_at", Utc),
    _required("last_at", Utc),
    _required("next_try_at", Utc),
)

ticket = Table(
    "ticket",
    metadata,
    _id("number", start=FIRST_TICKET),
    _required("mailbox", Text, ForeignKey("mailbox.address")),
    _required("created_at", Utc),
    Column("team", Text),  # who has it; NULL where nobody does
    Column("person_since", Utc),  # a person wrote into the conversation: automation is silent from then on
    Column("undelivered_at", Utc),  # one of our mails came back
    Column("closed_at", Utc),
    sqlite_autoincrement=True,  # a number is never given twice, even after its ticket was erased
)

participant = Table(
    "participant",  # who takes part in a conversation
    metadata,
    Column("ticket", BigInteger, ForeignKey("ticket.number", ondelete="CASCADE"), primary_key=True),
    Column("address", Key, primary_key=True, index=True),  # lower case
)

email = Table(
    "email",
    metadata,
    _id(),
    # Its identity in the mailbox
    _required("mailbox", Text, ForeignKey("mailbox.address")),
    _required("uidvalidity", BigInteger),
    _required("uid", BigInteger),
    _required("sha256", Text),
    _required("fingerprint", Text),  # finds it again under another UID
    Column("same_as", BigInteger, ForeignKey("email.id", ondelete="SET NULL")),
    _required("place", Text),
    # What it says; text is redacted, and NULL once it is purged
    _required("size", BigInteger),
    Column("message_id", Words),
    _required("in_reply_to", _Json),
    _required("reference_ids", _Json),
    Column("sender", Key),  # lower case
    Column("sender_name", Words),
    Column("subject", Words),
    Column("text", Words),
    Column("signature", Words),
    Column("quoted", Words),
    _required("attachments", _Json),
    _required("redactions", _Json),
    _required("defects", _Json),
    _required("language", Text),
    Column("sent_at", Utc),  # the sender's claim
    # What was decided, and why
    _required("action", Text),
    Column("team", Text),
    _required("confidence", Float),
    _required("decision", _Json),
    _required("objections", _Json),
    _required("prediction", _Json),
    _required("model", Text),
    _required("faq", Text),
    _required("policy", Text),
    # Where it stands
    _required("mode", Text),
    _required("state", Text),
    _required("final_state", Text),  # what it becomes when all that is owed was delivered
    Column("parked", Words),
    Column("ticket", BigInteger, ForeignKey("ticket.number")),
    # When
    _required("received_at", Utc),
    _required("fetched_at", Utc),
    _required("decided_at", Utc),
    _required("recorded_at", Utc),
    Column("finished_at", Utc),
    Column("put_away_at", Utc),  # of one that is still in the inbox: when a worker last set about it
    _required("milliseconds", Float),
    UniqueConstraint("mailbox", "uidvalidity", "uid", "sha256"),
    Index(None, "mailbox", "place", "id"),
    Index(None, "mailbox", "state"),
    Index(None, "mailbox", "sha256"),
    Index(None, "mailbox", "fingerprint"),
    Index(None, "mailbox", "id"),
    Index(None, "same_as"),
    Index(None, "state", "id"),
    Index(None, "action", "id"),
    Index(None, "team", "id"),
    Index(None, "sender", "id"),
    Index(None, "ticket", "id"),
    Index(None, "recorded_at", "id"),
    sqlite_autoincrement=True,
)

email_intent = Table(
    "email_intent",  # the FAQ entries that the decision names, to find emails by
    metadata,
    Column("email_id", BigInteger, ForeignKey("email.id", ondelete="CASCADE"), primary_key=True),
    Column("intent", Text, primary_key=True),
    Index(None, "intent", "email_id"),
)

outbox = Table(
    "outbox",
    metadata,
    _id(),
    _required("mailbox", Text, ForeignKey("mailbox.address")),
    Column("email_id", BigInteger, ForeignKey("email.id", ondelete="CASCADE")),  # NULL: about no single email
    Column("ticket", BigInteger, ForeignKey("ticket.number")),
    # What is to be sent
    _required("kind", Text),
    _required("recipient", Words),
    _required("recipient_key", Key),  # lower case, to count by
    _required("envelope_sender", Words),
    _required("message_id", Words),
    _required("key", Text),  # value of X-Triage-Key
    Column("subject", Words),
    Column("raw", LargeBinary),  # exact bytes; NULL once purged
    Column("sentences", _Json),
    # Where it stands
    _required("state", Text),
    _required("priority", Integer),  # the lowest goes first
    _required("attempts", Integer),  # claims made, whatever became of them
    _required("next_attempt_at", Utc),  # of a claimed row: when the claim ends
    Column("last_answer", Words),
    _required("created_at", Utc),
    Column("approved_at", Utc),
    Column("approved_by", Words),
    Column("sent_at", Utc),
    Column("sent_copy_id", Words),  # Message-ID of the copy in Sent, where the server replaced ours
    Column("bounced_at", Utc),
    Column("bounce", Words),
    UniqueConstraint("message_id"),
    Index(None, "state", "priority", "next_attempt_at", "id"),
    Index(None, "email_id"),
    Index(None, "ticket"),
    Index(None, "key"),
    Index(None, "recipient_key", "created_at"),
    Index(None, "created_at"),
    sqlite_autoincrement=True,
)

attempt = Table(
    "attempt",  # written before the attempt is made, completed after it
    metadata,
    Column("outbox_id", BigInteger, ForeignKey("outbox.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    _required("worker", Text),
    _required("claimed_at", Utc),
    Column("ended_at", Utc),
    Column("verdict", Text),
    Column("answer", Words),
)

message = Table(
    "message",  # message ids that belong to a ticket: received, sent, or written by a team
    metadata,
    _id(),
    _required("message_id", Key),
    _required("ticket", BigInteger, ForeignKey("ticket.number", ondelete="CASCADE")),
    _required("origin", Text),
    _required("at", Utc),
    Column("email_id", BigInteger, ForeignKey("email.id", ondelete="CASCADE")),
    Column("outbox_id", BigInteger, ForeignKey("outbox.id", ondelete="CASCADE")),
    Index(None, "message_id"),
    Index(None, "ticket"),
    Index(None, "email_id"),
    Index(None, "outbox_id"),
)

event = Table(
    "event",  # append-only: what people and the service did besides sending, for the timeline of a ticket
    metadata,
    _id(),
    _required("at", Utc),
    _required("who", Words),
    _required("what", Text),  # kebab-case, stable
    _required("sentence", Words),
    Column("email_id", BigInteger, ForeignKey("email.id", ondelete="CASCADE")),
    Column("outbox_id", BigInteger, ForeignKey("outbox.id", ondelete="CASCADE")),
    Column("ticket", BigInteger, ForeignKey("ticket.number", ondelete="CASCADE")),
    Index(None, "email_id"),
    Index(None, "outbox_id"),
    Index(None, "ticket"),
)

suppression = Table(
    "suppression",  # addresses and domains that never get a mail from us, known by a keyed hash only
    metadata,
    Column("hash", Text, primary_key=True),
    _required("at", Utc),
    _required("who", Words),
    _required("why", Words),
)
