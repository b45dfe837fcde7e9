"""What is left of an email after trimming: the sender's new words, all of them, and nothing else."""

import time
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triage.core.html import html_to_text
from triage.core.mail import Address, Mail, Trimmed
from triage.core.trim import trim, with_signature


def trimmed(text: str = "", *, html: str = "", subject: str = "", sender: str = "") -> Trimmed:
    from_ = (Address("ann@contoso.example", sender),)
    return trim(Mail(sha256="0" * 64, size=len(text), subject=subject, text=text, html=html, from_=from_))


QUESTION = "How do I add a user?"

# --- quotes ----------------------------------------------------------------------------------------------------------

ATTRIBUTIONS = {
    "English, Gmail": "On Mon, 3 Mar 2025 at 10:15, Bob <bob@desk.example> wrote:",
    "English, Apple": "On 3 Mar 2025, at 10:15, Bob <bob@desk.example> wrote:",
    "English, wrapped": "On Mon, Mar 3, 2025 at 10:15 AM Bob <\nbob@desk.example> wrote:",
    "English, wrapped twice": "On Mon, Mar 3, 2025 at 10:15 AM Bob\n<a.very.long.address@desk.example>\nwrote:",
    "English, wrapped before the verb": "On Mon, Mar 3, 2025 at 10:15 AM Bob <bob@desk.example>\nwrote:",
    "English, no address": "On 03/03/2025 10:15 AM, Bob wrote:",
    "English, name first": "Bob <bob@desk.example> wrote:",
    "English, Android": "---- Bob wrote ----",
    "English, Zoho": "---- On Mon, 03 Mar 2025 10:15:00 +0100 Bob <bob@desk.example> wrote ----",
    "ISO date, no verb": "2025-03-03 10:15 GMT+01:00 Bob <bob@desk.example>:",
    "German, Gmail": "Am Mo., 3. März 2025 um 10:15 Uhr schrieb Bob <bob@desk.example>:",
    "German, name first": "Bob <bob@desk.example> schrieb am Mo., 3.\nMärz 2025 um 10:15 Uhr:",
    "German, Thunderbird": "Am 03.03.2025 um 10:15 schrieb Bob:",
    "French": "Le lun. 3 mars 2025 à 10:15, Bob <bob@desk.example> a écrit :",
    "French, wrapped": "Le lun. 3 mars 2025 à 10:15, Bob <bob@desk.example> a\nécrit :",
    "Spanish": "El lun, 3 mar 2025 a las 10:15, Bob (<help@desk.example>) escribió:",
    "Italian": "Il giorno lun 3 mar 2025 alle ore 10:15 Bob <bob@desk.example> ha scritto:",
    "Portuguese": "Em seg., 3 de mar. de 2025 às 10:15, Bob <bob@desk.example> escreveu:",
    "Dutch": "Op ma 3 mrt 2025 om 10:15 schreef Bob <bob@desk.example>:",
    "Dutch, Apple": "Op 3 mrt 2025, om 10:15 heeft Bob <bob@desk.example> het volgende geschreven:",
    "Swedish": "Den mån 3 mars 2025 kl 10:15 skrev Bob <bob@desk.example>:",
    "Norwegian": "man. 3. mars 2025 kl. 10:15 skrev Bob <bob@desk.example>:",
    "Danish": "Den man. 3. mar. 2025 kl. 10.15 skrev Bob <bob@desk.example>:",
    "Finnish": "ma 3. maalisk. 2025 klo 10.15 Bob (bob@desk.example) kirjoitti:",
    "Polish": "pon., 3 mar 2025 o 10:15 Bob <bob@desk.example> napisał(a):",
    "Polish, Thunderbird": "W dniu 3.03.2025 o 10:15, Bob pisze:",
    "Russian": "пн, 3 мар. 2025 г. в 10:15, Bob <bob@desk.example>:",
    "Russian, Apple": "3 марта 2025 г., в 10:15, Bob <bob@desk.example> написал(а):",
    "Ukrainian": "пн, 3 бер. 2025 р. о 10:15 Bob <bob@desk.example> пише:",
    "Czech": "po 3. 3. 2025 v 10:15 odesílatel Bob <bob@desk.example> napsal:",
    "Hungarian": "Bob <bob@desk.example> ezt írta (időpont: 2025. márc. 3., H, 10:15):",
    "Romanian": "În lun., 3 mar. 2025 la 10:15, Bob <bob@desk.example> a scris:",
    "Greek": "Στις Δευ 3 Μαρ 2025 στις 10:15 π.μ., ο χρήστης Bob <bob@desk.example> έγραψε:",
    "Turkish": "Bob <bob@desk.example>, 3 Mar 2025 Pzt, 10:15 tarihinde şunu yazdı:",
    "Japanese": "2025年3月3日(月) 10:15 Bob <bob@desk.example>:",
    "Chinese": "Bob <bob@desk.example> 于2025年3月3日周一 10:15写道：",
    "Chinese, Apple": "在 2025年3月3日，10:15，Bob <bob@desk.example> 写道：",
    "Korean": "2025년 3월 3일 (월) 오전 10:15, Bob <bob@desk.example>님이 작성:",
}


