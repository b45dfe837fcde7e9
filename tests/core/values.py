"""Short ways to the values that the tests of core need."""

from datetime import UTC, date, datetime, time

from triage.core.compose import House, Texts
from triage.core.mail import Address, Mail
from triage.core.policy import Action, Block, Detail, Entry, Mode, Policy, Team, Topic
from triage.core.prediction import Gate, Guess, Prediction

NOW = datetime(2026, 11, 25, 15, 0, tzinfo=UTC)  # a Wednesday
SECRET = b"s" * 32


def entry(name: str, action: Action = Action.ANSWER, team: str = "", **changes: object) -> Entry:
    values: dict[str, object] = {
        "id": name,
        "question": f"What about {name}?",
        "answer": (Block((f"This is so for {name}.",)), Block((f"Open {name}.", f"Close {name}."), steps=True)),
        "action": action,
        "team": team,
        "details": (),
        "highest_mode": Mode.AUTOMATIC,
        "sensitive": False,
        "owner": "lead",
        "reviewed_on": date(2026, 1, 1),
        "review_by": date(2027, 1, 1),
        "confirm": "",
        "question_source": "faq",
        "changes": "",
        "source": "Q: A: …",
        "source_sha256": "",
        "version": "abc123",
    }
    return Entry(**(values | changes))  # type: ignore[arg-type]


def policy(**changes: object) -> Policy:
    def team(name: str) -> Team:
        return Team(name, name.title(), f"{name}@teams.example", opens=time(9), closes=time(17))

    values: dict[str, object] = {
        "service_name": "Support",
        "own_addresses": frozenset({"help@shop.example"}),
        "staff_domains": frozenset({"shop.example"}),
        "trusted_authserv_ids": frozenset(),
        "microsoft_365_border": False,
        "allowed_reply_to": frozenset(),
        "never_reply": frozenset(),
        "highest_mode": Mode.AUTOMATIC,
        "default_team": "support",
        "teams": {name: team(name) for name in ("support", "billing", "sales")},
        "topics": {
            "dispute": Topic("dispute", "billing", "question about a charge"),
            "quote": Topic("quote", "sales", "question about prices"),
            "other": Topic("other", "support", "request"),
        },
        "details": {
            "account-number": Detail("account-number", "your account number", account=True),
            "new-address": Detail("new-address", "the full new address"),
        },
    }
    return Policy(**(values | changes))  # type: ignore[arg-type]


ENTRIES = {
    "password": entry("password"),
    "report": entry("report"),
    "address": entry(
        "address", Action.ANSWER_AND_ROUTE, "billing", details=("new-address", "account-number"), sensitive=True
    ),
}

TEMPLATES = {
    "reply.txt": "Hello,\n\n{% for e in entries %}{{ e.answer_text }}\n\n{% endfor %}"
    "{% if team %}Our {{ team }} team has {{ ticket }}.\n{% endif %}"
    "{% for m in missing %}- {{ m }}\n{% endfor %}An automatic reply.\n",
    "reply.html": "<p>Hello,</p>{% for e in entries %}{{ e.answer_text }}{% endfor %}",
    "acknowledgement.txt": "Hello,\n\nOur {{ team }} team has {{ ticket }}.\n",
    "acknowledgement.html": "<p>{{ ticket }}</p>",
    "hand_over.txt": "From {{ sender }}: {{ words }}\n{{ sent }}\n",
    "hand_over.html": "<p>{{ words }}</p>",
}


def house(**changes: object) -> House:
    values: dict[str, object] = {
        "policy": policy(),
        "entries": ENTRIES,
        "texts": Texts(TEMPLATES),
        "mailbox": "help@shop.example",
        "secret": SECRET,
    }
    return House(**(values | changes))  # type: ignore[arg-type]


def mail(**changes: object) -> Mail:
    values: dict[str, object] = {
        "sha256": "a" * 64,
        "size": 100,
        "subject": "A question",
        "text": "How does it work?",
        "from_": (Address("ann@client.example", "Ann"),),
        "message_id": "<one@client.example>",
        "date": NOW,
    }
    return Mail(**(values | changes))  # type: ignore[arg-type]


def prediction(*intents: str, topics: tuple[str, ...] = (), passes: bool = True, **changes: object) -> Prediction:
    guesses = tuple(Guess(label, 0.9 / (place + 1)) for place, label in enumerate((*intents, *topics)))
    gate = Gate("confidence", passes, 0.9, 0.8, "the reply is right with 90 %, at least 80 % is wanted")
    values: dict[str, object] = {
        "guesses": guesses,
        "intents": intents,
        "topics": topics,
        "confidence": 0.9,
        "gates": (gate,),
    }
    return Prediction(**(values | changes))  # type: ignore[arg-type]
