"""Builds the real parts from settings and ``config/``: the only place that chooses implementations.

What a part is made of is imported where it is built: whoever decides needs no database and no mail server, whoever asks
the journal needs no classifier. All of it together takes 1.5 s and 200 MB (measured), most commands a fifth of that.
"""

import os
import secrets
import socket
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from triage.classifier.examples import count_intents, read_examples, training_files
from triage.content.load import Content, read_content
from triage.core.compose import House
from triage.settings import MailboxSettings, ServiceSettings, SettingsError

if TYPE_CHECKING:
    from triage.desk import Desk
    from triage.journal.opening import Journal
    from triage.mailroom.login import Server
    from triage.mailroom.ports import Mailbox
    from triage.worker import Worker

MIGRATIONS = Path(__file__).parent.parent / "migrations"


def build_desk(content: Content, service: ServiceSettings) -> "Desk":
    """Everything that decides. A missing or damaged model gives a desk that hands every email over."""
    from triage.classifier.predict import load_classifier
    from triage.desk import Desk

    return Desk(load_classifier(service.models_dir, service.model), content.policy, content.entries)


def build_journal(service: ServiceSettings, *, make: bool = True) -> "Journal":
    """The journal, its tables brought up to date. ``make=False``: a missing SQLite file is an error, not a new journal:
    a command in the wrong folder must not say that all is quiet."""
    from triage.journal.opening import open_journal
    from triage.journal.schema import upgrade

    file = service.database_url.partition("sqlite:///")[2]
    if not make and file and not Path(file).is_file():
        raise SettingsError(
            f"there is no journal at {Path(file).absolute()}: run this in the service's folder, or set "
            "TRIAGE_DATABASE_URL as for `triage run`"
        )
    upgrade(service.database_url, MIGRATIONS)
    return open_journal(service.database_url)


def build_house(content: Content, service: ServiceSettings, mailbox_address: str) -> House:
    return House(
        policy=content.policy,
        entries=content.entries,
        texts=content.texts,
        mailbox=mailbox_address,
        secret=secret_key(service),
        console_url=service.console_url.rstrip("/"),
    )


def build_worker(
    mailbox: MailboxSettings, service: ServiceSettings, content: Content, desk: "Desk", journal: "Journal"
) -> "Worker":
    from triage.mailroom.imap import ImapMailbox
    from triage.mailroom.smtp import SmtpSender
    from triage.mailroom.watch import Watcher
    from triage.worker import Worker

    imap = imap_server(mailbox)
    return Worker(
        address=mailbox.mailbox_address,
        journal=journal,
        desk=desk,
        house=build_house(content, service, mailbox.mailbox_address),
        inbox=ImapMailbox(imap),
        sent=ImapMailbox(imap),
        cabinet=ImapMailbox(imap),
        # Half of a claim is for sending, the other half for the attempt that was begun last.
        sender=SmtpSender(smtp_server(mailbox), attempt_timeout_s=service.claim_seconds * 0.45),
        claim_for=timedelta(seconds=service.claim_seconds),
        data_dir=service.data_dir,
        bell=Watcher(imap),
        policy_hash=content.policy_hash,
        faq_hash=content.faq_hash,
        name=f"{socket.gethostname()}:{os.getpid()}",
    )


def build_inbox(mailbox: MailboxSettings) -> "Mailbox":
    """The mailbox alone, to look into."""
    from triage.mailroom.imap import ImapMailbox

    return ImapMailbox(imap_server(mailbox))


def connect_first(mailbox: MailboxSettings, journal: "Journal") -> None:
    """A mailbox that was never connected gets its watermark: mail that it has by now is never answered."""
    if journal.mailboxes.get(mailbox.mailbox_address) is None:
        inbox = build_inbox(mailbox)
        status = inbox.status()
        inbox.close()
        now = datetime.now(UTC)
        journal.mailboxes.first_connection(mailbox.mailbox_address, status.uidvalidity, status.uidnext, now)


def secret_key(service: ServiceSettings) -> bytes:
    """From the settings, else from the data folder, where it is made on first start."""
    given = service.secret_key.get_secret_value()
    if given:
        return given.encode()
    path = service.data_dir / "secret.key"
    try:
        service.data_dir.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _make_key(path)
        key = path.read_text().strip().encode()
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be made or read ({error.strerror}): set TRIAGE_SECRET_KEY, or mend the folder's rights"
        ) from None
    if len(key) < 32:
        raise SettingsError(
            f"{path} holds no key: restore it from a backup, or remove it and old ticket tags stop counting"
        )
    return key


def _make_key(path: Path) -> None:
    """Whole or not at all, and by one of two services that start at once: an empty key would let anybody sign."""
    draft = path.with_suffix(f".{os.getpid()}")
    handle = os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(secrets.token_hex(32))
        file.flush()
        os.fsync(file.fileno())
    with suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()


def read_config(service: ServiceSettings) -> Content:
    return read_content(service.config_dir)


def training_counts(models_dir: Path) -> dict[str, int]:
    """Training emails per FAQ entry."""
    files: Sequence[Path] = training_files(models_dir / "examples")
    return dict(count_intents(example for path in files for example in read_examples(path)))


def imap_server(mailbox: MailboxSettings) -> "Server":
    from triage.mailroom.login import Password, Security, Server

    user = mailbox.imap_user or mailbox.mailbox_address
    return Server(
        host=mailbox.imap_host,
        port=mailbox.imap_port,
        security=Security(mailbox.imap_security.value),
        login=Password(user, mailbox.imap_password.get_secret_value()),
        ca_file=mailbox.ca_file,
    )


def smtp_server(mailbox: MailboxSettings) -> "Server":
    from triage.mailroom.login import Password, Security, Server

    password = mailbox.smtp_password.get_secret_value()
    return Server(
        host=mailbox.smtp_host,
        port=mailbox.smtp_port,
        security=Security(mailbox.smtp_security.value),
        login=Password(mailbox.smtp_user, password) if mailbox.smtp_user else None,
        ca_file=mailbox.ca_file,
    )