@pytest.mark.parametrize("attribution", ATTRIBUTIONS.values(), ids=ATTRIBUTIONS)
@pytest.mark.parametrize("sign", ["> ", ""], ids=["with quote signs", "without"])
def test_what_follows_an_attribution_is_cut(attribution: str, sign: str) -> None:
    result = trimmed(f"{QUESTION}\n\n{attribution}\n\n{sign}Dear Ann,\n{sign}\n{sign}click Users.\n")
    assert result.text == QUESTION
    assert "click Users." in result.quoted


HEADER_BLOCKS = {  # "|" stands for a line end
    "English": "From: Bob <bob@desk.example>|Sent: Monday, March 3, 2025 10:15 AM|To: Ann|Subject: Users",
    "English, no address": "From: Bob|Sent: Monday, March 3, 2025 10:15 AM|To: Ann|Subject: Users",
    "English, date": "From: Bob <bob@desk.example>|Date: Monday, 3 March 2025 at 10:15|To: Ann|Subject: Users",
    "English, bold": "*From:* Bob <bob@desk.example>|*Sent:* Monday, 3 March 2025|*To:* Ann|*Subject:* Users",
    "English, bold twice": "**From:** Bob|**Sent:** Monday, March 3, 2025 10:15|**To:** Ann|**Subject:** Users",
    "English, spaced": "From: Bob <bob@desk.example>||Sent: 3 March 2025 10:15||To: Ann||Subject: Users",
    "English, wrapped": "From: Bob|Sent: 3 March 2025 10:15|To: Ann;|Carl <c@desk.example>|Subject: Users",
    "German": "Von: Bob <bob@desk.example>|Gesendet: Montag, 3. März 2025 10:15|An: Ann|Betreff: Users",
    "French": "De : Bob <bob@desk.example>|Envoyé : lundi 3 mars 2025 10:15|À : Ann|Objet : Users",
    "Spanish": "De: Bob <bob@desk.example>|Enviado el: lunes, 3 de marzo de 2025 10:15|Para: Ann|Asunto: Users",
    "Italian": "Da: Bob <bob@desk.example>|Inviato: lunedì 3 marzo 2025 10:15|A: Ann|Oggetto: Users",
    "Portuguese": "De: Bob|Enviada em: segunda, 3 de março de 2025 10:15|Para: Ann|Assunto: Users",
    "Dutch": "Van: Bob <bob@desk.example>|Verzonden: maandag 3 maart 2025 10:15|Aan: Ann|Onderwerp: Users",
    "Swedish": "Från: Bob <bob@desk.example>|Skickat: den 3 mars 2025 10:15|Till: Ann|Ämne: Users",
    "Norwegian": "Fra: Bob <bob@desk.example>|Sendt: mandag 3. mars 2025 10:15|Til: Ann|Emne: Users",
    "Finnish": "Lähettäjä: Bob <bob@desk.example>|Lähetetty: 3. maaliskuuta 2025 10.15|Vastaanottaja: Ann|Aihe: Users",
    "Polish": "Od: Bob <bob@desk.example>|Wysłano: poniedziałek, 3 marca 2025 10:15|Do: Ann|Temat: Users",
    "Russian": "От: Bob <bob@desk.example>|Отправлено: 3 марта 2025 г. 10:15|Кому: Ann|Тема: Users",
    "Czech": "Od: Bob <bob@desk.example>|Odesláno: pondělí 3. března 2025 10:15|Komu: Ann|Předmět: Users",
    "Turkish": "Kimden: Bob <bob@desk.example>|Gönderildi: 3 Mart 2025 Pazartesi 10:15|Kime: Ann|Konu: Users",
    "Japanese": "差出人: Bob <bob@desk.example>|送信日時: 2025年3月3日 10:15|宛先: Ann|件名: Users",
    "Chinese": "发件人: Bob <bob@desk.example>|发送时间: 2025年3月3日 10:15|收件人: Ann|主题: Users",
    "Korean": "보낸 사람: Bob <bob@desk.example>|보낸 날짜: 2025년 3월 3일 10:15|받는 사람: Ann|제목: Users",
}


