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


_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def office_hours(team: Team) -> str:
    """When people of the team read, e.g. "Monday to Friday, 08:00 to 17:00 (Phoenix time)"."""
    days = sorted(team.weekdays)
    together = days == list(range(days[0], days[-1] + 1)) and len(days) > 1
    named = f"{_DAYS[days[0]]} to {_DAYS[days[-1]]}" if together else ", ".join(_DAYS[day] for day in days)
    place = team.timezone.rpartition("/")[2].replace("_", " ")
    return f"{named}, {team.opens:%H:%M} to {team.closes:%H:%M} ({place} time)"
