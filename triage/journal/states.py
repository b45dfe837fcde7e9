"""Where emails, outgoing emails and attempts stand: the words that the journal stores."""

from enum import StrEnum


class State(StrEnum):
    """Every email is in exactly one. The first six are final, the rest are visibly on their way."""

    ANSWERED = "answered"
    ANSWERED_AND_ROUTED = "answered_and_routed"
    ROUTED = "routed"
    IGNORED = "ignored"
    PARKED = "parked"  # what still failed on our side after several tries
    SHADOWED = "shadowed"  # decided in shadow mode: nothing is sent for it, ever
    WAITING_FOR_APPROVAL = "waiting_for_approval"
    WAITING_FOR_DELIVERY = "waiting_for_delivery"
    STOPPED = "stopped"  # frozen when the service was stopped; waits for release or hand-over
    DELIVERY_FAILED = "delivery_failed"  # given up: still owed to a person, can be queued again

    @property
    def final(self) -> bool:
        return self in FINAL


FINAL = frozenset(
    {State.ANSWERED, State.ANSWERED_AND_ROUTED, State.ROUTED, State.IGNORED, State.PARKED, State.SHADOWED}
)


class RowState(StrEnum):
    """Of an outbox row. "Being sent" is no state: it is an attempt without an outcome."""

    HELD = "held"  # waits for a person's approval
    QUEUED = "queued"  # goes out when it is due
    FROZEN = "frozen"  # was queued when the service was stopped
    SENT = "sent"
    GIVEN_UP = "given_up"
    CANCELLED = "cancelled"  # replaced by something else, or no longer wanted


class Verdict(StrEnum):
    """What became of one delivery attempt. An attempt without one was cut short: nobody knows."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    DEFERRED = "deferred"
    UNKNOWN = "unknown"  # handed over, but the answer was lost (RFC 1047)
    RELEASED = "released"  # given back before anything was handed over: no try


class Place(StrEnum):
    """Where an email lies in its mailbox, as far as we moved it."""

    INBOX = "inbox"  # to be put away once its state is final
    AWAY = "away"  # we moved it
    LEFT = "left"  # not ours to move: taken in by shadow mode, or dragged back by a person