@pytest.mark.parametrize("block", [block.replace("|", "\n") for block in HEADER_BLOCKS.values()], ids=HEADER_BLOCKS)
@pytest.mark.parametrize(
    "above", ["", "________________________________\n", "-----Original Message-----\n", " ---------------\n\n"]
)
def test_what_follows_the_header_lines_of_an_earlier_email_is_cut(block: str, above: str) -> None:
    result = trimmed(f"{QUESTION}\n\n\n{above}{block}\n\nDear Ann,\n\nclick Users.\n")
    assert result.text == QUESTION
    assert "click Users." in result.quoted


DIVIDERS = [
    "-----Original Message-----",
    "----- Original message -----",
    "-------- Original Message --------",
    "-----Ursprüngliche Nachricht-----",
    "-----Message d'origine-----",
    "-----Mensaje original-----",
    "-----Messaggio originale-----",
    "-----Mensagem original-----",
    "-----Oorspronkelijk bericht-----",
    "-----Ursprungligt meddelande-----",
    "-----Opprinnelig melding-----",
    "-----Oprindelig meddelelse-----",
    "-----Alkuperäinen viesti-----",
    "-----Wiadomość oryginalna-----",
    "-----Исходное сообщение-----",
    "-----Původní zpráva-----",
    "-----Orijinal Mesaj-----",
    "------------------ 原始邮件 ------------------",
    "-----元のメッセージ-----",
    "##- Please type your reply above this line -##",
]


@pytest.mark.parametrize("divider", DIVIDERS)
def test_what_stands_below_a_divider_is_cut(divider: str) -> None:
    assert trimmed(f"{QUESTION}\n\n{divider}\nDear Ann,\nclick Users.").text == QUESTION


def test_all_answers_between_quoted_lines_are_kept() -> None:
    result = trimmed(
        "Hello,\n\nOn 3 Mar 2025, at 10:15, Bob <bob@desk.example> wrote:\n\n"
        "> Which product is it?\n\nVisio Plan 2.\n\n> How many seats?\nTwelve.\n> Kind regards\n> Bob\n"
    )
    for words in ("Hello,", "Visio Plan 2.", "Twelve."):
        assert words in result.text
    assert "wrote:" not in result.text
    assert "Kind regards" not in result.text


def test_a_short_quote_between_the_senders_words_stays_as_context() -> None:
    quote = "> Shall we cancel both?"
    assert quote in trimmed(f"Hi,\n\nOn 3 Mar 2025, at 10:15, Bob wrote:\n{quote}\n\nYes, both please.").text


def test_a_long_quote_between_the_senders_words_is_cut() -> None:
    quote = "\n".join(f"> Step {number}: click on." for number in range(20))
    result = trimmed(f"Hi,\n\nOn 3 Mar 2025, at 10:15, Bob wrote:\n{quote}\n\nThat did not help.")
    assert result.text == "Hi,\n\nThat did not help."


def test_an_answer_below_the_quote_is_kept_without_the_quote() -> None:
    text = "On 3 Mar 2025, at 10:15, Bob <bob@desk.example> wrote:\n> Dear Ann,\n> click Users.\n\nThere is no Users."
    assert trimmed(text).text == "There is no Users."


def test_a_quote_without_attribution_above_the_question_was_pasted_and_stays() -> None:
    text = "> ERROR 403: licence expired\n\nWhat does this mean?"
    assert trimmed(text).text == text


def test_a_quoted_line_that_was_wrapped_is_cut_whole() -> None:
    quote = (
        "> The licences that you ordered in spring will be renewed at the end of this month unless\nyou cancel\n> them."
    )
    assert trimmed(f"Please cancel.\n\nOn 3 Mar 2025, at 10:15, Bob wrote:\n{quote}").text == "Please cancel."


