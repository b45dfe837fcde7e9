"""The named points of a worker's work at which its process may be killed.

Nothing of this is in the service: what it holds (journal, mailboxes, sender) is wrapped from outside.
"""

import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from triage.journal.opening import Journal
from triage.journal.record import Intake
from triage.worker import Worker

POINTS = (
    "before fetching",
    "after fetching",
    "before recording",
    "while recording",  # all is written, nothing is committed
    "after recording",
    "before claiming",
    "after claiming",
    "before sending",
    "after sending",  # accepted by the server, or refused, and not yet in the journal
    "after noting",
    "before moving",
    "after moving",
    "after tidying",
)


class Fuse:
    """Ends this process, as ``kill -9`` does, when a point is passed for the n-th time."""

    def __init__(self, point: str | None, passes: int = 1) -> None:
        """``point`` None: never."""
        self._point = point
        self._left = passes
        self._turn = threading.Lock()

    def at(self, point: str | None) -> None:
        if point is None or point != self._point:
            return
        with self._turn:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


class Passing:
    """Does what ``inner`` does; some of its methods pass a point before and after.

    A method that found nothing to do (it returns something empty) passes no point after.
    """

    def __init__(
        self, inner: object, fuse: Fuse, before: Mapping[str, str] = {}, after: Mapping[str, str] = {}
    ) -> None:
        self._inner, self._fuse, self._before, self._after = inner, fuse, before, after

    def __getattr__(self, name: str) -> Any:
        act = getattr(self._inner, name)
        if name not in self._before and name not in self._after:
            return act

        def passed(*args: object, **named: object) -> object:
            self._fuse.at(self._before.get(name))
            done = act(*args, **named)
            if done or done is None:
                self._fuse.at(self._after.get(name))
            return done

        return passed


class PassingJournal(Passing):
    """A journal whose intakes, claims, results and notes of what was put away pass a point."""

    def __init__(self, journal: Journal, fuse: Fuse) -> None:
        super().__init__(journal, fuse)
        self.outbox = Passing(
            journal.outbox, fuse, {"claim": "before claiming"}, {"claim": "after claiming", "record": "after noting"}
        )
        self.history = Passing(journal.history, fuse, after={"put_away": "after tidying"})

    @contextmanager
    def intake(self, address: str) -> Iterator[Intake]:
        self._fuse.at("before recording")
        with self._inner.intake(address) as intake:  # type: ignore[attr-defined]
            yield intake
            self._fuse.at("while recording")
        self._fuse.at("after recording")


def with_points(worker: Worker, fuse: Fuse) -> Worker:
    """The same worker, whose work passes the named points."""
    return replace(
        worker,
        journal=PassingJournal(worker.journal, fuse),  # type: ignore[arg-type]
        inbox=Passing(worker.inbox, fuse, {"fetch": "before fetching"}, {"fetch": "after fetching"}),  # type: ignore[arg-type]
        cabinet=Passing(worker.cabinet, fuse, {"move": "before moving"}, {"move": "after moving"}),  # type: ignore[arg-type]
        sender=Passing(worker.sender, fuse, {"send": "before sending"}, {"send": "after sending"}),  # type: ignore[arg-type]
    )
