"""Measure parse, trim, guard, redact and the ids of replies on the test cases of other mail programs.

    python -m tests.bench.mail [FOLDER]

FOLDER (or MAIL_CASES) holds ``index.jsonl`` and the cases that it names. Prints a JSON object per row, with the floor,
the aim and what the best other programs reach, and an object with all of them on the last line.
"""

import json
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from email.header import Header
from pathlib import Path
from typing import Any

from tests.core.values import NOW, house, policy
from triage.core.compose import Case, compose
from triage.core.decision import Decision
from triage.core.guard import guard
from triage.core.html import html_to_text
from triage.core.mail import Address, Mail, SenderHistory, Severity, Trimmed
from triage.core.mime import valid_ids
from triage.core.parse import parse
from triage.core.policy import Action
from triage.core.redact import redact
from triage.core.trim import trim, with_signature

Row = dict[str, Any]

# What others reach on the same cases and their held-out half, measured with each program's own entry points.
PEERS_TRIM = {"talon with signature": 0.68, "email-reply-parser": 0.52, "mail-parser-reply": 0.47, "quotequail": 0.40}
PEERS_BOUNCES = {"osTicket": 0.976, "RT": 0.965, "Discourse": 0.933, "Zammad": 0.908, "flufl.bounce": 0.851}
PEERS_OTHER = {"Discourse": 0.56, "Zammad": 0.54, "Pigeonhole": 0.54, "osTicket": 0.44, "RT": 0.40}
PEERS_PEOPLE = {"Pigeonhole": 0.0, "Zammad": 0.0, "Discourse": 0.006, "FreeScout": 0.006}
PEERS_RAISED = {"mail-parser": 2, "standard library, policy.default": 5}
PEERS_SLOWEST = {"mail-parser": 0.1, "standard library, policy.default": 2.3}
PEERS_POISON = {"standard library, policy.default": 17.4}


@dataclass(frozen=True)
class MailCase:
    """One row of the index, with the file's bytes."""

    row: Row
    raw: bytes

    @property
    def expect(self) -> Row:
        return self.row["expect"]


def main(arguments: list[str]) -> int:
    folder = Path(arguments[0] if arguments else os.environ.get("MAIL_CASES", "../shared/data/mail-cases"))
    index = folder / "index.jsonl"
    if not index.is_file():
        print(f"There are no mail cases at {folder}: name the folder with index.jsonl as argument or in MAIL_CASES.")
        return 2
    cases: dict[str, list[MailCase]] = {}
    for line in index.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        cases.setdefault(row["kind"], []).append(MailCase(row, (folder / row["file"]).read_bytes()))
    rows = list(measured(cases))
    for row in rows:
        print(json.dumps(row, ensure_ascii=False))
    print(json.dumps({row["kind"]: {k: v for k, v in row.items() if k != "kind"} for row in rows}, ensure_ascii=False))
    return 0


def measured(cases: dict[str, list[MailCase]]) -> Iterable[Row]:
    yield from trimming(cases.get("trim", []))
    yield machine("bounces recognised", cases.get("bounce", []), 0.995, 1.0, PEERS_BOUNCES)
    yield machine("other machine mail recognised", cases.get("auto", []), 0.88, 0.97, PEERS_OTHER)
    yield machine("people's mail taken for a machine's", cases.get("human", []), 0.01, 0.0, PEERS_PEOPLE)
    yield from malformed(cases.get("malformed", []))
    yield cards(cases.get("card", []))
    yield poison()
    yield ids([case for kind in ("human", "malformed", "auto", "bounce") for case in cases.get(kind, [])])


def row(kind: str, count: int, figure: float, floor: float, aim: float, **more: object) -> Row:
    return {"kind": kind, "count": count, "figure": round(figure, 4), "floor": floor, "aim": aim, **more}


def share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


# --- trimming ---------------------------------------------------------------------------------------------------------


