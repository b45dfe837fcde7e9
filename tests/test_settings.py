from pathlib import Path

import pytest

from triage.settings import SettingsError, read_service_settings, read_settings

GIVEN = {
    "TRIAGE_MAILBOX_ADDRESS": "help@shop.example",
    "TRIAGE_IMAP_HOST": "imap.shop.example",
    "TRIAGE_IMAP_PASSWORD": "secret-imap",
    "TRIAGE_SMTP_HOST": "smtp.shop.example",
}


def test_the_rest_has_defaults() -> None:
    settings = read_settings(environment=GIVEN)
    (mailbox,) = settings.mailboxes
    assert (mailbox.imap_port, mailbox.imap_security, mailbox.smtp_port) == (993, "tls", 587)
    assert settings.service.database_url == "sqlite:///var/triage.db"
    assert settings.service.poll_seconds == 30


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("from-file\n")
    given = {**GIVEN, "TRIAGE_IMAP_PASSWORD": "", "TRIAGE_IMAP_PASSWORD_FILE": str(tmp_path / "password")}
    assert read_settings(environment=given).mailboxes[0].imap_password.get_secret_value() == "from-file"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"TRIAGE_IMAP_HOST": ""}, "TRIAGE_IMAP_HOST is missing: host name of the IMAP server"),
        ({"TRIAGE_IMAP_PORT": "99999"}, "TRIAGE_IMAP_PORT='99999' does not fit"),
        ({"TRIAGE_IMAP_SECURITY": "ssl"}, "tls, starttls, or plain"),
        ({"TRIAGE_IMAP_SECURITY": "plain"}, "plain is for localhost only"),
        ({"TRIAGE_MAILBOX_ADDRESS": "help"}, "TRIAGE_MAILBOX_ADDRESS='help' does not fit"),
        ({"TRIAGE_SMPT_HOST": "x"}, "TRIAGE_SMPT_HOST is no setting; did you mean TRIAGE_SMTP_HOST?"),
        ({"TRIAGE_SMTP_PASSWORD_FILE": "/nowhere/x"}, "TRIAGE_SMTP_PASSWORD_FILE: /nowhere/x cannot be read"),
        ({"TRIAGE_POLL_SECONDS": "0"}, "TRIAGE_POLL_SECONDS='0' does not fit"),
    ],
)
def test_every_mistake_has_its_sentence(changes: dict[str, str], sentence: str) -> None:
    with pytest.raises(SettingsError) as raised:
        read_settings(environment={**GIVEN, **changes})
    assert sentence in str(raised.value)
    assert "secret-imap" not in str(raised.value)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(SettingsError) as raised:
        read_settings(environment={"TRIAGE_POLL_SECONDS": "x"})
    for name in ("MAILBOX_ADDRESS", "IMAP_HOST", "SMTP_HOST", "POLL_SECONDS"):
        assert f"TRIAGE_{name}" in str(raised.value)


def test_a_password_is_never_shown() -> None:
    assert "secret-imap" not in repr(read_settings(environment=GIVEN))


def test_two_mailboxes_have_settings_of_their_own() -> None:
    second = {name.replace("TRIAGE_", "TRIAGE_EMEA_"): value.replace("help@", "emea@") for name, value in GIVEN.items()}
    settings = read_settings(("TRIAGE_", "TRIAGE_EMEA_"), {**GIVEN, **second})
    assert [mailbox.mailbox_address for mailbox in settings.mailboxes] == ["help@shop.example", "emea@shop.example"]


def test_a_command_without_mail_servers_needs_none_of_their_settings() -> None:
    assert read_service_settings({"TRIAGE_MODEL": "latest"}).model == "latest"


def test_the_example_names_every_setting() -> None:
    text = (Path(__file__).parent.parent / "config" / "example.env").read_text()
    settings = read_settings(environment=GIVEN)
    for fields in (type(settings.service).model_fields, type(settings.mailboxes[0]).model_fields):
        for field in fields:
            assert f"\nTRIAGE_{field.upper()}=" in text
