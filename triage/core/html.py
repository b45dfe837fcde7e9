"""HTML to the plain text that a person sees, with what the markup says about each line.

Mail programs mark what they quote and sign: Gmail with classes, Outlook with ids, Thunderbird with ``type="cite"``.
Those marks are kept line by line, so that ``trim`` applies the same rules to HTML as to plain text.

Why a walk over lexbor's tree and not inscriptis: measured, inscriptis goes through lxml, which loses text that is
nested deeper than 256 elements, and it lays tables out in columns: 110 KB of HTML became 250 MB of text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from itertools import islice

from selectolax.lexbor import LexborHTMLParser, LexborNode

# lexbor needs quadratic time for blocks within blocks and for attributes (measured: 65 s for 200,000 nested <div>, 5 s
# for a tag with 60,000 attributes). What people write stays far below these limits.
LONGEST = 4_000_000  # characters that are looked at
MOST_MARKUP = 500_000  # characters that are parsed, without style sheets and pictures
MOST_NODES = 50_000  # elements and texts that are read
MOST_ATTRIBUTES = 300  # of an element; one with more loses them all
DEEPEST = 1_000  # blocks within each other; what lies deeper is not read


Attributes = dict[str, str | None]  # as lexbor gives them


class Mark(StrEnum):
    """What the markup says about a line."""

    NONE = ""
    QUOTED = "quoted"  # belongs to the quote of an earlier email
    SIGNATURE = "signature"  # stands in an element that holds the sender's signature
    EARLIER = "earlier"  # an earlier email begins here, with its header lines


@dataclass(frozen=True, slots=True)
class Line:
    """One line as a person sees it."""

    text: str
    mark: Mark = Mark.NONE
    depth: int = 0  # how many quoting elements it stands in

    @property
    def plain(self) -> str:
        """As a program without HTML would show it."""
        return "> " * self.depth + self.text


def html_to_text(html: str) -> str:
    """The whole text of an HTML body; quoted lines begin with ``> ``. Empty where there is none; never raises."""
    return "\n".join(line.plain for line in html_to_lines(html)).strip("\n")


def html_to_lines(html: str) -> list[Line]:
    """The text of an HTML body line by line, with the marks of the mail program that wrote it; never raises."""
    root = LexborHTMLParser(_bounded(html)).root
    page = _Page()
    for node, entering in islice(_walk(root), 2 * MOST_NODES) if root else ():
        if entering:
            page.enter(node)
        else:
            page.leave(node)
    page.end_line()
    return page.lines


# --- what is read ----------------------------------------------------------------------------------------------------

_COMMENT = re.compile(r"<!--"), re.compile(r"-->")
_STYLE = re.compile(r"<(?:style|script)\b", re.IGNORECASE), re.compile(r"</(?:style|script)\s*>", re.IGNORECASE)
_PICTURE = re.compile(r"data:[\w/+.;=-]{0,80}base64,[\w+/=%\r\n]*+", re.IGNORECASE)
_TOO_MANY_ATTRIBUTES = re.compile(  # possessive throughout: it never tries twice
    r"""<[a-z][^\s/>]*+(?:[\s/]*+[^\s/>=]++(?:\s*+=\s*+(?:"[^"]*+"|'[^']*+'|[^\s"'>]++))?+)"""
    rf"{{{MOST_ATTRIBUTES},}}+",
    re.IGNORECASE,
)
_NESTS = re.compile(r"<(/?)(?:div|blockquote|center|section|article|ul|ol|dl|pre|optgroup)\b", re.IGNORECASE)
_NEVER_SEEN = frozenset(
    ("head", "title", "style", "script", "template", "noscript", "svg", "object", "select", "textarea")
)
_HIDDEN = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all|opacity\s*:\s*0(?:\.0+)?\s*(?:;|!|$)"
    r"|max-height\s*:\s*0(?:px)?\s*(?:;|!|$)",
    re.IGNORECASE,
)


def _bounded(html: str) -> str:
    """The markup without what nobody sees, no longer and no deeper than it may be."""
    markup = html[:LONGEST].replace("\0", "")
    for opening, closing in (_COMMENT, _STYLE):
        markup = _without(markup, opening, closing)
    markup = _TOO_MANY_ATTRIBUTES.sub("<span ", _PICTURE.sub("", markup))[:MOST_MARKUP]
    depth = 0
    for tag in _NESTS.finditer(markup):
        depth = max(0, depth - 1) if tag[1] else depth + 1
        if depth > DEEPEST:
            return markup[: tag.start()]
    return markup