def test_a_line_that_only_names_who_is_quoted_is_cut_above_a_quote() -> None:
    assert trimmed(f"{QUESTION}\n\nQuoting Bob <bob@desk.example>:\n\n> Dear Ann").text == QUESTION
    assert "Quoting" in trimmed(f"{QUESTION}\n\nQuoting Bob <bob@desk.example>:\n\nclick Users.").text


def test_the_words_before_an_attribution_in_the_same_line_are_kept() -> None:
    assert (
        trimmed("Yes please. On Mon, Mar 3, 2025 at 10:15 AM Bob <bob@desk.example> wrote:\n> Both?").text
        == "Yes please."
    )


# --- what is no quote ------------------------------------------------------------------------------------------------

WHOLE = {
    "a word of a header": "From: the invoice I cannot see the tax.\nWhere is it?",
    "two users": "Please move the licence\n\nFrom: jane@contoso.example\nTo: bob@contoso.example\n\nvery soon.",
    "a move with a date": "We move.\n\nFrom: 12 Old Street\nTo: 7 New Road\nDate: 1 May 2025\n\nDo you need a form?",
    "somebody wrote": 'On Monday 3 March your colleague wrote:\n"The refund takes five days."\nWhere is it?',
    "I wrote": 'On 3 March 2025 at 10:15 I wrote:\n"Please cancel."\nNobody answered. When will you?',
    "our admin wrote": "Our administrator wrote: please reset the tenant. Can you?",
    "on and off": "On the invoice is a wrong address.\nOn top of that, the total is wrong:\n\n120 instead of 100.",
    "timestamps": "It failed at\n\n2025-03-03 10:15:00\n03/03/2025 10:16\n\nWhy?",
    "a list": "Please remove:\n\n- Visio Plan 2\n- Project Plan 3\n* E3\n\nand tell me the price.",
    "a list with two dashes": "We need:\n-- one invoice\n-- one receipt\n\nCan you send them?",
    "a drawn line": "Invoice 4711\n-----------\nWhy is there no tax on it?\n\n=====\n\nAnd where do I pay?",
    "code": "The log says\n\n```\n> From: relay\n--\nSent from my app\n```\n\nIs that normal?",
    "an arrow": "Users > Active users > Add does not work.\n>>> see https://contoso.example/shot <<<\nWhat now?",
    "feedback form": "Hello\n\n------- Enter your question below -------\n\nHow do I pay?",
    "sent from": "The notice was sent from my phone to all.\nSent from our system, it went to spam.\nCan you stop it?",
    "the word confidential": "Is it possible to mark all mails as confidential and privileged?",
    "about notices": "How do we add a confidentiality notice with the words intended recipient to each mail?",
    "one word": "unsubscribe",
    "a number": "4711",
    "thanks": "Thanks!",
    "thank you in the middle": "Hello,\n\nthank you\n\nThe link in your answer does not work. Do you have another one?",
    "a question after thanks": "No invoice came.\n\nThanks in advance\nCould you send it again?",
    "people": "These people need a licence:\n\nJane Doe\nBob Stone\nAnn Example",
    "company alone": "Contoso Ltd",
    "Japanese": "ライセンスを追加するにはどうすればよいですか。",
}


@pytest.mark.parametrize("text", WHOLE.values(), ids=WHOLE)
def test_a_body_that_only_looks_like_a_quote_or_a_signature_stays_whole(text: str) -> None:
    result = trimmed(text)
    assert result.text == text
    assert not result.signature
    assert not result.quoted


ADDRESS = "Contoso Ltd\n12 Main Street\nSpringfield\nSP1 2AB"
ADDRESS_EMAILS = {
    "before a closing": f"Please change our billing address to:\n\n{ADDRESS}\n\nBest regards\nJane Doe\nContoso Ltd",
    "at the end": f"Our new address is\n\n{ADDRESS}\nPhone +44 20 7946 0000",
    "at the end, introduced": f"We moved. Please note the new address below.\n\n{ADDRESS}\nTel. +44 20 7946 0000",
    "with a person": "New shipping address:\nJane Doe\n12 Main Street\nSpringfield\nSP1 2AB\n\nThanks\nJane Doe",
    "below the name": f"Please see our new address below.\n\nBest regards\nJane Doe\n\nOur new address:\n{ADDRESS}",
    "below the name, spaced": f"We moved.\n\nBest regards\nJane Doe\n\nOur new address:\n\n{ADDRESS}",
    "on one line": "Please change it to 12 Main Street, Springfield, SP1 2AB.\n\nJane",
}


