"""When to try again: schedules as values."""

import zlib
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Waits between tries. After the last one comes one more try; if that fails too, it is given up."""

    waits: tuple[timedelta, ...]
    jitter: float = 0.2  # a wait is lengthened by up to this share, so that many do not come back at once

    def after(self, tries: int, seed: str) -> timedelta | None:
        """How long to wait after ``tries`` failed tries (1 or more); None: give up. The same seed, the same wait."""
        if tries < 1:
            raise ValueError(f"{tries} tries: the first wait comes after 1")
        if tries > len(self.waits):
            return None
        chance = zlib.crc32(f"{seed} {tries}".encode()) / 2**32  # 0 to 1
        return self.waits[tries - 1] * (1 + self.jitter * chance)


# RFC 5321 section 4.5.4.1 asks for four to five days. The quick tries at the start are for greylisting and for a
# server that restarts.
DELIVERY = RetryPolicy(
    waits=(
        timedelta(seconds=20),
        timedelta(minutes=2),
        timedelta(minutes=10),
        timedelta(minutes=30),
        timedelta(hours=1),
        timedelta(hours=3),
        timedelta(hours=6),
        timedelta(hours=12),
        timedelta(days=1),
        timedelta(days=1),
        timedelta(days=1),
        timedelta(days=1),
    )
)

# An email that we fail on: a customer waits, and policy's ``attempts`` parks it soon. The last wait repeats.
INTAKE = RetryPolicy(waits=(timedelta(seconds=30), timedelta(minutes=5), timedelta(minutes=30)))
