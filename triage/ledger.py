"""The inbox held against the journal: an email that the server has and the journal does not know was overlooked."""

from dataclasses import dataclass

from triage.journal.mailboxes import Mailbox as Standing
from triage.journal.mailboxes import Mailboxes
from triage.mailroom.ports import Mailbox, MailError

_UIDS_AT_ONCE = 1_000  # imaplib's lines are bounded


@dataclass(frozen=True, slots=True)
class Inbox:
    """What lies in the inbox from the watermark on."""

    known: int  # emails that the journal knows
    unknown: tuple[int, ...]  # UIDs below ``scanned_to`` that it does not: overlooked, unless they are none
    to_come: int  # emails from there on: the next poll takes them in


def compare(standing: Standing, mailboxes: Mailboxes, inbox: Mailbox) -> Inbox:
    """Look into the inbox, changing nothing. ``standing``: as the journal has it now.

    Raises MailError; also where the server has numbered its mail anew, since UIDs mean nothing then.
    """
    status = inbox.status()
    if status.uidvalidity != standing.uidvalidity:
        raise MailError(
            f"the server has numbered the mail of {standing.address} anew (UIDVALIDITY {status.uidvalidity}, the "
            f"journal knows {standing.uidvalidity}): nothing can be compared until `triage run` has started it again"
        )
    known, unknown = 0, []
    for first, last in _ranges(standing.watermark, standing.scanned_to):
        # The journal first: what is taken in between the two questions must not look overlooked. UIDs below
        # scanned_to were all known when it was written, and none is given twice (RFC 9051 section 2.3.1.1).
        taken_in = mailboxes.taken_in(standing.address, first, last)
        there = inbox.uids(first, last)
        unknown += [uid for uid in there if uid not in taken_in]
        known += sum(uid in taken_in for uid in there)
    to_come = sum(len(inbox.uids(first, last)) for first, last in _ranges(standing.scanned_to, status.uidnext))
    return Inbox(known, tuple(unknown), to_come)


def _ranges(start: int, end: int) -> list[tuple[int, int]]:
    """First and last of each range that covers ``start`` up to below ``end``."""
    return [(first, min(first + _UIDS_AT_ONCE, end) - 1) for first in range(start, end, _UIDS_AT_ONCE)]
