"""The fifteen emails of ``triage demo``: one of each kind that a support mailbox gets."""

from dataclasses import dataclass

MAILBOX = "csp.support@insight.com"


@dataclass(frozen=True, slots=True)
class DemoEmail:
    """An email and the action that it has to end in."""

    kind: str
    action: str
    envelope_sender: str
    raw: bytes


def _email(
    kind: str, action: str, sender: str, subject: str, body: str, headers: str = "", envelope: str | None = None
) -> DemoEmail:
    address = sender.rpartition("<")[2].rstrip(">")
    slug = kind.replace(" ", "-")
    head = (
        f"From: {sender}\nTo: {MAILBOX}\nSubject: {subject}\nDate: Wed, 25 Nov 2026 09:00:00 +0000\n"
        f"Message-ID: <{slug}@{address.rpartition('@')[2]}>\nMIME-Version: 1.0\n{headers}"
    )
    if "Content-Type" not in headers:
        head += "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n"
    raw = f"{head}\n{body.strip()}\n".replace("\n", "\r\n").encode()
    return DemoEmail(kind, action, address if envelope is None else envelope, raw)


EMAILS = (
    _email(
        "one FAQ question",
        "answer",
        "Marta Lindqvist <marta@nordhavn-marine.example>",
        "PO number on our renewals",
        """
Hello,

our accounts department has started to reject invoices that carry no purchase order number. Could you tell me where in
the platform I enter the PO for each of our subscriptions?

Kind regards,
Marta Lindqvist
""",
    ),
    _email(
        "two FAQ questions",
        "answer",
        "Devon Achterberg <devon@brightmill.example>",
        "Two things",
        """
Hi there,

two quick questions from our side:

1. How do I download the billable items report for last month?
2. How do I make my colleague Priya an admin of the platform? She has a user there already.

Thanks,
Devon
""",
    ),
    _email(
        "question and a request for a person",
        "answer_and_route",
        "Oona Gallagher <oona.gallagher@harbourlight.example>",
        "Sync, and a wrong charge",
        """
Good morning,

How often does the platform sync with Microsoft by itself, or do I have to press the sync button every time?

Separately, we were charged twice for Visio on invoice 20331. Please have somebody in billing look into it and refund
the second charge.

Oona Gallagher
Harbourlight Trust
""",
    ),
    _email(
        "for billing",
        "route",
        "Theo Brandt <theo@kessler-druck.example>",
        "Refund for overcharged licences",
        """
Dear Sir or Madam,

your last invoice charges us for 40 Business Premium licences although we had already cancelled ten of them in August.
We dispute this amount and ask for a credit note and a refund of the difference.

Theo Brandt
""",
    ),
    _email(
        "for cloud support",
        "route",
        "Ama Boateng <ama@goldcoast-logistics.example>",
        "Teams is down for everybody",
        """
Hello support,

since 7 this morning nobody here can sign in to Teams. Everyone gets an error message with code CAA50021 and the
Microsoft status page shows nothing. Fourteen people cannot work. Please help urgently!

Ama Boateng
""",
    ),
    _email(
        "for sales",
        "route",
        "Luca Ferri <luca.ferri@ferri-arredi.example>",
        "Quote for Copilot",
        """
Good afternoon,

we are thinking about Microsoft 365 Copilot for 25 people. Could you send me a quote with your best price, and advise
whether Business Premium or E3 is the better choice underneath?

Luca Ferri
""",
    ),
    _email(
        "for security",
        "route",
        "Hana Novotna <hana.novotna@lesni-apoteka.example>",
        "Somebody is in our mailbox!",
        """
We believe that the account of our managing director has been hacked: phishing mails were sent from it last night and
there is a forwarding rule that none of us made. What do you need from us to lock the account and investigate?

Hana Novotna
""",
    ),
    _email(
        "a hurried one from a phone",
        "answer",
        "Rick Salter <rick@salterplumbing.example>",
        "password",
        """
cant get in, forgot my password for the insight site. how do i reset it??

Sent from my iPhone
""",
    ),
    _email(
        "a long one with signature and quoted thread",
        "answer_and_route",
        "Constance Abernathy <constance.abernathy@westmarch-estates.example>",
        "RE: Change of address with effect from 1 December",
        """
Dear Insight team,

further to the note below, I write to let you know that Westmarch Estates LLC has moved its head office. We should be
grateful if you would update both our billing address and our shipping address in the platform, so that all invoices
from December onwards carry the new one:

Westmarch Estates LLC
480 Larkspur Avenue, Suite 12
Portland, OR 97205

Nothing else changes. Please let me know should you need anything further from us.

With kind regards,

Constance Abernathy
Office Manager
Westmarch Estates LLC
T +1 555 0142

CONFIDENTIALITY NOTICE: This message is intended only for the person to whom it is addressed. If you have received it
in error, please delete it and tell the sender.

From: Desmond Yates
Sent: Monday, November 23, 2026 4:12 PM
To: Constance Abernathy
Subject: Change of address with effect from 1 December

Constance, can you tell our suppliers about the move, please? Insight first, the invoice is due.

Desmond
""",
    ),
    _email(
        "out of office",
        "ignore",
        "Jonas Weber <j.weber@talbruecke.example>",
        "Automatic reply: Your subscription renewal",
        "I am out of the office until 7 December and will read your email after my return.",
        headers="Auto-Submitted: auto-replied\nX-Auto-Response-Suppress: All\n",
    ),
    _email(
        "newsletter",
        "ignore",
        "Cloud Weekly <news@cloud-weekly.example>",
        "This week: ten tips for your licences",
        "Ten tips to save on licences, and a webinar on Thursday. Unsubscribe at any time.",
        headers=(
            "List-Id: <weekly.cloud-weekly.example>\nList-Unsubscribe: <mailto:out@cloud-weekly.example>\n"
            "Precedence: bulk\n"
        ),
    ),
    _email(
        "bounce",
        "ignore",
        "Mail Delivery System <MAILER-DAEMON@mx.brightmill.example>",
        "Undelivered Mail Returned to Sender",
        """
--frontier
Content-Type: text/plain; charset=us-ascii

Your message could not be delivered: mailbox full.

--frontier
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.brightmill.example

Final-Recipient: rfc822; somebody@brightmill.example
Action: failed
Status: 5.2.2

--frontier--
""",
        headers=(
            "Auto-Submitted: auto-replied\n"
            'Content-Type: multipart/report; report-type=delivery-status; boundary="frontier"\n'
        ),
        envelope="",
    ),
    DemoEmail(
        "a malformed one",
        "route",
        "web@forms.quillhaven.example",
        b"From: =?utf-9?q?Form_Mailer=3C?= <web@forms.quillhaven.example>, \xff\xfe <also@quillhaven.example>\r\n"
        b"To: " + MAILBOX.encode() + b"\r\nSubject: =?utf-8?b?4pya=?= broken \xe9\r\nDate: yesterday\r\n"
        b"Message-ID: malformed\r\nContent-Type: multipart/mixed; boundary=missing\r\n\r\n"
        b"Please call us back about our order, the form lost half of it. \xe9\xff\r\n",
    ),
    _email(
        "one with a card number",
        "answer",
        "Wanda Pierce <wanda@pierceflorists.example>",
        "new credit card",
        """
Hi,

our old credit card runs out this month. The new one is 4111 1111 1111 1111, exp 09/29, security code 123. How do I
update the card on the account and on our subscriptions?

Wanda
""",
    ),
    _email(
        "only thanks",
        "ignore",
        "Priya Raman <priya@brightmill.example>",
        "Re: all sorted",
        "Perfect, that worked. Thank you so much for your help, have a lovely weekend!",
    ),
)