@pytest.mark.parametrize("text", ADDRESS_EMAILS.values(), ids=ADDRESS_EMAILS)
def test_a_new_address_is_never_cut(text: str) -> None:
    result = trimmed(text, sender="Jane Doe")
    assert "12 Main Street" in result.text
    assert "SP1 2AB" in result.text


# --- signatures ------------------------------------------------------------------------------------------------------

SIGNATURES = {
    "delimiter": "--\nJane Doe\nContoso Ltd",
    "drawn line": "______________\nJane Doe | Contoso Ltd | +44 20 7946 0000",
    "English": "Best regards,\nJane Doe\nHead of Finance\nContoso Ltd",
    "English, spaced": "Kind regards,\n\nJane Doe\n\nHead of Finance\n\nContoso Ltd",
    "English, one line": "Thanks, Jane",
    "thanks and name": "Many thanks!\nJane",
    "German": "Mit freundlichen Grüßen\n\ni. A. Petra Müller\nMuster GmbH\nHauptstraße 1\n12345 Berlin",
    "German, short": "MfG\nPetra",
    "French": "Cordialement,\nJeanne Petit",
    "Spanish": "Un saludo,\nJuana Pérez",
    "Italian": "Cordiali saluti\nGiovanna Bianchi",
    "Portuguese": "Atenciosamente,\nJoana Silva",
    "Dutch": "Met vriendelijke groet,\n\nJanneke de Vries",
    "Swedish": "Med vänlig hälsning\nJanna Berg",
    "Norwegian": "Vennlig hilsen\nJanne Berg",
    "Danish": "Venlig hilsen\nJanne Holm",
    "Finnish": "Ystävällisin terveisin\nJaana Virta",
    "Polish": "Z poważaniem\nJanina Kowal",
    "Russian": "С уважением,\nЖанна Петрова",
    "Czech": "S pozdravem\nJana Nová",
    "Turkish": "Saygılarımla\nCan Kaya",
    "dash and name": "-Jane",
    "slash and name": "/Jane",
    "contact lines": "Jane Doe\njane@contoso.example\n+44 20 7946 0000",
    "phone": "Sent from my iPhone",
    "Outlook for iOS": "Get Outlook for iOS<https://aka.example/ios>",
    "German phone": "Von meinem iPhone gesendet",
    "French phone": "Envoyé de mon iPhone",
    "Spanish phone": "Enviado desde mi iPhone",
    "Italian phone": "Inviato da iPhone",
    "Portuguese phone": "Enviado do meu iPhone",
    "Dutch phone": "Verstuurd vanaf mijn iPhone",
    "Swedish phone": "Skickat från min iPhone",
    "Danish phone": "Sendt fra min iPhone",
    "Finnish phone": "Lähetetty iPhonesta",
    "Polish phone": "Wysłane z iPhone'a",
    "Russian phone": "Отправлено с iPhone",
    "Japanese phone": "iPhoneから送信",
    "Chinese phone": "发自我的iPhone",
    "Korean phone": "나의 iPhone에서 보냄",
    "notice": "This e-mail is confidential, intended solely for its addressee. If it came in error, delete it.",
    "notice with a heading": "CONFIDENTIALITY NOTICE:\nThis message may contain privileged matter. Do not copy it.",
    "German notice": "Diese E-Mail enthält vertrauliche Informationen. Falls Sie nicht gemeint sind, löschen Sie sie.",
    "print": "Please consider the environment before printing this email.",
    "everything": "Kind regards,\nJane Doe\nContoso Ltd\nwww.contoso.example\n\nSent from my iPad\n\n"
    "This message is confidential and may be privileged. If you are not the intended recipient, delete it.",
}


@pytest.mark.parametrize("signature", SIGNATURES.values(), ids=SIGNATURES)
def test_a_signature_is_cut_from_the_text_and_kept_beside_it(signature: str) -> None:
    result = trimmed(f"Hello,\n\nI cannot sign in any more. {QUESTION}\n\n{signature}\n")
    assert result.text == f"Hello,\n\nI cannot sign in any more. {QUESTION}"
    assert result.signature == signature.strip()


def test_the_senders_own_name_begins_a_signature() -> None:
    result = trimmed(f"{QUESTION}\n\nJane Doe\nContoso Ltd", sender="Doe, Jane")
    assert (result.text, result.signature) == (QUESTION, "Jane Doe\nContoso Ltd")


