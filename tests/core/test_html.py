"""HTML as a person sees it, and what is left of HTML emails after trimming."""

import time

import pytest

from triage.core.html import html_to_text
from triage.core.mail import Mail, Trimmed
from triage.core.trim import trim


def trimmed(html: str, text: str | None = None) -> Trimmed:
    plain = html_to_text(html) if text is None else text
    return trim(Mail(sha256="0" * 64, size=len(html), text=plain, html=html))


# --- the text of HTML ------------------------------------------------------------------------------------------------

TEXTS = {
    "paragraphs": ("<p>One</p><p>two</p>", "One\n\ntwo"),
    "lines": ("<div>One</div><div>two<br>three</div>", "One\ntwo\nthree"),
    "blank lines": ("<div>One</div><div><br></div><div>two</div>", "One\n\ntwo"),
    "Outlook's paragraphs": ("<p class=MsoNormal>One</p><p class=MsoNormal>two</p>", "One\ntwo"),
    "Outlook's blank line": (
        "<p class=MsoNormal>One</p><p class=MsoNormal>&nbsp;</p><p class=MsoNormal>2</p>",
        "One\n\n2",
    ),
    "paragraphs without margin": ("<p style='margin:0'>One</p><p style='margin-top:0px'>two</p>", "One\ntwo"),
    "blanks": ("<p>  One\n  <b> two</b>\t<i>three</i> </p>", "One two three"),
    "hard blanks": ("One&nbsp;&nbsp;two", "One  two"),
    "a word in two elements": ("<b>li</b>cence", "licence"),
    "a list": ("<ul><li>One</li><li>two</li></ul>", "* One\n* two"),
    "a numbered list": ("<ol><li>One<li>two</ol>", "1. One\n2. two"),
    "a table": ("<table><tr><td>E3</td><td>4</td></tr><tr><td>E5</td><td>2</td></tr></table>", "E3  4\nE5  2"),
    "preformatted": ("<pre>a\n  b</pre>", "a\n  b"),
    "a link": ("<a href='https://contoso.example'>our site</a>", "our site"),
    "entities": ("&lt;b&gt; &amp; &euro;", "<b> & €"),
    "a quote": (
        "<p>Hi</p><blockquote type=cite>One<blockquote type=cite>two</blockquote></blockquote>",
        "Hi\n\n> One\n> \n> > two",
    ),
    "an indented block": ("Hi<blockquote style='margin:0 0 0 40px;border:none'>One</blockquote>", "Hi\nOne"),
    "style and script": ("<style>p{}</style><script>x()</script><p>One</p><!-- two -->", "One"),
    "Word's comments": ("<p>One<!--[if gte mso 9]><xml>two</xml><![endif]--><o:p></o:p></p>", "One"),
    "a title": ("<html><head><title>x</title></head><body>One</body></html>", "One"),
    "an open style": ("<p>One</p><style>two", "One"),
    "hidden": ("<div style='display:none'>x</div><span hidden>x</span><p style='visibility: hidden'>x</p>One", "One"),
    "hidden from Word": ("<span style='mso-hide:all'>x</span>One", "One"),
    "a preview text": ("<div style='max-height:0;overflow:hidden'>x</div>One", "One"),
    "no size": ("<p style='font-size:0px'>x<span style='font-size:12pt'>One</span></p>", "One"),
    "invisible characters": ("O\u200bn\u00ade", "One"),
    "a picture": ("One<img alt='x' src='data:image/png;base64,AAAA'>", "One"),
    "no tags": ("One", "One"),
    "nothing": ("", ""),
    "only a tag": ("<", "<"),
    "half a character": ("\ud800One", "One"),
    "a null": ("O\0ne", "One"),
}


@pytest.mark.parametrize(("html", "text"), TEXTS.values(), ids=TEXTS)
def test_html_reads_as_a_person_sees_it(html: str, text: str) -> None:
    assert html_to_text(html) == text


def test_deeply_nested_text_is_read() -> None:
    assert html_to_text("<div>" * 900 + "One") == "One"
    assert html_to_text("<b>" * 900 + "One") == "One"


def test_the_question_below_a_large_pasted_table_is_read() -> None:
    cell = "<td style='border:1px solid;font-family:Calibri;font-size:11pt;padding:2px;vertical-align:bottom'>x</td>"
    table = f"<table>{f'<tr>{cell * 10}</tr>' * 300}</table>"
    assert html_to_text(f"{table}<p>Why?</p>").endswith("Why?")


def test_a_wide_cell_does_not_widen_the_others() -> None:
    html = f"<table><tr><td>{'x' * 50_000}</td></tr>{'<tr><td>a</td></tr>' * 5_000}</table>"
    assert len(html_to_text(html)) < 200_000


