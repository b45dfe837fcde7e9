"""Servers for the tests: the expensive ones once per session, with a user of its own for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.house import Ground
from tests.servers.dovecot import DovecotServer
from tests.servers.recording_smtp import RecordingSmtp

# The same examples in every run; how long one takes says something about the machine, not about the code.
settings.register_profile("steady", derandomize=True, deadline=None, database=None)
settings.load_profile("steady")


@pytest.fixture(scope="session")
def dovecot() -> Iterator[DovecotServer]:
    """One Dovecot for all."""
    with DovecotServer() as server:
        yield server


@pytest.fixture
def dovecot_user(dovecot: DovecotServer) -> str:
    """A user of that Dovecot whose mailbox is empty."""
    return dovecot.new_user()[0]


@pytest.fixture
def recording_smtp() -> Iterator[RecordingSmtp]:
    """An SMTP server of the test's own."""
    with RecordingSmtp() as server:
        yield server


@pytest.fixture
def ground(
    dovecot: DovecotServer, dovecot_user: str, recording_smtp: RecordingSmtp, tmp_path: Path
) -> Iterator[Ground]:
    """A mailbox of the test's own with all that serves it."""
    ground = Ground(dovecot, recording_smtp, f"sqlite:///{tmp_path}/triage.db", tmp_path, dovecot_user)
    yield ground
    ground.close()