def test_a_name_that_the_address_is_made_of_begins_a_signature() -> None:
    mail = Mail(
        sha256="0" * 64, size=1, text=f"{QUESTION}\n\nZoë Müller-Lang", from_=(Address("z.mullerlang@contoso.example"),)
    )
    assert trim(mail).signature == "Zoë Müller-Lang"


def test_a_senders_name_in_a_list_of_names_is_no_signature() -> None:
    text = "Please add these people\n\nBob Stone\nJane Doe\nAnn Example\n\nto the licence."
    assert trimmed(text, sender="Jane Doe").text == text


def test_a_long_paragraph_is_never_taken_for_a_signature() -> None:
    long = "Also, please let somebody phone me on +44 20 7946 0000 about the way in which I was spoken to on Monday"
    assert long in trimmed(f"{QUESTION}\n\nThanks\nJane\n\n{long}").text
    assert long in trimmed(f"{QUESTION}\n\n{long}\n\nJane Doe", sender="Jane Doe").text


def test_a_quote_below_the_signature_does_not_become_part_of_it() -> None:
    result = trimmed(
        f"The mail below is for context. {QUESTION}\n\nJane Doe\n\n> Get rid of it.\n> Carl", sender="Jane Doe"
    )
    assert (result.signature, "Get rid" in result.text) == ("Jane Doe", True)


def test_a_signature_above_the_quote_is_cut_too() -> None:
    result = trimmed(
        f"{QUESTION}\n\nRegards\nJane Doe\n\nOn 3 Mar 2025, at 10:15, Bob wrote:\n> Hi\n\n-- \nJane Doe, Contoso"
    )
    assert (result.text, result.signature) == (QUESTION, "Regards\nJane Doe\n\n--\nJane Doe, Contoso")


NAMES = ["Best regards,\nJane Doe\nContoso Ltd\n+44 20 7946 0000", "Thanks\nJane"]
AFTER = [
    "PS: Please also send the invoice for May.",
    "P.S. the old one was wrong",
    "One more thing: when does the other one end?",
]
WORDS = ["I forgot to say that we also need the receipts for the last three months."]


@pytest.mark.parametrize(("name", "after"), [*product(NAMES, AFTER + WORDS), *product(["--\nJane"], AFTER)])
def test_words_below_the_signature_stay_in_the_text(name: str, after: str) -> None:
    result = trimmed(f"{QUESTION}\n\n{name}\n\n{after}")
    assert (result.text, result.signature) == (f"{QUESTION}\n\n{after}", name)


def test_below_two_dashes_a_slogan_is_part_of_the_signature() -> None:
    slogan = "We have been building better bridges for the whole world since 1970."
    assert trimmed(f"{QUESTION}\n\n--\nJane\n\n{slogan}").text == QUESTION


def test_a_postscript_directly_below_the_name_stays_in_the_text() -> None:
    result = trimmed(f"{QUESTION}\n\nThanks\nJane\nPS: we are in a hurry")
    assert (result.text, result.signature) == (f"{QUESTION}\n\nPS: we are in a hurry", "Thanks\nJane")


def test_text_and_signature_can_be_put_together_again() -> None:
    text = f"{QUESTION}\n\nBest regards,\nJane Doe"
    assert with_signature(trimmed(text)) == text
    assert with_signature(Trimmed(QUESTION)) == QUESTION


# --- forwards --------------------------------------------------------------------------------------------------------

FORWARD_LINES = [
    "---------- Forwarded message ---------",
    "-------- Forwarded Message --------",
    "Begin forwarded message:",
    "-----Weitergeleitete Nachricht-----",
    "Anfang der weitergeleiteten Nachricht:",
    "---------- Message transféré ---------",
    "Début du message réexpédié :",
    "---------- Mensaje reenviado ---------",
    "---------- Messaggio inoltrato ---------",
    "---------- Mensagem encaminhada ---------",
    "---------- Doorgestuurd bericht ---------",
    "---------- Vidarebefordrat meddelande ---------",
    "---------- Videresendt melding ---------",
    "---------- Przekazana wiadomość ---------",
    "---------- Пересылаемое сообщение ---------",
    "---------- 転送されたメッセージ ---------",
]
FORWARDED = (
    "From: Carl <carl@contoso.example>\nDate: Mon, 3 Mar 2025 at 10:15\nSubject: Teams\nTo: Jane <jane@contoso.example>"
)
PROBLEM = "I cannot join meetings since Monday. What can I do?"