HOSTILE = [
    "<div>",
    "<ul><li>",
    "<dl><dd>",
    "<b>x</b>",
    "<br>",
    "<!--",
    "<style>",
    "<blockquote type=cite>x",
    "<p>x",
    "&#",
]
HOSTILE += [
    "<table><tr><td>",
    "data:base64,",
    "<a x='",
    '<a x="',
    "<p a1='<' ",
    "<i><table></i>",
    "<b><i><u></b></i>",
    "<",
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_a_megabyte_of_hostile_html_takes_less_than_a_second(piece: str) -> None:
    html = piece * (1_000_000 // len(piece))
    began = time.process_time()
    trimmed(html, text="")
    assert time.process_time() - began < 1


@pytest.mark.parametrize("attribute", ["a{}=1 ", "a{} ", "a{}='<' ", "a{}='>'", 'a{}=""', "a{}/"])
def test_a_tag_with_very_many_attributes_takes_less_than_a_second(attribute: str) -> None:
    html = f"<p {''.join(attribute.format(n) for n in range(60_000))}>Why?</p>"
    began = time.process_time()
    assert "Why?" in html_to_text(html)
    assert time.process_time() - began < 1


# --- quotes ----------------------------------------------------------------------------------------------------------

QUESTION = "How do I add a user?"
ASKED = f"<div>{QUESTION}</div>"
ANSWER = "<p>Dear Ann,</p><p>click Users.</p>"
WROTE = "On Monday, March 3, 2025 at 10:15, Bob &lt;b@desk.example&gt; wrote:"
SKRIFADI = "Þann mán. 3. mars skrifaði Bob:"  # in a language that nobody taught us
HEADERS = "<b>From:</b> Bob<br><b>Sent:</b> Monday, March 3, 2025 10:15 AM<br><b>To:</b> Ann<br><b>Subject:</b> Users"
HAUSAR = "<b>Afsendari:</b> Bob<br><b>Sendandi:</b> 3. mars<br><b>Viðtakandi:</b> Ann"

REPLIES = {
    "Gmail": (
        f"<div class=gmail_quote><div dir=ltr class=gmail_attr>{WROTE}<br></div>"
        f"<blockquote class=gmail_quote>{ANSWER}</blockquote></div>"
    ),
    "Gmail, unknown language": (
        f"<div class=gmail_quote><div dir=ltr class=gmail_attr>{SKRIFADI}<br></div>"
        f"<blockquote class=gmail_quote style='border-left:1px solid'>{ANSWER}</blockquote></div>"
    ),
    "Thunderbird": (
        "<div class=moz-cite-prefix>Am 03.03.25 um 10:15 schrieb Bob:<br></div>"
        f"<blockquote type=cite cite='mid:1@desk.example'>{ANSWER}</blockquote>"
    ),
    "Thunderbird, unknown language": (
        f"<div class=moz-cite-prefix>{SKRIFADI}<br></div><blockquote type=cite>{ANSWER}</blockquote>"
    ),
    "Apple Mail": f"<br><blockquote type=cite><div>On 3 Mar 2025, at 10:15, Bob wrote:</div>{ANSWER}</blockquote>",
    "Word": (
        "<p class=MsoNormal>&nbsp;</p><div><div style='border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm'>"
        f"<p class=MsoNormal>{HEADERS}</p></div></div>{ANSWER}"
    ),
    "Word, unknown language": (
        f"<div style='border:none;border-top:solid #B5C4DF 1.0pt'><p class=MsoNormal>{HAUSAR}</p></div>{ANSWER}"
    ),
    "Outlook on the web": (
        "<div id=appendonsend></div><hr style='width:98%'>"
        f"<div id=divRplyFwdMsg dir=ltr>{HEADERS}<div>&nbsp;</div></div>{ANSWER}"
    ),
    "Outlook on the web, unknown language": f"<hr><div id=x_divRplyFwdMsg>{HAUSAR}</div>{ANSWER}",
    "Outlook for Mac": f"<span id=OLK_SRC_BODY_SECTION><div>{HAUSAR}</div><div>{ANSWER}</div></span>",
    "Outlook for phones": f"<div id=mail-editor-reference-message-container>{HAUSAR}<br>{ANSWER}</div>",
    "old Outlook": f"<div class=OutlookMessageHeader>{HAUSAR}</div>{ANSWER}",
    "Yahoo": f"<div id=ydp1 class=yahoo_quoted><div>{WROTE}</div><br>{ANSWER}</div>",
    "Proton": f"<div class=protonmail_quote>{WROTE}<br><blockquote type=cite>{ANSWER}</blockquote></div>",
    "Zoho": (
        "<div class=zmail_extra>---- On Mon, 03 Mar 2025 10:15:00 +0100 <b>Bob</b> wrote ----<br>"
        f"<blockquote style='border-left: 1px solid blue'>{ANSWER}</blockquote></div>"
    ),
    "Hotmail": "<br>&gt; Subject: Users<br>&gt; From: b@desk.example<br>&gt; <br>&gt; click Users.",
}


@pytest.mark.parametrize("quote", REPLIES.values(), ids=REPLIES)
def test_the_quote_is_cut(quote: str) -> None:
    result = trimmed(f"<html><body>{ASKED}{quote}</body></html>")
    assert result.text == QUESTION
    assert "click Users." in result.quoted


def test_answers_between_quotes_are_kept() -> None:
    quote = "<blockquote type=cite>{}</blockquote>"
    html = f"<div>{WROTE}</div>{quote.format('Which product?')}<p>Visio Plan 2</p>{quote.format('Bye')}"
    assert trimmed(html).text == "Visio Plan 2"


def test_an_indented_block_is_no_quote() -> None:
    indented = "<blockquote style='margin:0 0 0 40px;border:none'>12 Main Street<br>Springfield</blockquote>"
    assert trimmed(f"<p>Our new address:</p>{indented}").text == "Our new address:\n\n12 Main Street\nSpringfield"


# --- signatures ------------------------------------------------------------------------------------------------------

SIGNATURES = {
    "Gmail": "<div class=gmail_signature data-smartmail=gmail_signature>Jane Doe<br>Contoso Ltd</div>",
    "Gmail with dashes": "-- <br><div dir=ltr class=gmail_signature>Jane Doe<br>Contoso Ltd</div>",
    "Outlook on the web": "<div id=Signature><p>Jane Doe</p><p>Contoso Ltd</p></div>",
    "Outlook for phones": "<div id=ms-outlook-mobile-signature>Get <a href=x>Outlook for iOS</a><br>Contoso Ltd</div>",
    "Thunderbird": "<div class=moz-signature>-- <br>Jane Doe, Contoso Ltd</div>",
    "Apple Mail": "<div id=AppleMailSignature>Jane Doe<br>Contoso Ltd</div>",
    "Word": (
        "<p class=MsoNormal>Best regards,</p><p class=MsoNormal>&nbsp;</p>"
        "<p class=MsoNormal>Jane Doe</p><p class=MsoNormal>Contoso Ltd</p>"
    ),
    "a table": "<p>Kind regards</p><table><tr><td><img></td><td>Jane Doe<br>CFO</td><td>Contoso Ltd</td></tr></table>",
}


@pytest.mark.parametrize("signature", SIGNATURES.values(), ids=SIGNATURES)
def test_the_signature_is_cut(signature: str) -> None:
    result = trimmed(f"<div>Hello,</div><div><br></div>{ASKED}<div><br></div>{signature}")
    assert result.text == f"Hello,\n\n{QUESTION}"
    assert "Contoso Ltd" in result.signature


def test_words_written_inside_the_signature_element_stay_in_the_text() -> None:
    assert QUESTION in trimmed(f"<div>Hi</div><div id=Signature>{ASKED}<div>Jane Doe</div></div>").text


# --- forwards --------------------------------------------------------------------------------------------------------

PROBLEM = "I cannot join meetings since Monday. What can I do?"


def test_a_forward_by_gmail_is_the_question() -> None:
    header = "From: Carl &lt;carl@contoso.example&gt;<br>Date: Mon, 3 Mar 2025 at 10:15<br>Subject: Teams<br>To: Jane"
    attribution = f"<div class=gmail_attr>---------- Forwarded message ---------<br>{header}<br></div>"
    result = trimmed(f"<div>Please help.</div><div class=gmail_quote>{attribution}<br><div>{PROBLEM}</div></div>")
    assert result.forwarded
    assert result.text.startswith("Please help.")
    assert result.text.endswith(PROBLEM)


def test_a_forward_that_apple_mail_quotes_is_the_question() -> None:
    header = "<div><b>From: </b>Carl &lt;carl@contoso.example&gt;</div><div><b>Subject: </b>Teams</div>"
    quote = f"<blockquote type=cite>{header}<br><div>{PROBLEM}</div></blockquote>"
    result = trimmed(f"<div>Begin forwarded message:</div><br>{quote}")
    assert (result.text, result.forwarded) == (PROBLEM, True)


# --- HTML or plain text ----------------------------------------------------------------------------------------------


def test_plain_text_counts_where_the_html_shows_no_quotes() -> None:
    plain = f"{QUESTION}\n\n> Dear Ann,\n> open the admin center and click Users.\n"
    assert trimmed(f"{ASKED}<p>Dear Ann, open the admin center and click Users.</p>", plain).text == QUESTION


def test_html_counts_where_the_plain_text_shows_no_quotes() -> None:
    plain = f"{QUESTION}\n\n{SKRIFADI}\n\nDear Ann,\n\nclick Users."
    assert trimmed(f"{ASKED}{REPLIES['Gmail, unknown language']}", plain).text == QUESTION


def test_html_counts_where_the_plain_text_is_a_stub() -> None:
    assert trimmed(ASKED, "Your program cannot show HTML.").text == QUESTION


def test_html_counts_where_the_plain_text_is_wrapped() -> None:
    assert trimmed(ASKED, QUESTION.replace("add ", "add\n")).text == QUESTION


def test_plain_text_counts_where_the_two_say_different_things() -> None:
    assert trimmed("<p>Buy our cheap watches now</p>", QUESTION).text == QUESTION
