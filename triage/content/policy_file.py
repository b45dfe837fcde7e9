"""``policy.toml`` to a Policy."""

import dataclasses
import tomllib
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import holidays

from triage.content.problems import Problem
from triage.content.tables import build, unknown_key
from triage.core.policy import Detail, Folders, Limits, Policy, Team, Topic

FILE = "policy.toml"
_SECTIONS = ("service", "limits", "calibration", "folders", "teams", "topics", "details", "mailbox")


def read_policy(folder: Path, problems: list[Problem]) -> Policy | None:
    """The policy, or None with the reasons added to ``problems``."""
    before = len(problems)
    tables = _tables(folder / FILE, problems)
    if tables is None:
        return None
    for key in tables.keys() - set(_SECTIONS):
        problems.append(Problem(FILE, unknown_key("section", key, _SECTIONS)))
    teams = _named(Team, tables, "teams", problems)
    topics = _named(Topic, tables, "topics", problems)
    details = _named(Detail, tables, "details", problems)
    nested = {
        "teams": teams,
        "topics": topics,
        "details": details,
        "folders": build(Folders, tables.get("folders", {}), FILE, "[folders]", problems),
        "limits": build(Limits, tables.get("limits", {}), FILE, "[limits]", problems),
    }
    if len(problems) > before:
        return None
    top = _in_lower_case(tables.get("service", {})) | tables.get("calibration", {})
    if isinstance(tables.get("mailbox"), dict):
        problems.append(Problem(FILE, "[mailbox] has to be [[mailbox]]: a list with one table for each mailbox"))
        return None
    if "mailbox" in tables:
        top["mailbox_settings"] = [str(table.get("settings", "")) for table in tables["mailbox"]]
    policy = build(Policy, top | nested, FILE, "[service]", problems)
    if policy is not None:
        _check(policy, problems)
    return policy


def _tables(path: Path, problems: list[Problem]) -> dict[str, Any] | None:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        problems.append(Problem(FILE, f"is missing in {path.parent}; TRIAGE_CONFIG_DIR has to name a config folder"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        problems.append(Problem(FILE, f"is not TOML: {error}; correct that line"))
    return None


def _in_lower_case(service: dict[str, Any]) -> dict[str, Any]:
    """Addresses and domains are compared without regard to case."""
    return {
        key: [value.lower() if isinstance(value, str) else value for value in values]
        if isinstance(values, list)
        else values
        for key, values in service.items()
    }


def _named(cls: type[Any], tables: dict[str, Any], section: str, problems: list[Problem]) -> dict[str, Any]:
    """``[section.id]`` tables to values that know their id."""
    built = {}
    for name, table in tables.get(section, {}).items():
        value = build(cls, {"id": name, **table}, FILE, f"[{section}.{name}]", problems)
        if value is not None:
            built[name] = value
    return built


def _check(policy: Policy, problems: list[Problem]) -> None:
    known = ", ".join(sorted(policy.teams))

    def bad(sentence: str) -> None:
        problems.append(Problem(FILE, sentence))

    if policy.default_team not in policy.teams:
        bad(f'[service]: default_team "{policy.default_team}" is no team; known teams: {known}')
    for prefix in policy.mailbox_settings:
        if not (prefix.startswith("TRIAGE_") and prefix.endswith("_")):
            bad(f'[[mailbox]]: settings = "{prefix}" has to begin with TRIAGE_ and end with _, e.g. "TRIAGE_EMEA_"')
    if not policy.own_addresses:
        bad("[service]: own_addresses is empty; name every address that customers write to")
    bad_addresses = [
        a for a in (*policy.own_addresses, *(t.address for t in policy.teams.values())) if a.count("@") != 1
    ]
    for address in bad_addresses:
        bad(f'"{address}" is no mail address; write it as name@domain')
    for topic in policy.topics.values():
        if topic.team not in policy.teams:
            bad(f'topic {topic.id} names team "{topic.team}"; known teams: {known}')
    for team in policy.teams.values():
        if team.address.lower() in policy.own_addresses:
            bad(f"team {team.id} has our own address {team.address}: its tickets would come back; give the team's own")
        _check_team(team, bad)
    _check_figures(policy, bad)


def _check_figures(policy: Policy, bad: Any) -> None:
    for name in ("target_wrong", "calibration_confidence"):
        if not 0 < getattr(policy, name) < 1:
            bad(f"[calibration]: {name} = {getattr(policy, name)} has to lie between 0 and 1, e.g. 0.05 and 0.95")
    for field in dataclasses.fields(policy.limits):
        if getattr(policy.limits, field.name) < 1:
            bad(f"[limits]: {field.name} = {getattr(policy.limits, field.name)} has to be 1 or more")


def _check_team(team: Team, bad: Any) -> None:
    try:
        ZoneInfo(team.timezone)
    except (ZoneInfoNotFoundError, ValueError):
        bad(f'team {team.id}: timezone "{team.timezone}" is not known; write an IANA name such as "America/Phoenix"')
    if team.opens >= team.closes:
        bad(f"team {team.id}: opens {team.opens} is not before closes {team.closes}; swap or correct them")
    if team.holidays and team.holidays not in holidays.list_supported_countries():
        bad(f'team {team.id}: holidays "{team.holidays}" is no country code we know; e.g. "US", or leave it out')
    if not team.weekdays or not set(team.weekdays) <= set(range(7)):
        bad(f"team {team.id}: weekdays {list(team.weekdays)} has to name days from 0 (Monday) to 6 (Sunday)")