@pytest.mark.parametrize("line", FORWARD_LINES)
def test_a_forwarded_email_is_the_question(line: str) -> None:
    result = trimmed(f"{line}\n{FORWARDED}\n\n{PROBLEM}")
    assert result.forwarded
    assert result.text == PROBLEM


@pytest.mark.parametrize("line", FORWARD_LINES)
def test_words_above_a_forward_stay_in_front_of_it(line: str) -> None:
    result = trimmed(
        f"See below, please help.\n\nBest regards\nJane Doe\n\n{line}\n\n{FORWARDED}\n\n{PROBLEM}\n\nThanks\nCarl"
    )
    assert result.forwarded
    assert result.text.startswith("See below, please help.\n\n")
    assert result.text.endswith(PROBLEM)
    assert "Jane Doe" in result.signature


def test_a_forward_with_quote_signs_is_read_without_them() -> None:
    quoted = "\n".join(f"> {line}".rstrip() for line in f"{FORWARDED}\n\n{PROBLEM}\n\n> an older email".splitlines())
    result = trimmed(f"Begin forwarded message:\n\n{quoted}")
    assert (result.text, result.forwarded) == (PROBLEM, True)


@pytest.mark.parametrize(
    "subject", ["FW: Teams", "Fwd: Teams", "WG: Teams", "TR : Teams", "RV: Teams", "VS: Teams", "FW:Teams"]
)
def test_the_subject_tells_that_outlook_forwards(subject: str) -> None:
    text = (
        f"Please see below.\n\nFrom: Carl\nSent: Monday, March 3, 2025 10:15 AM\nTo: Jane\nSubject: Teams\n\n{PROBLEM}"
    )
    result = trimmed(text, subject=subject)
    assert result.forwarded
    assert PROBLEM in result.text


def test_a_forwarded_reply_is_cut_where_its_own_quote_begins() -> None:
    earlier = "From: Bob\nSent: Sunday, March 2, 2025 10:15 AM\nTo: Carl\nSubject: Hello\n\nold words"
    latest = f"From: Carl\nSent: Monday, March 3, 2025 10:15 AM\nTo: Jane\nSubject: Teams\n\n{PROBLEM}"
    result = trimmed(f"Please see below.\n\n{latest}\n\n{earlier}", subject="FW: Teams")
    assert PROBLEM in result.text
    assert "old words" not in result.text


def test_header_lines_with_nothing_above_are_those_of_a_forward() -> None:
    result = trimmed(f"{FORWARDED}\n\n{PROBLEM}")
    assert (result.text, result.forwarded) == (PROBLEM, True)


def test_an_email_that_the_sender_points_to_is_part_of_the_question() -> None:
    text = f"Please order the product that my colleague names below.\n\n{FORWARDED}\n\nPlease get us Planner Plan 1."
    assert trimmed(text).text == text
    assert "Planner" not in trimmed(text, subject="Re: your order").text


def test_a_quote_that_the_sender_points_to_is_part_of_the_question() -> None:
    text = "Can you do what our director asks below?\n\n> No card after the 31st."
    assert trimmed(text).text == text


def test_the_greeting_of_a_forwarded_email_does_not_sign_it() -> None:
    body = f"Jane,\n\n{PROBLEM}\n\nMr. Jane Doe,\n\nplease ask."
    assert trimmed(f"One for you.\n\n{FORWARD_LINES[0]}\n{FORWARDED}\n\n{body}", sender="Jane Doe").text.endswith(body)


def test_a_forward_inside_what_is_quoted_is_not_the_question() -> None:
    result = trimmed(
        f"{QUESTION}\n\n-----Original Message-----\n\nFYI\n\n---------- Forwarded message ---------\n{FORWARDED}\n\nold"
    )
    assert (result.text, result.forwarded) == (QUESTION, False)


# --- what servers add ------------------------------------------------------------------------------------------------


def test_the_banner_of_a_gateway_is_cut() -> None:
    banner = "CAUTION: This email originated from outside of the organization. Do not click links\nor open attachments."
    result = trimmed(f"{banner}\n\n{QUESTION}")
    assert (result.text, result.quoted) == (QUESTION, banner)