def _without(markup: str, opening: re.Pattern[str], closing: re.Pattern[str]) -> str:
    kept, position = [], 0
    while (start := opening.search(markup, position)) and (end := closing.search(markup, start.end())):
        kept.append(markup[position : start.start()])
        position = end.end()
    return "".join(kept) + markup[position:]


def _walk(root: LexborNode) -> Iterator[tuple[LexborNode, bool]]:
    """Every visible node twice, entering and leaving; without recursion, since depth is the sender's choice."""
    open_nodes = [root]
    node: LexborNode | None = root
    yield root, True
    node = root.child
    while open_nodes:
        if node is None:
            parent = open_nodes.pop()
            yield parent, False
            node = parent.next if open_nodes else None
        elif not _seen(node):
            node = node.next
        elif node.child is None:
            yield node, True
            yield node, False
            node = node.next
        else:
            yield node, True
            open_nodes.append(node)
            node = node.child


def _seen(node: LexborNode) -> bool:
    if not node.is_element_node:
        return node.is_text_node
    if node.tag in _NEVER_SEEN:
        return False
    attributes = node.attributes
    if not attributes:
        return True
    return "hidden" not in attributes and not _HIDDEN.search(attributes.get("style") or "")


# --- what the markup says --------------------------------------------------------------------------------------------

# Class or id, without the prefixes that mail programs add when they show an email again ("x_Signature").
_SIGNATURES = re.compile(
    r"(?:^|\s)(?:x_|m_-?\d+)*(?:gmail_signature\w*|signature|(?:apple-?mail-?)signature|moz-signature|"
    r"ms-outlook-mobile-signature|protonmail_signature_block\S*|yahoo-signature\w*|ydp\w*signature|"
    r"zimbra-signature|tutanota-signature|mailspring-signature)(?=\s|$)",
    re.IGNORECASE,
)
_ATTRIBUTIONS = re.compile(
    r"(?:^|\s)(?:x_|m_-?\d+)*(?:gmail_attr|moz-cite-prefix|email_quote_header)(?=\s|$)", re.IGNORECASE
)
_QUOTES = re.compile(
    r"(?:^|\s)(?:x_|m_-?\d+)*(?:gmail_quote|protonmail_quote|tutanota_quote|zmail_extra|yahoo_quoted)(?=\s|$)",
    re.IGNORECASE,
)
_EARLIER = re.compile(
    r"(?:^|\s)(?:x_|m_-?\d+)*(?:divrplyfwdmsg|appendonsend|outlookmessageheader|olk_src_body_section|"
    r"mail-editor-reference-message-container|reply-intro|replyintro|quotedmessage|ms-outlook-mobile-reference-message)(?=\s|$)",
    re.IGNORECASE,
)
# Word draws a line above the header lines of the email that it quotes.
_LINE_ABOVE = re.compile(r"border-top\s*:\s*(?:solid\s+#(?:e1e1e1|b5c4df)|#(?:e1e1e1|b5c4df)\s+1)", re.IGNORECASE)
_LINE_LEFT = re.compile(r"border-left\s*:(?!\s*(?:none|0|medium none))", re.IGNORECASE)


def _names_of(attributes: Attributes) -> str:
    return f"{attributes.get('class') or ''} {attributes.get('id') or ''}"


def _mark_of(tag: str | None, names: str) -> Mark:
    if tag == "signature" or _SIGNATURES.search(names):
        return Mark.SIGNATURE
    return Mark.QUOTED if _ATTRIBUTIONS.search(names) else Mark.NONE


def _quotes(tag: str | None, attributes: Attributes) -> bool:
    """Only blockquotes: the containers around them also hold the attribution, or the whole of a forward."""
    return tag == "blockquote" and bool(
        (attributes.get("type") or "").lower() == "cite"
        or "cite" in attributes
        or _QUOTES.search(_names_of(attributes))
        or _LINE_LEFT.search(attributes.get("style") or "")
    )


def _begins_earlier(attributes: Attributes) -> bool:
    return bool(_EARLIER.search(_names_of(attributes)) or _LINE_ABOVE.search(attributes.get("style") or ""))


# --- how it reads ----------------------------------------------------------------------------------------------------

_BLOCKS = frozenset(
    "address article aside blockquote body caption center dd div dl dt fieldset figure footer form h1 h2 h3 h4 h5 h6 "
    "header hr html li main nav ol p pre section signature table tbody tfoot thead tr ul".split()
)
_SPACED = frozenset("p h1 h2 h3 h4 h5 h6 hr ul ol dl pre blockquote".split())  # with a blank line above and below
# Outlook's paragraphs have none, and nor have those that say so themselves.
_UNSPACED = re.compile(r"margin(?:-top|-bottom)?\s*:\s*0|\bMso(?:Normal|PlainText|NoSpacing)\b", re.IGNORECASE)
_PRE = re.compile(r"white-space\s*:\s*(?:pre|break-spaces)", re.IGNORECASE)
_FONT_SIZE = re.compile(r"font-size\s*:\s*(\d*\.?\d*)", re.IGNORECASE)
_BLANKS = re.compile(r"[ \t\r\n\f]+")
_INVISIBLE = re.compile("[\u00ad\u034f\u061c\u200b-\u200f\u202a-\u202e\u2060\ufeff]")