def trimming(cases: list[MailCase]) -> Iterable[Row]:
    """Right by each set's own convention; on cases with an exact text, also what is empty and what lost words."""
    right: Counter[str] = Counter()
    count: Counter[str] = Counter()
    empty = lost = exact = 0
    slowest = 0.0
    failed = []
    for case in cases:
        mail = as_mail(case)
        start = time.perf_counter()
        trimmed = trim(mail)
        slowest = max(slowest, time.perf_counter() - start)
        name = case.row["set"]
        count[name] += 1
        if is_right(case, trimmed):
            right[name] += 1
        else:
            failed.append(case.row["id"])
        if case.expect["mode"] == "exact":
            exact += 1
            empty += bool(case.expect["text"].strip()) and not trimmed.text.strip()
            lost += share_of_lost_words(case.expect["text"], best(case, trimmed)) > 0.05
    for name in sorted(count):
        yield row(f"trim exact: {name}", count[name], share(right[name], count[name]), 0.75, 0.9)
    total = share(right.total(), count.total())
    yield row("trim exact", count.total(), total, 0.75, 0.9, peers=PEERS_TRIM, failed=failed)
    yield row("trim empty", exact, empty, 0, 0)
    yield row("trim lost words", exact, share(lost, exact), 0.02, 0.01, peers={"talon with signature": 0.05})
    yield row("trim slowest, seconds", count.total(), slowest, 1, 0.05)


def as_mail(case: MailCase) -> Mail:
    if case.row["convention"]["format"] == "eml":
        return parse(case.raw)
    text = case.raw.decode("utf-8", "replace").replace("\r\n", "\n")
    if case.row["convention"]["format"] == "html":
        return Mail("", len(case.raw), text=html_to_text(text), html=text)
    return Mail("", len(case.raw), text=text)


def best(case: MailCase, trimmed: Trimmed) -> str:
    """The text by the convention of its set: with the signature where the set keeps it."""
    return trimmed.text if case.row["convention"]["signature"] == "removed" else with_signature(trimmed)


def is_right(case: MailCase, trimmed: Trimmed) -> bool:
    results = [best(case, trimmed)]
    if case.row["convention"]["signature"].startswith("kept-ish"):
        results.append(trimmed.text)
    return any(satisfies(case.expect, result) for result in results)


def satisfies(expect: Row, result: str) -> bool:
    squeezed = " ".join(result.split())
    if expect["mode"] == "exact":
        return squeezed == " ".join(expect["text"].split())
    if expect["mode"] == "exact_html_text":
        return squeezed == " ".join(html_to_text(expect["html"]).split())
    if expect["mode"] == "contains":
        found = all(" ".join(part.split()) in squeezed for part in expect.get("must", []))
        leaked = any(" ".join(part.split()) in squeezed for part in expect.get("must_not", []))
        return found and not leaked and all(re.search(form, result) for form in expect.get("must_re", []))
    return True  # only the time counts


def share_of_lost_words(wanted: str, result: str) -> float:
    words = Counter(wanted.split())
    return share((words - Counter(result.split())).total(), words.total())


# --- guard ------------------------------------------------------------------------------------------------------------


def is_machine(raw: bytes) -> bool:
    """The verdict that ``triage explain`` shows."""
    objections = guard(redact(parse(raw)), (), policy(), SenderHistory(), NOW, NOW)
    return any(objection.severity is Severity.MACHINE for objection in objections)


def machine(kind: str, cases: list[MailCase], floor: float, aim: float, peers: dict[str, float]) -> Row:
    taken = {case.row["id"]: is_machine(case.raw) for case in cases}
    machines_expected = aim > 0
    failed = [name for name, verdict in taken.items() if verdict is not machines_expected]
    return row(kind, len(cases), share(sum(taken.values()), len(cases)), floor, aim, peers=peers, failed=failed)


# --- parse ------------------------------------------------------------------------------------------------------------


def through(raw: bytes) -> float:
    """Parse, redact, trim and guard one email; seconds."""
    start = time.perf_counter()
    mail = redact(parse(raw))
    trim(mail)
    guard(mail, (), policy(), SenderHistory(), NOW, NOW)
    return time.perf_counter() - start


def malformed(cases: list[MailCase]) -> Iterable[Row]:
    raised, slowest = [], 0.0
    for case in cases:
        try:
            slowest = max(slowest, through(case.raw))
        except Exception as error:  # noqa: BLE001 - that is what is counted
            raised.append(f"{case.row['id']}: {type(error).__name__}")
    yield row("malformed: exceptions", len(cases), len(raised), 0, 0, peers=PEERS_RAISED, failed=raised)
    yield row("malformed: slowest, seconds", len(cases), slowest, 1, 0.05, peers=PEERS_SLOWEST)


