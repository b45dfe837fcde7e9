import shutil
from datetime import date
from pathlib import Path

import pytest

from triage.content.load import notices, read_content
from triage.content.problems import ContentError
from triage.core.policy import Action

CONFIG = Path(__file__).parents[2] / "config"
INTENTS = frozenset(
    """
    subscriptions-vs-licenses reset-password subscription-cost-report product-not-found request-platform-change
    license-count-mismatch sync-frequency decrease-licenses-in-use add-admin modify-subscription
    manage-users-and-licenses duplicate-subscription-lines audio-conferencing-missing update-address
    invoice-quantity-one billable-items-report change-payment-method switch-to-net-terms add-po-number
    update-credit-card
    """.split()
)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    shutil.copytree(CONFIG, tmp_path / "config")
    return tmp_path / "config"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def problems(config: Path) -> list[str]:
    with pytest.raises(ContentError) as raised:
        read_content(config)
    return [str(problem) for problem in raised.value.problems]


def test_the_twenty_entries_are_there_and_say_who_acts() -> None:
    content = read_content(CONFIG)
    assert content.entries.keys() == INTENTS
    routed = {name: entry.team for name, entry in content.entries.items() if entry.action is Action.ANSWER_AND_ROUTE}
    assert routed == {
        "product-not-found": "sales",
        "request-platform-change": "cloud-support",
        "update-address": "billing",
        "switch-to-net-terms": "billing",
    }
    inferred = [name for name, entry in content.entries.items() if entry.question_source == "inferred"]
    assert inferred == ["manage-users-and-licenses"]


def test_no_answer_promises_steps_without_giving_them() -> None:
    answer = read_content(CONFIG).entries["update-credit-card"].answer
    assert any(block.steps for block in answer)


def test_the_button_with_an_ellipsis_survives() -> None:
    assert "click the … and select export" in read_content(CONFIG).entries["billable-items-report"].answer_text


@pytest.mark.parametrize(
    ("file", "old", "new", "sentence"),
    [
        ("policy.toml", 'default_team = "cloud-support"', 'default_team = "clout"', '"clout" is no team; known'),
        ("policy.toml", "max_age_hours", "max_age_ours", 'did you mean "max_age_hours"?'),
        ("policy.toml", "max_age_hours = 72", 'max_age_hours = "long"', "limits]: max_age_hours = 'long' does not fit"),
        ("policy.toml", '"America/Phoenix"', '"America/Fenix"', 'timezone "America/Fenix" is not known'),
        ("policy.toml", 'holidays = "US"', 'holidays = "XX"', '"XX" is no country code'),
        ("policy.toml", "opens = 08:00:00", "opens = 18:00:00", "is not before closes"),
        ("policy.toml", '"billing@teams.example"', '"billing"', '"billing" is no mail address'),
        ("policy.toml", '[topics.other]\nteam = "cloud-support"', '[topics.other]\nteam = "x"', 'names team "x"'),
        ("policy.toml", "[service]", "[service", "is not TOML"),
        ("policy.toml", "[folders]", "[foulders]", 'section "foulders" is not known; did you mean "folders"?'),
        ("policy.toml", "target_wrong = 0.03", "target_wrong = 5", "has to lie between 0 and 1"),
        ("faq/update-address.md", 'team = "billing"', 'team = "biling"', 'names team "biling"; known teams: billing'),
        ("faq/update-address.md", '"new-address"', '"new-adress"', 'asks for detail "new-adress"; known details'),
        ("faq/reset-password.md", "## Answer", "## Reply", "has not the form"),
        ("faq/reset-password.md", "question = ", "qestion = ", "question is missing; add it"),
        ("faq/reset-password.md", 'action = "answer"', 'action = "reply"', "action = 'reply' does not fit"),
        ("faq/reset-password.md", 'action = "answer"', 'action = "ignore"', "is none of an entry"),
        ("faq/reset-password.md", "button.", "button", "has no terminal punctuation"),
        ("faq/reset-password.md", "To reset", "See above. To reset", '"above" points to something'),
        ("faq/reset-password.md", "https://buy", "http://buy", "is not an https link"),
        ("faq/reset-password.md", "To reset", "Write to csp.support@insight.com. To reset", "has just written"),
        ("faq/reset-password.md", "To reset", "This is a two step process. To reset", "promises steps and gives none"),
        ("faq/reset-password.md", "Navigate", "Go", "its source has changed"),
        ("faq/reset-password.md", "review_by = 2027", "review_by = 2025", "is not after reviewed_on"),
        ("texts/reply.txt.j2", "{% if team %}", "{% if team }", "correct the template"),
        ("texts/reply.txt.j2", "{{ ticket }}", "{{ tickett }}", "'tickett' is undefined"),
        ("texts/next.html.j2", "{{ detail }}", "{{ detail | shout }}", "No filter named 'shout'"),
        ("policy.toml", 'address = "billing@teams.example"', 'address = "CSP.support@insight.com"', "would come back"),
        ("policy.toml", "attempts = 3 ", "attempts = 0 ", "attempts = 0 has to be 1 or more"),
        ("policy.toml", "[folders]", "[mailbox]\nsettings = 'X'\n[folders]", "has to be [[mailbox]]"),
    ],
)  # fmt: skip
def test_every_mistake_has_its_sentence(config: Path, file: str, old: str, new: str, sentence: str) -> None:
    edit(config / file, old, new)
    found = problems(config)
    assert any(sentence in problem and problem.startswith(file) for problem in found), found


def test_all_mistakes_are_told_at_once(config: Path) -> None:
    edit(config / "policy.toml", "max_age_hours", "max_age_ours")
    edit(config / "faq/reset-password.md", "## Answer", "## Reply")
    edit(config / "faq/add-admin.md", 'action = "answer"', 'action = "answer"\nteam = "x"')
    (config / "texts/reply.html.j2").unlink()
    assert len(problems(config)) == 3


def test_a_text_that_another_includes_is_missed(config: Path) -> None:
    (config / "texts/foot.txt.j2").unlink()
    assert problems(config) == ["texts/foot.txt.j2: is missing, and another text includes it; add it"]


def test_addresses_are_compared_without_regard_to_case(config: Path) -> None:
    edit(config / "policy.toml", '["csp.support@insight.com"]', '["CSP.Support@Insight.com"]')
    assert read_content(config).policy.own_addresses == {"csp.support@insight.com"}


def test_a_missing_folder_is_a_sentence(tmp_path: Path) -> None:
    assert "TRIAGE_CONFIG_DIR" in problems(tmp_path / "nowhere")[0]


def test_notices_name_due_reviews_open_confirmations_and_placeholders() -> None:
    content = read_content(CONFIG)
    found = [str(notice) for notice in notices(content, date(2028, 1, 1), dict.fromkeys(INTENTS, 1))]
    assert sum("review was due" in line for line in found) == 20
    assert sum("owner to confirm" in line for line in found) == 4
    assert sum("placeholder address" in line for line in found) == 4
    assert not any("training examples" in line for line in found)