@dataclass(frozen=True, slots=True)
class _Style:
    """What an element passes on to what it holds, and how it stands itself."""

    mark: Mark = Mark.NONE
    depth: int = 0
    pre: bool = False  # line ends count
    tiny: bool = False  # of font size 0
    spaced: bool = False  # the element itself: a blank line above and below
    numbered: bool = False  # the element itself: a list with 1. 2. 3.


@lru_cache(maxsize=1_000)
def _bare_style(tag: str | None, outer: _Style) -> _Style:
    """Of an element without attributes, as most are."""
    return _style_of(tag, {}, outer)


def _style_of(tag: str | None, attributes: Attributes, outer: _Style) -> _Style:
    css = attributes.get("style") or ""
    size = _FONT_SIZE.search(css)
    return _Style(
        mark=_mark_of(tag, _names_of(attributes)) or outer.mark,
        depth=outer.depth + _quotes(tag, attributes),
        pre=outer.pre or tag == "pre" or bool(_PRE.search(css)),
        tiny=not size[1].strip("0.") if size else outer.tiny,
        spaced=tag in _SPACED and not _UNSPACED.search(f"{css} {attributes.get('class') or ''}"),
        numbered=tag == "ol",
    )


@dataclass(slots=True)
class _Page:
    """Lines as they come to stand on the page."""

    lines: list[Line] = field(default_factory=list)
    styles: list[_Style] = field(default_factory=lambda: [_Style()])
    counts: list[int] = field(default_factory=list)  # items so far, for each open list
    written: list[str] = field(default_factory=list)  # pieces of the line that is being written
    gap: bool = False  # a blank line is due before the next text
    earlier: bool = False  # the next line begins an earlier email

    def enter(self, node: LexborNode) -> None:
        if node.is_text_node:
            self._write(node.text_content or "")
            return
        tag, attributes = node.tag, node.attributes
        if tag in _BLOCKS:
            self.end_line()
        outer = self.styles[-1]
        self.styles.append(_style_of(tag, attributes, outer) if attributes else _bare_style(tag, outer))
        self.gap = self.gap or self.styles[-1].spaced
        self.earlier = self.earlier or bool(attributes and _begins_earlier(attributes))
        self._begin(tag)

    def leave(self, node: LexborNode) -> None:
        if node.is_text_node:
            return
        if node.tag in _BLOCKS:
            self.end_line()
        if node.tag in ("ul", "ol"):
            self.counts.pop()
        self.gap = self.styles.pop().spaced or self.gap

    def end_line(self, *, even_if_empty: bool = False) -> None:
        if self.written or even_if_empty:
            self._push("".join(self.written).replace("\xa0", " ").rstrip())
            self.written.clear()

    def _begin(self, tag: str | None) -> None:
        """What an element writes by itself."""
        if tag == "br":
            self.end_line(even_if_empty=True)
        elif tag in ("ul", "ol"):
            self.counts.append(0)
        elif tag == "li" and self.counts:
            self.counts[-1] += 1
            self.written.append(f"{self.counts[-1]}. " if self.styles[-2].numbered else "* ")
        elif tag in ("td", "th") and self.written:
            self.written.append("  ")

    def _write(self, text: str) -> None:
        style, text = self.styles[-1], _INVISIBLE.sub("", text)
        if style.tiny:
            return
        if not style.pre:
            text = _BLANKS.sub(" ", text)
            at_blank = not self.written or self.written[-1].endswith(" ")
            self._append(text.lstrip(" ") if at_blank else text)
            return
        *whole, rest = text.replace("\r\n", "\n").split("\n")
        for line in whole:
            self._append(line)
            self.end_line(even_if_empty=True)
        self._append(rest)

    def _append(self, text: str) -> None:
        if text:
            self.written.append(text)

    def _push(self, text: str) -> None:
        style = self.styles[-1]
        if text:
            if self.gap and self.lines and self.lines[-1].text:
                self.lines.append(Line("", depth=min(style.depth, self.lines[-1].depth)))
            self.lines.append(Line(text, Mark.EARLIER if self.earlier else style.mark, style.depth))
            self.gap = self.earlier = False
        else:
            self.lines.append(Line("", style.mark, style.depth))
