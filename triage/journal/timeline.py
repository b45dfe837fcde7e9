"""What people and the service did besides sending: append-only, for the timeline of a ticket and as an audit trail."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, or_, select

from triage.journal.tables import event


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that was done."""

    at: datetime
    who: str  # a person's name, or "service"
    what: str  # kebab-case, stable
    sentence: str  # for a person
    email_id: int | None = None
    outbox_id: int | None = None
    ticket: int | None = None


def add(connection: Connection, *events: Event) -> None:
    if events:
        connection.execute(insert(event), [_values(one) for one in events])


def of_email(connection: Connection, email_id: int, ticket: int | None) -> tuple[Event, ...]:
    """Events of an email and of its ticket, oldest first."""
    about = event.c.email_id == email_id
    if ticket is not None:
        about = or_(about, event.c.ticket == ticket)
    columns = (event.c.at, event.c.who, event.c.what, event.c.sentence, event.c.email_id, event.c.outbox_id)
    query = select(*columns, event.c.ticket).where(about).order_by(event.c.id)
    return tuple(Event(*row) for row in connection.execute(query))


def _values(one: Event) -> dict[str, object]:
    return {
        "at": one.at,
        "who": one.who,
        "what": one.what,
        "sentence": one.sentence,
        "email_id": one.email_id,
        "outbox_id": one.outbox_id,
        "ticket": one.ticket,
    }
