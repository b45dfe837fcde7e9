"""By when a person reads a ticket: a team's working hours, in its time zone, less its public holidays."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import holidays

from triage.core.policy import Team


def read_by(team: Team, now: datetime) -> datetime:
    """When ``answers_within_hours`` working hours have passed since ``now``, in the team's time zone."""
    zone = ZoneInfo(team.timezone)
    moment = now.astimezone(zone)
    left = timedelta(hours=team.answers_within_hours)
    free = holidays.country_holidays(team.holidays) if team.holidays else {}
    while True:
        opens = moment.replace(hour=team.opens.hour, minute=team.opens.minute, second=0, microsecond=0)
        closes = moment.replace(hour=team.closes.hour, minute=team.closes.minute, second=0, microsecond=0)
        works = moment.weekday() in team.weekdays and moment.date() not in free
        start = max(moment, opens)
        if works and start + left <= closes:
            return start + left
        if works and start < closes:
            left -= closes - start
        moment = (moment + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)


def as_customers_read_it(moment: datetime) -> str:
    """E.g. "Monday 30 November, 14:00 (MST)": no month-day order to mistake."""
    return f"{moment:%A} {moment.day} {moment:%B, %H:%M (%Z)}"
