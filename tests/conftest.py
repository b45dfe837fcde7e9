"""Servers for the tests: the expensive ones once per session, with a user of its own for each test."""

from collections.abc import Iterator

import pytest

from tests.servers.dovecot import DovecotServer
from tests.servers.recording_smtp import RecordingSmtp


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