def test_the_footer_of_a_mailing_list_is_cut() -> None:
    footer = "____________________\nfaq-users mailing list\nfaq-users@lists.contoso.example"
    result = trimmed(f"{QUESTION}\n\n-Jane\n\n{footer}")
    assert (result.text, result.signature) == (QUESTION, "-Jane")


# --- never empty -----------------------------------------------------------------------------------------------------

NOTHING_NEW = {
    "only a quote": "> Dear Ann,\n> click Users.",
    "only a quoted reply": "On 3 Mar 2025, at 10:15, Bob wrote:\n> Dear Ann",
    "only a signature": "-- \nJane Doe",
    "only a closing": "Thanks,\nJane",
    "only a phone footer": "Sent from my iPhone",
    "a phone footer and a quote": "Sent from my iPhone\n\n> On 3 Mar 2025, at 10:15, Bob wrote:\n> Dear Ann",
    "only a divider": "-----Original Message-----",
    "only a notice": "This message is confidential. If you are not the intended recipient, delete it.",
    "only a banner": "CAUTION: This email originated from outside of the organization.",
    "only header lines": FORWARDED,
    "only dashes": "--",
}


@pytest.mark.parametrize("text", NOTHING_NEW.values(), ids=NOTHING_NEW)
def test_where_nothing_would_be_left_nothing_is_cut(text: str) -> None:
    assert trimmed(text).text.strip()
    assert trimmed("", html=f"<pre>{text.replace('<', '&lt;')}</pre>").text.strip()


@pytest.mark.parametrize("text", ["", "\n\n", " \t\xa0\u200b\n"])
def test_an_email_without_text_gives_none(text: str) -> None:
    assert trimmed(text) == Trimmed("")


# --- any input -------------------------------------------------------------------------------------------------------

PIECES = st.sampled_from(
    "> |>|\n|\n\n|On 3 Mar 2025, at 10:15, Bob <b@c.example> wrote:|wrote:|From: a@b.example\n|Sent: 10:15\n|"
    "Subject: x\n|-- \n|--\n|_____\n|Best regards,\n|Jane Doe\n|Thanks|PS: x|Sent from my iPhone\n|```\n|é|\r|"
    "---------- Forwarded message ---------\n|-----Original Message-----\n|Tel. +44 20 7946 0000\n|see below|Why me?|"
    "<blockquote type=cite>|</blockquote>|<div id=Signature>|</div>|<br>|<p>|<pre>|<table><tr><td>|&nbsp;|<".split("|")
)
MAILS = st.lists(PIECES | st.text(max_size=5), max_size=40).map("".join)


@settings(max_examples=300, deadline=None)
@given(text=MAILS, html=MAILS, subject=st.sampled_from(["", "FW: x", "Re: x"]))
def test_trimming_never_raises_and_an_email_with_text_has_text(text: str, html: str, subject: str) -> None:
    result = trimmed(text, html=html, subject=subject)
    anything = text.strip("> \t\n\r\xa0\u200b") or html_to_text(html).strip("> \t\n\r")
    assert bool(result.text.strip()) or not anything


@settings(max_examples=200, deadline=None)
@given(words=st.lists(st.sampled_from(["alpha", "beta", "gamma"]), min_size=1, max_size=3), text=MAILS)
def test_every_word_is_in_the_text_the_signature_or_the_quote(words: list[str], text: str) -> None:
    result = trimmed(f"{' '.join(words)} {text}")
    everywhere = f"{result.text} {result.signature} {result.quoted}"
    assert all(word in everywhere for word in words)


HOSTILE = ["> ", "\n", "a:\n", "On 1 Jan 2020 at 10:00 x wrote: y:\n", "From: x\n", "x@y>:\n", "--\n", "____\n", "On "]
HOSTILE += [
    "Thanks\nJohn\n",
    "1:00 @a wrote",
    "<",
    "[",
    "confidential ",
    "```\n",
    "Sent from my \n",
    "> x\ny\n",
    "PS: x\n",
]
HOSTILE += ["Date: 10:00 2020\n", "On 1 1:00 <a@b>:\n", "-", "?", "word. ", "\t", "below\n", "a b c d e f g?"]


@pytest.mark.parametrize("piece", HOSTILE)
def test_a_megabyte_of_hostile_text_takes_less_than_a_second(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    began = time.process_time()
    trimmed(text)
    assert time.process_time() - began < 1