def poison() -> Row:
    """The six emails of which one stops a poller that parses with the standard library's rich policy."""
    slowest = {name: min(through(raw) for _ in range(2)) for name, raw in poison_mails().items()}
    times = {name: round(seconds, 4) for name, seconds in slowest.items()}
    return row("poison: slowest, seconds", len(times), max(times.values()), 1, 0.02, peers=PEERS_POISON, times=times)


def poison_mails() -> dict[str, bytes]:
    head = b"From: Ann <ann@client.example>\nTo: help@shop.example\n"
    nested = b"".join(b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n' % (n, n) for n in range(2_000))
    authors = b", ".join(b"a%d@client.example" % number for number in range(5_000))
    return {
        "From of 50 kB of quotes": b"From: " + b'"' * 50_000 + b"\nTo: help@shop.example\n\nHello\n",
        "Subject of 1 MB": head + b"Subject: " + b"subject " * 125_000 + b"\n\nHello\n",
        "2,000 nested comments": head + b"To: " + b"(" * 2_000 + b")" * 2_000 + b"\n\nHello\n",
        "2,000 nested multiparts": head + nested + b"\nHello\n",
        "5,000 authors": b"From: " + authors + b"\nTo: help@shop.example\n\nHello\n",
        "20,000 parts": head
        + b"Content-Type: multipart/mixed; boundary=b\n\n"
        + b"--b\n\nHello\n" * 20_000
        + b"--b--\n",
    }


# --- redact -----------------------------------------------------------------------------------------------------------


def cards(cases: list[MailCase]) -> Row:
    failed = [case.row["id"] for case in cases if not redacts_rightly(case)]
    right = share(len(cases) - len(failed), len(cases))
    return row("card cases right", len(cases), right, 1.0, 1.0, peers={"credit_card_sanitizer": 1.0}, failed=failed)


def redacts_rightly(case: MailCase) -> bool:
    """In the text of an email, in its HTML, in its subject and in the name of an attachment."""
    said = case.raw.decode("utf-8")
    line = " ".join(said.split())
    emails = (
        b"Subject: A question\nContent-Type: text/plain; charset=utf-8\n\n" + case.raw,
        b"Subject: A question\nContent-Type: text/html; charset=utf-8\n\n<p>" + case.raw + b"</p>",
        b"Subject: " + str(Header(line, "utf-8")).encode() + b"\n\nHello\n",
    )
    return all(
        bool(redact(parse(b"From: ann@client.example\n" + raw)).redactions) is case.expect["redact"] for raw in emails
    )


# --- replies ----------------------------------------------------------------------------------------------------------


def ids(cases: list[MailCase]) -> Row:
    """Ids of replies, read as bytes, that are not byte for byte those of the email that they answer."""
    count, changed = 0, []
    for case in cases:
        mail = parse(case.raw)
        theirs = valid_ids([mail.message_id or ""])
        if not theirs:
            continue
        count += 1
        sent = reply_headers(replace(mail, from_=(Address("ann@client.example"),)))
        known = {*theirs, *mail.references, *mail.in_reply_to}
        if (
            sent["in-reply-to"] != theirs
            or sent["references"][-1:] != theirs
            or not known.issuperset(sent["references"])
        ):
            changed.append(case.row["id"])
    return row(
        "ids changed in replies",
        count,
        len(changed),
        0,
        0,
        peers={"standard library": "half of Outlook's"},
        failed=changed,
    )


def reply_headers(mail: Mail) -> dict[str, list[str]]:
    """The ids in the raw bytes of our reply to an email."""
    case = Case(mail, Trimmed(mail.text), Decision(Action.ANSWER, ("password",)), 1042, "box|1|7|abc", NOW)
    raw = compose(case, house())[0].raw
    head = re.sub(rb"\r\n[ \t]+", b" ", raw.partition(b"\r\n\r\n")[0])
    fields = (line.partition(b":") for line in head.split(b"\r\n"))
    wanted: Callable[[str], bool] = {"in-reply-to", "references"}.__contains__
    return {
        name.decode().lower(): value.decode("latin-1").split()
        for name, _, value in fields
        if wanted(name.decode().lower())
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
