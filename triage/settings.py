"""Addresses and secrets, from the environment or a ``.env`` file; all that is wrong is reported at once.

A secret may come from a file: ``TRIAGE_IMAP_PASSWORD_FILE=/run/secrets/imap`` instead of ``TRIAGE_IMAP_PASSWORD``.
"""

import difflib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Self, TypeVar

from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

PREFIX = "TRIAGE_"
M = TypeVar("M", bound=BaseModel)
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Security(StrEnum):
    TLS = "tls"  # TLS from the first byte
    STARTTLS = "starttls"
    PLAIN = "plain"  # on loopback only


class SettingsError(Exception):
    """Settings are missing or wrong; the text names all of them."""


class MailboxSettings(BaseModel):
    """How to reach one mailbox: IMAP to read, SMTP to send."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mailbox_address: str = Field(pattern=r"^[^@\s]+@[^@\s]+$", description="the address that customers write to")
    imap_host: str = Field(min_length=1, description="host name of the IMAP server")
    imap_port: int = Field(default=993, ge=1, le=65535, description="port of the IMAP server")
    imap_security: Security = Field(default=Security.TLS, description="tls, starttls, or plain (loopback only)")
    imap_user: str = Field(default="", description="login; empty: the mailbox address")
    imap_password: SecretStr = Field(default=SecretStr(""), description="its password")
    smtp_host: str = Field(min_length=1, description="host name of the SMTP server")
    smtp_port: int = Field(default=587, ge=1, le=65535, description="port of the SMTP server")
    smtp_security: Security = Field(default=Security.STARTTLS, description="tls, starttls, or plain (loopback only)")
    smtp_user: str = Field(default="", description="login; empty where the server wants none")
    smtp_password: SecretStr = Field(default=SecretStr(""), description="its password")
    ca_file: Path | None = Field(default=None, description="certificate of a private authority; empty: the system's")

    @model_validator(mode="after")
    def _plain_on_loopback_only(self) -> Self:
        for name, host, security in (
            ("IMAP", self.imap_host, self.imap_security),
            ("SMTP", self.smtp_host, self.smtp_security),
        ):
            if security is Security.PLAIN and host not in _LOOPBACK:
                raise ValueError(
                    f"TRIAGE_{name}_SECURITY=plain would send passwords and mail in clear to {host}: "
                    "plain is for localhost only; use tls or starttls"
                )
        return self


class ServiceSettings(BaseModel):
    """Where the service keeps things, and how often it looks."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    database_url: str = Field(default="sqlite:///var/triage.db", description="SQLite file or postgresql+psycopg:// URL")
    data_dir: Path = Field(default=Path("var"), description="folder for the STOP file and what the service makes")
    config_dir: Path = Field(default=Path("config"), description="policy, FAQ and texts")
    models_dir: Path = Field(default=Path("models"), description="encoder and trained models")
    model: str = Field(default="release", description="which model: release, or the name of one under models/built")
    secret_key: SecretStr = Field(default=SecretStr(""), description="signs ticket tags; made on first start if empty")
    poll_seconds: float = Field(default=30, ge=1, le=3600, description="seconds between two looks into the mailbox")
    claim_seconds: float = Field(
        default=90, ge=5, le=3600, description="how long a worker may take to send an email before another one tries"
    )
    console_url: str = Field(default="", description="address of the review page, for links in hand-overs")


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of a running service."""

    service: ServiceSettings
    mailboxes: tuple[MailboxSettings, ...]


def read_service_settings(environment: Mapping[str, str] | None = None) -> ServiceSettings:
    """For commands that touch no mail server. Raises SettingsError."""
    values, problems = _values(PREFIX, environment)
    own = {name: value for name, value in values.items() if name in ServiceSettings.model_fields}
    service = _validated(ServiceSettings, own, PREFIX, problems)
    if service is None:
        raise _error(problems)
    return service


def read_settings(prefixes: Sequence[str] = (PREFIX,), environment: Mapping[str, str] | None = None) -> Settings:
    """For the service: one mailbox for each prefix. Raises SettingsError that names all that is wrong."""
    values, problems = _values(PREFIX, environment)
    others = tuple(prefix.removeprefix(PREFIX).lower() for prefix in prefixes if prefix != PREFIX)
    own = {name: value for name, value in values.items() if name in ServiceSettings.model_fields}
    service = _validated(ServiceSettings, own, PREFIX, problems)
    mailboxes = []
    for prefix in prefixes:
        found, more = (values, []) if prefix == PREFIX else _values(prefix, environment)
        problems.extend(more)
        mine = {
            name: value
            for name, value in found.items()
            if prefix != PREFIX or not (name in ServiceSettings.model_fields or (others and name.startswith(others)))
        }
        mailboxes.append(_validated(MailboxSettings, mine, prefix, problems))
    if problems or service is None:
        raise _error(problems)
    return Settings(service, tuple(mailbox for mailbox in mailboxes if mailbox))


def _error(problems: list[str]) -> SettingsError:
    listed = "\n".join(f"  {problem}" for problem in problems)
    return SettingsError(f"settings are not usable:\n{listed}\nconfig/example.env explains each setting")


def _validated(model: type[M], values: dict[str, str], prefix: str, problems: list[str]) -> M | None:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems.extend(_sentence(model, dict(item), prefix) for item in error.errors(include_url=False))
        return None


def _values(prefix: str, environment: Mapping[str, str] | None) -> tuple[dict[str, str], list[str]]:
    """Settings by field name, and what could not be read. The environment goes before ``.env``."""
    given = environment if environment is not None else {**_dotenv(), **os.environ}
    values, problems = {}, []
    for name, value in given.items():
        if not name.startswith(prefix) or value == "":
            continue
        field = name.removeprefix(prefix).lower()
        if field.endswith("_file") and field not in MailboxSettings.model_fields:
            if not given.get(name.removesuffix("_FILE")):
                try:
                    values[field.removesuffix("_file")] = Path(value).read_text(encoding="utf-8").strip()
                except (OSError, UnicodeDecodeError) as error:
                    problems.append(
                        f"{name}: {value} cannot be read ({type(error).__name__}); check its name and rights"
                    )
        else:
            values[field] = value
    return values, problems


def _dotenv() -> dict[str, str]:
    return {name: value for name, value in dotenv_values(".env").items() if value is not None}


def _sentence(model: type[BaseModel], item: dict[str, Any], prefix: str) -> str:
    if not item["loc"]:
        return str(item["ctx"]["error"]) if "ctx" in item else str(item["msg"])
    field = str(item["loc"][0])
    name = prefix + field.upper()
    about = model.model_fields[field].description if field in model.model_fields else ""
    if item["type"] == "missing":
        return f"{name} is missing: {about}"
    if item["type"] == "extra_forbidden":
        near = difflib.get_close_matches(field, [*ServiceSettings.model_fields, *MailboxSettings.model_fields], 1)
        return f"{name} is no setting" + (f"; did you mean {prefix}{near[0].upper()}?" if near else "; remove it")
    shown = "(secret)" if "password" in field or "secret" in field else repr(item["input"])
    return f"{name}={shown} does not fit ({item['msg'].lower()}): {about}"
