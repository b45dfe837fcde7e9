"""What our own border says about a sender (RFC 8601).

Only the topmost Authentication-Results is read: ours stands above all that came with the email, and the ones below may
be forged. authres 1.2.0 cannot read Microsoft 365's, which names no server.
"""

import re

from triage.core.mail import Authentication, Mail, Verdict
from triage.core.policy import Policy

_COMMENT = re.compile(r"\\.|[()]")
_METHOD = re.compile(r"\s*([a-z][\w-]*)\s*(?:/\s*\d+\s*)?=\s*([a-z]+)", re.IGNORECASE)
_SERVER = re.compile(r"\s*([\w.:-]+)(?:\s+\d+)?\s*")


def authentication(mail: Mail, policy: Policy) -> Authentication:
    """The verdicts of our border; unknown throughout where the topmost header is not by a border that policy trusts."""
    topmost = next(iter(mail.header("authentication-results")), "")
    first, *others = _without_comments(topmost).split(";")
    server = _SERVER.fullmatch(first)
    if server:
        methods = others if server[1].lower() in policy.trusted_authserv_ids else []
    else:
        methods = [first, *others] if policy.microsoft_365_border else []
    results: dict[str, list[str]] = {}
    for method in methods:
        if match := _METHOD.match(method):
            results.setdefault(match[1].lower(), []).append(match[2].lower())
    return Authentication(
        spf=_verdict(results.get("spf", [])),
        dkim=_verdict(results.get("dkim", [])),
        dmarc=_verdict([*results.get("dmarc", []), *_composite(results)]),
    )


def _composite(results: dict[str, list[str]]) -> list[str]:
    """Microsoft's own verdict where the sender's domain has no DMARC policy; a failed one means spoofed."""
    return [
        verdict
        for verdict in results.get("compauth", [])
        if verdict == "fail" and "pass" not in results.get("dmarc", [])
    ]


def _verdict(results: list[str]) -> Verdict:
    """One of several: a domain may be signed twice, and one good signature is enough (RFC 8601 section 2.7.1)."""
    for verdict in (Verdict.PASS, Verdict.FAIL, Verdict.SOFTFAIL, Verdict.NONE):
        if verdict.value in results or (verdict is Verdict.FAIL and "hardfail" in results):
            return verdict
    return Verdict.UNKNOWN


def _without_comments(value: str) -> str:
    """Comments nest; one that never ends takes all that is left."""
    kept, depth, position = [], 0, 0
    for paren in _COMMENT.finditer(value):
        if depth == 0:
            kept.append(value[position : paren.start()])
        depth = max(0, depth + {"(": 1, ")": -1}.get(paren[0], 0))
        position = paren.end()
    return "".join([*kept, value[position:] if depth == 0 else ""])
