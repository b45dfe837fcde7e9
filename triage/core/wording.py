"""How machines word what they write, in the languages of our customers.

A wording alone proves little: people quote machines and ask about them. So every test here wants signs that agree, a
subject and a sentence, or a sentence where only a machine puts one: in what the sender wrote, before anything quoted.
"""

import re

from triage.core.cards import contains_any

_OPENING = 1_500  # characters
_FOOT = 800  # characters
_FIRST_LINES = 250  # characters
_THREAD = 20_000  # characters in which a sign of an earlier email is looked for


def _any(*forms: str) -> re.Pattern[str]:
    return re.compile("|".join(forms), re.IGNORECASE)


def _subject(*forms: str) -> re.Pattern[str]:
    """Forms that a subject begins with, a tag in brackets aside."""
    return re.compile(rf"\s*+(?:\[[^\]]{{1,40}}\]\s*+)?(?:{'|'.join(forms)})", re.IGNORECASE)


# --- what the sender wrote --------------------------------------------------------------------------------------------

_EARLIER = re.compile(
    r"^[ \t]*+(?:>"
    r"|[-_=*]{3,}+.{0,60}(?:original|forward|weitergeleitet|transf|reenviad|inoltrat|mensaje|message|nachricht)"
    r"|begin forwarded message|anfang der weitergeleiteten"
    r"|(?:from|von|de|da|van|från|fra|od|差出人|发件人)[ \t]?[:\uff1a][ \t]?\S"
    r"|(?:on|am|le|el|il|em|op|den|dnia)\b.{6,120}"
    r"(?:wrote|schrieb|a écrit|escribió|ha scritto|escreveu|schreef|skrev|napisał\w*)\s?:?\s*$)",
    re.IGNORECASE | re.MULTILINE,
)
_ANSWERED_OR_FORWARDED = re.compile(
    r"\s*(?:re|aw|sv|vs|antw|rif|res|odp|fwd?|wg|tr|rv|enc|doorst|vb|vl|pd|回复|转发|返信|転送)\s*(?:\[\d+\])?\s*[:\uff1a]",
    re.IGNORECASE,
)


def opening(text: str) -> str:
    """What the sender wrote, up to the first sign of an earlier email; "" where the email begins with one."""
    head = text[:_OPENING]
    earlier = _EARLIER.search(head)
    return _straight(head[: earlier.start()] if earlier else head).strip()


def _straight(text: str) -> str:
    """Word and phones write the apostrophe as a quotation mark."""
    return text.replace("’", "'")


def _foot(text: str) -> str:
    """The last lines, unless they belong to an earlier email."""
    return "" if len(text) <= _OPENING or _EARLIER.search(text[:_THREAD]) else text[-_FOOT:]


def is_answered_or_forwarded(subject: str) -> bool:
    """``Re:`` or ``Fwd:`` in front: somebody sends on what may have been a machine's mail."""
    return bool(_ANSWERED_OR_FORWARDED.match(subject))


_ASKS = _any(
    r"\b(?:how (?:do|can|to|should|could)|why|(?:can|could|would|will) (?:you|someone|anyone|we|i))\b[^.!]{0,200}\?",
    r"\bhow (?:do|can|to|should|could) (?:i|we)\b",
    r"\b(?:i|we) (?:need|want|would like|am trying|are trying|cannot|can't)\b",
    r"\b(?:is not|isn't|not|does not|doesn't) work(?:ing)?\b",
    r"\bplease (?:set|help|advise|add|remove|enable|disable|configure|create|activate|turn|change|update|cancel|let me"
    r"|let us|tell|explain|check|fix|confirm|provide|assist|look)",
    r"\b(?:wie|warum|wo|können sie|könnten sie|kannst du)\b[^.!]{0,200}\?",
    r"\bbitte (?:ändern|helfen|prüfen|aktivieren|deaktivieren|teilen|richten sie .{0,60} ein|schalten|stellen sie)",
    r"\b(?:comment|pourquoi|pouvez-vous|pourriez-vous)\b[^.!]{0,200}\?|\bmerci de (?:m'|nous |bien vouloir|me )",
    r"\b(?:cómo|por qué|pueden?|podrían?)\b[^.!]{0,200}\?|\bpor favor,? (?:ayud|activ|desactiv|cambi|indiqu|confirm)",
    r"\b(?:come|perché|potete|potreste)\b[^.!]{0,200}\?|\b(?:como|podem|poderiam)\b[^.!]{0,200}\?",
    r"\b(?:hoe|waarom|kunt u|kunnen jullie)\b[^.!]{0,200}\?|\b(?:hur|hvordan|kan ni|kan i|kan dere)\b[^.!]{0,200}\?",
    r"\b(?:jak|czy|dlaczego)\b[^.!]{0,200}\?|でしょうか|教えて|吗[?\uff1f]|请问|어떻게",
)


_FIRST_PERSON = re.compile(
    r"\bI(?:'m|'ve|'d|'ll)?\b|\b(?:[Mm]y|[Ii]ch|[Mm]ein\w*|[Mm]on|[Mm]es|[Yy]o|[Mm]i[os]?|[Mm]eu|[Ii]k|[Mm]ijn)\b"
    r"|\b[Jj](?:e |'ai|')|\b(?:[Jj]ag|[Jj]eg|[Pp]roszę)\b|私|我"
)


def asks(text: str) -> bool:
    """Whether the opening asks for something, as people do and notices do not."""
    return bool(_ASKS.search(opening(text)))


def asks_in_person(text: str) -> bool:
    """Whether the opening asks for something and says "I": newsletters ask, too, but as "we"."""
    words = opening(text)
    return bool(_FIRST_PERSON.search(words) and _ASKS.search(words))


def sounds_like_a_person(text: str) -> bool:
    """Whether the opening asks for something or says "I"."""
    words = opening(text)
    return bool(_ASKS.search(words) or _FIRST_PERSON.search(words))


# --- absent people ----------------------------------------------------------------------------------------------------

# In front of the subject that is answered ("Automatic reply: your invoice"), or alone.
_ABSENCE_SUBJECT = _subject(
    r"auto(?:matic|mated|matisch)?[ -]?(?:reply|response|responder|antwort|respuesta)\b|auto(?:matic)?(?=\s*:)",
    r"(?:annual|parental|maternity|paternity|sick|medical|summer|winter) (?:leave|break|holidays?|shutdown)\b",
    r"out[ -]of[ -](?:the[ -])?office\b(?: auto(?:matic)?[ -]?reply| reply| notification| message| notice)?",
    r"(?:ooo|o\.o\.o\.)(?!\w)|(?:i am |i'm |currently )?(?:away|on (?:leave|vacation|holiday|pto))\b",
    r"(?:vacation|holiday|leave|absence|away) (?:auto[ -]?)?(?:reply|response|notice|notification|message)",
    r"automatische (?:antwort|rückmeldung|nachricht)|abwesen(?:heit|d)\w*|außer haus|nicht im (?:haus|büro)|im urlaub",
    r"réponse automatique|(?:message|notification) d'absence|absen(?:ce|te?)\b(?: du bureau)?|hors du bureau",
    r"en congés?\b",
    r"respuesta automática|fuera de (?:la )?oficina|ausen(?:te|cia)\b|de vacaciones",
    r"risposta automatica|fuori (?:ufficio|sede)|assen(?:te|za)\b|in ferie",
    r"resposta automática|fora do escritório|ausência|de férias",
    r"automatisch(?:e)? (?:antwoord|beantwoording|bericht)|afwezig\w*|buiten kantoor|niet (?:aanwezig|op kantoor)",
    r"auto(?:matiskt? )?svar|frånvar\w*|fravær\w*|ikke (?:til stede|på kontoret)|inte på kontoret|på semester",
    r"automaattinen vastaus|poissa(?:olo)?\b|lomalla",
    r"automatyczna odpowiedź|odpowiedź automatyczna|autoodpowiedź|nieobecn\w*|poza biurem|na urlopie",
    r"自動(?:返信|応答)|不在|休暇|自动(?:回复|答复)|自動回覆|不在办公室|자동 ?(?:회신|응답)|부재중",
    r"автоответ|автоматический ответ|вне офиса|в отпуске",
    r"automatická odpověď|automatikus válasz|otomatik yanıt",
)
# The same words where mail programs write them in languages that the sentences below do not cover: nobody who writes to
# us puts them there by hand.
_FOREIGN_ABSENCE_SUBJECT = _subject(
    r"(?:αυτόματη απάντηση|balasan otomatis|balas automatik|otomatik yanıt|automatikus válasz)\s*:",
    r"(?:automatická odpov[ěe]ď|samodejni odgovor|automatski odgovor|răspuns automat|trả lời tự động)\s*:",
    r"(?:automaatvastus|automātiskā atbilde|automatinis atsakymas|resposta automàtica|erantzun automatikoa)\s*:",
    r"(?:автоматичен отговор|автоматична відповідь|автовідповідь|автоматический ответ)\s*:",
    r"(?:رد تلقائي|תשובה אוטומטית|स्वचालित उत्तर|ตอบกลับอัตโนมัติ|자동 ?(?:회신|응답))\s*:",
)
_IN_FRONT = re.compile(
    r"\s*(?:$|[^\n:\uff1a?]{0,60}[:\uff1a]|(?:until|till|from|bis|ab|jusqu|hasta|fino|até|tot|til|do)\b|\d)"
)
# Somebody says of himself that he is away, or of a colleague that she has left.
_AWAY = _any(
    r"\b(?:i am|i'm|i will be|i'll be|we are|we're|currently|am) (?:\w+ ){0,3}(?:be )?"
    r"(?:out (?:of|from) (?:the |my )?(?:office|town)|out (?:for|until|till|on|from|this|next)\b|away|ooo"
    r"|[oi]n (?:\w+ ){0,2}(?:leave|vacation|holidays?|pto|sabbatical|trip)"
    r"|travel(?:l)?ing|unavailable|not (?:in the office|available|working|reading))",
    r"\bno longer (?:with|at|work|employed|part of)|\b(?:has|i have|i've) left (?:the company|us|our|as of)",
    r"\bnot (?:be )?(?:reading|checking|answering) (?:my )?(?:e-?mails?|mails?|messages)",
    r"\b(?:ich bin|bin ich|wir sind|derzeit|bis zum)\b[^.!?]{0,80}"
    r"(?:nicht (?:im|erreichbar|anwesend|da\b)|außer haus|urlaub|abwesend|elternzeit|unterwegs)",
    r"\b(?:je suis|je serai|actuellement|nous sommes)\b[^.!?]{0,80}"
    r"(?:absent|congé|vacances|déplacement|hors du bureau)",
    r"\b(?:estoy|estaré|me encuentro|me encontraré|estamos)\b[^.!?]{0,80}(?:fuera|vacaciones|ausente|de baja|viaje)",
    r"\b(?:sono|sarò|siamo)\b[^.!?]{0,60}(?:fuori|assent|ferie|vacanza)",
    r"\b(?:estou|estarei|encontro-me|estamos)\b[^.!?]{0,60}(?:fora|férias|ausente|licença)",
    r"\b(?:ik ben|ben ik|wij zijn)\b[^.!?]{0,80}(?:afwezig|niet (?:aanwezig|bereikbaar|op kantoor)|vakantie|verlof)",
    r"\b(?:jag är|är jag|jeg er|er jeg|vi är|vi er)\b[^.!?]{0,60}"
    r"(?:ledig|semester|inte på|ikke på|frånvarande|fraværende|ferie|bortrest|bortreist|bortrejst|barsel)",
    r"\bolen (?:lomalla|poissa)|\b(?:jestem|będę|przebywam)\b[^.!?]{0,60}(?:nieobecn|urlop|poza biurem)",
    r"不在|休暇|休業|出張中|外出中|お休みを|休假|出差|부재|휴가|в отпуске|отсутств|вне офиса",
)
_AWAY_ROOTS = (
    *("leave", "vacation", "holiday", "out ", " trip", "away", "not reading", "travel", "the office", "pto", "ooo"),
    *("sabbatical", "left ", "checking", "answering"),
    *("unavailable", "no longer", "has left", "urlaub", "abwesen", "außer haus", "elternzeit", "erreichbar", "büro"),
    *("unterwegs", "congé", "vacances", "absent", "bureau", "déplacement", "vacaciones", "oficina", "ausente", "fuera"),
    *("ferie", "fuori", "assent", "férias", "fora", "licença", "afwezig", "vakantie", "verlof", "kantoor", "semester"),
    *("frånvar", "fravær", "kontor", "ledig", "bortre", "barsel", "lomalla", "poissa", "urlop", "biur", "nieobecn"),
    *("不在", "休", "出", "부재", "휴가", "отпуск", "офис", "отсутств"),
)
# What people add to it: when they are back, who helps until then, and thanks for the email.
_COURTESY = _any(
    r"\b(?:limited|no|intermittent|infrequent|little|sporadic|restricted|without) access to (?:my |the )?"
    r"(?:e-?mails?|messages|mailbox)",
    r"\b(?:i|we)(?: will|'ll| shall) (?:be back|return|be returning|respond|reply|get back)",
    r"\b(?:annual|parental|maternity|paternity|sick) leave\b|\burgent\s*:|\bno longer looked after\b",
    r"\b(?:will|shall) (?:return|be back|answer)|\breturn(?:ing)? (?:to (?:the )?(?:office|work) )?on\b",
    r"\bback (?:in the office|at my desk|at work|on|from|by)\b|\bafter my return\b|\bin my absence\b",
    r"\b(?:is|are|will be) closed\b|\b(?:all|this|next) week\b|\buntil (?:\w+ )?\d|\bthanks you for your\b",
    r"\bhas not been forwarded\b|\b(?:mailbox|address) answers automatically\b",
    r"\b(?:urgent|immediate)\b.{0,60}\b(?:contact|call|reach)\b",
    r"\bzugriff auf (?:meine |die )?(?:e-?mails?|mails|nachrichten)|\bnicht (?:automatisch )?weitergeleitet",
    r"\bwieder (?:erreichbar|im (?:büro|haus)|für sie da|zurück)|\bin dringenden",
    r"\bde retour le|\ben cas d'urgence|\baccès (?:limité|restreint) à",
    r"\bacceso limitado|\ben caso de urgencia|\b(?:volveré|regreso|regresaré|atenderé)",
    r"\b(?:rientrerò|rientro|di ritorno)\b|\bper (?:urgenze|questioni urgenti)",
    r"\baccesso limitato|\bacesso limitado|\b(?:retorno|regresso|voltarei|retornarei)\b|\bem caso de urgência",
    r"\bweer (?:aanwezig|bereikbaar|terug)|\b(?:voor|in) dringende|\bpalaan\b|\bwracam|\bw pilnych sprawach",
    r"\b(?:åter|tillbaka|tilbage|tilbake) (?:den|på|igen|igjen)|\bvid brådskande|\bhastesager|\bved hast",
    r"戻り次第|ご連絡(?:いた|致|差し)|회신드리|вернусь|回来后",
)
_THANKS = _any(
    r"\bthank(?:s| you) for (?:(?:your|the) (?:e-?mail|message|mail|enquiry|inquiry)|contacting|writing|getting in)",
    r"\b(?:vielen dank|danke) für (?:ihre|deine) (?:e-?mail|nachricht|anfrage)",
    r"\bmerci (?:de|pour) votre (?:e-?mail|message|mail)",
    r"\bgracias por (?:su|tu) (?:mensaje|correo)",
    r"\bgrazie per (?:la (?:sua|tua) |il (?:suo|tuo) )?(?:e-?mail|messaggio)",
    r"\bobrigad[oa] (?:por|pel[ao]) (?:su|seu|tua|teu|sua)|\b(?:bedankt|dank) voor (?:uw|je) (?:e-?mail|bericht)",
    r"\btack för (?:ditt|ert)|\btak for (?:din|deres)|\btakk for (?:din|e-?posten|henvendelsen)|\bkiitos viestistä",
    r"\bdziękuję za|メールを?(?:いただき|ありがとう)|感谢您的(?:来信|邮件)|спасибо за (?:ваше|письмо)",
)
# "Please" that belongs to a notice; any other asks us for something.
_WANTS = re.compile(
    r"\bplease (?!note|be (?:aware|advised|assured)|allow|expect|contact|call|ring|phone|dial|reach|e-?mail|mail|write"
    r"|direct|get in touch|speak|ask for|refer|see|visit|use|resend|send (?:it|your|an|any|all)|forward|accept|do not)"
)
_NOTICE_LENGTH = 1_000  # characters; who writes more than that has something to say


def absence(subject: str, text: str) -> str:
    """Gives "both" where two signs say that somebody is away, "subject" where only that does, else "".

    Old vacation programs answer under "Re:"; then they have to thank for the email, too, and ask for nothing.
    """
    match = _ABSENCE_SUBJECT.match(_straight(subject))
    in_front = bool(match and _IN_FRONT.match(subject, match.end())) and not is_answered_or_forwarded(subject)
    foreign = bool(_FOREIGN_ABSENCE_SUBJECT.match(subject))
    words = opening(text)
    away = contains_any(_AWAY_ROOTS, words) and bool(_AWAY.search(words))
    thanks = (in_front or away) and bool(_THANKS.search(words))
    if in_front:
        signs = away or thanks or bool(_COURTESY.search(words)) or says_automatic(text)
    else:
        signs = away and thanks and len(words) < _NOTICE_LENGTH and not _WANTS.search(words.lower())
    if (signs or foreign) and not _ASKS.search(words):
        return "both"
    before_another = match is not None and ":" in subject[match.end() :]
    return "subject" if (in_front and before_another) or foreign else ""


# --- machines that say that they are one ------------------------------------------------------------------------------

# One of these is in every form below: looking for them first is 30 times faster than looking for the forms.
_AUTOMATIC_ROOTS = (
    *("automat", "automát", "auto-", "auto gen", "auto rep", "autogen", "autorep", "generat", "généré", "gerad"),
    *("computer-", "system-", "system ", "systeem", "自動", "自动", "자동", "автомат"),
)
_NO_REPLY_ROOTS = (
    *("reply to", "reply dir", "reply by", "replies to", "respond to", "respond dir", "answer to", "monitored"),
    *("unattended", "not attended", "not read", "nicht auf diese", "nicht direkt auf", "répondre à ce", "responda"),
    *("conteste", "responder", "rispondere a quest", "beantwoorden op", "antwoorden op", "reageren op", "inte på det"),
    *("ikke på det", "nie odpowiadać", "返信", "専用", "回复", "전용", "не отвечайте"),
)
_AUTOMATIC = _any(
    r"(?:^|[.!>*\n(\[~-])\s*+(?:please note(?: that)?:? )?this (?:is an?|(?:e-?mail|message|notification|mail|reply) "
    r"(?:is|was|has been))(?: an?)?(?: \w+)? ?(?:auto[- ]?(?:matic(?:ally)?|mated|generated|reply|response)"
    r"|(?:computer|system|machine)[- ](?:generated|notification))",
    r"\bdiese? (?:e-?mail|nachricht|mail)\b[^.!?]{0,40}"
    r"automatisch (?:erstellt|erzeugt|generiert|versendet|verschickt|versandt)",
    r"\bautomatisch (?:erzeugte|generierte|erstellte) (?:e-?mail|nachricht)",
    r"\bceci est un (?:message|courriel|e-?mail|mail) (?:automatique|généré)",
    r"\bmessage (?:est|a été) (?:envoyé|généré) automatiquement",
    r"\b(?:este|éste) (?:es un |mensaje |correo )[^.!?]{0,40}automátic|\bquest[oa]\b[^.!?]{0,40}(?:automatic|generat)",
    r"\best[ea]\b[^.!?]{0,30}(?:e-?mail|mensagem)[^.!?]{0,30}(?:automátic|gerad)",
    r"\bdit (?:is een|bericht|e-?mailbericht)[^.!?]{0,30}automatisch",
    r"\bdet(?:ta|te) (?:är|er) (?:ett?|en) (?:auto|system)",
    r"\btämä on automaattinen|\bwiadomość[^.!?]{0,40}automatycznie",
    r"自動(?:送信|返信|配信|応答)|系统自动|자동(?:으로)? 발송",
    r"автоматическ(?:ое|и) (?:сообщение|сгенерирован|отправлен)",
)
_NO_REPLY = _any(
    r"(?:^|[.!>*\n(\[~-])\s*+(?:please,? )?(?:do not|don't|dont) (?:reply|respond|answer) (?:directly )?"
    r"(?:to|by) (?:this|the (?:sender|address)|return)",
    r"\breplies to this (?:e-?mail|message|address|mailbox) (?:are|will|is) not\b",
    r"\bthis (?:mailbox|address|inbox|e-?mail address) is (?:not (?:monitored|attended|read)|unmonitored|unattended)",
    r"\bbitte (?:antworten sie )?nicht (?:auf diese|direkt auf)|\bne pas (?:y )?répondre à ce",
    r"\bno (?:responda|conteste|responder)(?: a)? este|\bnon rispondere a quest",
    r"\bnão (?:responda|responder) (?:a )?est",
    r"\bniet (?:te )?(?:beantwoorden|antwoorden|reageren) op dit|\b(?:svara|svar) (?:inte|ikke) på det",
    r"\b(?:prosimy|proszę) nie odpowiadać",
    r"返信(?:できません|しないで|不可|いただいても)|配信専用|送信専用|请勿(?:直接)?回复",
    r"발신 ?전용|не отвечайте на это",
)


def says_automatic(text: str) -> bool:
    """Whether the opening or the last lines say that a machine wrote this."""
    return _says(text, _AUTOMATIC, _AUTOMATIC_ROOTS)


def says_no_reply(text: str) -> bool:
    """Whether the opening or the last lines say that nobody reads an answer."""
    return _says(text, _NO_REPLY, _NO_REPLY_ROOTS)


def _says(text: str, form: re.Pattern[str], roots: tuple[str, ...]) -> bool:
    return any(contains_any(roots, part) and form.search(part) for part in (opening(text), _foot(text)))


# --- undeliverable mail -----------------------------------------------------------------------------------------------

_FAILURE_SUBJECT = _subject(
    r"undeliver(?:able|ed)\b|un(?:able|successful) (?:to )?deliver|non-?deliver(?:y|able)",
    r"delivery (?:status )?(?:notification|failure|failed|error|report|delayed|problem|warning|has failed)",
    r"failure (?:notice|delivery)",
    r"(?:mail|message|e-?mail) (?:delivery|system|status|error|returned|rejected|undeliverable)",
    r"(?:mail|message|e-?mail) (?:not|could not be) delivered",
    r"(?:mail|e-?mail) failure|failed mail|returned (?:mail|e-?mail|message|to sender)",
    r"warning: (?:could not send|message)",
    r"delayed(?: mail)?:|nd[nr]:|(?:bounced?|rejected)(?: mail| message)?:|(?:e-?mail|message) bounced",
    r"unzustellbar|nicht zugestellt|zustellung fehlgeschlagen|fehlgeschlagene zustellung|zurückgewiesene",
    r"non remis|échec de (?:la )?(?:remise|distribution)|remise (?:différée|retardée)",
    r"message non (?:délivré|distribué)",
    r"no se (?:pudo|puede) entregar|no entregado|fallo (?:en|de) la entrega",
    r"mancato recapito|recapito non riuscito|impossibile recapitare|não (?:entregue|é possível entregar)",
    r"falha na entrega",
    r"niet (?:bezorgd|besteld)|onbestelbaar|(?:gick|går) inte att leverera|kan ikke leveres|uleverbar",
    r"ei voitu toimittaa",
    r"nie (?:można dostarczyć|dostarczono)",
    r"配信(?:不能|できません|失敗|不可)|送信(?:エラー|失敗)|退信|无法(?:送达|投递)|未传递",
    r"недоставленн|не удалось доставить",
)
_FAILURE = _any(
    r"\b(?:could|can|was|were|has|have)(?: ?not|n't) (?:be |been )?deliver",
    r"\b(?:unable|failed|failure) (?:to|in) (?:deliver|sending)",
    r"\bundeliver(?:able|ed)\b|\bdelivery (?:to|has|of|failed) ?.{0,120}(?:failed|attempts|postponed|delayed)",
    r"\bdid not reach the following|\bpermanent (?:fatal )?error",
    r"\b(?:over|exceeded) (?:its |the |their )?(?:disk )?(?:quota|storage)",
    r"\b(?:user|recipient|mailbox|address|host|domain)(?: name)? "
    r"(?:unknown|not found|does(?: not|n't) exist|unavailable|rejected|is full|disabled)",
    r"\b(?:unknown|invalid|no such|bad|nonexistent)(?: \w+){0,2} "
    r"(?:user|userid|recipient|mailbox|address|account|person|host)",
    r"\b[45]\d\d[ -][45]\.\d{1,3}\.\d{1,3}\b|\b(?:smtp|remote server|mail server|host)\b.{0,80}\b[45]\d\d\b",
    r"\baction: (?:failed|delayed)|\bfinal-recipient:|\bdiagnostic-code:|\breporting-mta:|\brcpt to:",
    r"\b(?:this|the following) (?:is a )?(?:report|message|address(?:es)?|recipient).{0,100}"
    r"\b(?:created automatically|had (?:permanent|delivery|problems|errors)|failed|relay|mail delivery software)",
    r"\bmessage (?:was|has been) (?:returned|rejected|bounced|refused|delayed)",
    r"\bthe original message (?:was received|follows)",
    r"\b(?:your|the) (?:message|mail|e-?mail).{0,120}\b(?:not|failed|undelivered|rejected|returned|blocked)\b",
    r"nicht zugestellt|unzustellbar|zustellung.{0,60}(?:fehlgeschlagen|nicht)",
    r"n'a pas (?:pu être|été) (?:remis|délivré|distribué)|échec de (?:la )?remise",
    r"no (?:se pudo|ha podido|se ha podido) (?:ser )?entreg|impossibile recapitare|non (?:è stato|recapitat)",
    r"não (?:pôde|foi) (?:ser )?entregue|niet (?:worden )?(?:bezorgd|afgeleverd)|kunde inte levereras",
    r"kunne ikke leveres",
    r"nie (?:można|mogła|zosta).{0,40}dostarcz",
    r"配信(?:でき|不能|失敗)|送信(?:でき|エラー)|無法|无法|退回|存在しません|届けられません",
)
_MAIL_SYSTEM = _any(
    r"(?:mail(?:er)?|e-?mail|message)[ _.-]?"
    r"(?:daemon|delivery|system|router|gateway|admin\w*|server|transport|sub-?system|service)",
    r"post[ _.-]?master|delivery (?:sub)?system|system administrator|microsoft exchange|internet mail",
    r"(?<![a-z])(?:smtp|mta)(?![a-z])",
    r"mdaemon|bounce|anti-?virus",
)


def is_mail_system(author: str) -> bool:
    """Whether a name or the part of an address before the @ is that of a mail system."""
    return bool(_MAIL_SYSTEM.search(re.sub(r"@[^\s>]*", " ", author)))


def delivery_failure(subject: str, text: str, author: str) -> str:
    """Gives "both" where a mail system says so in subject or text, "subject" where only that does, else "".

    A person who writes about undeliverable mail is no mail system. ``author``: name and address.
    """
    named, system = bool(_FAILURE_SUBJECT.match(subject)), is_mail_system(author)
    if not (named or system):
        return ""
    sent_on = is_answered_or_forwarded(subject)
    words = opening(text)
    if sent_on:  # some mail systems write "Re: your subject", but they greet nobody
        says_so = _ENVELOPE.search(words) or (_FAILURE.search(words[:_FIRST_LINES]) and not _GREETING.match(words))
    else:
        says_so = named or _FAILURE.search(words)
    if system and says_so and not _ASKS.search(words[:_FIRST_LINES]):  # below them the email that came back may ask
        return "both"
    return "subject" if named and not sent_on else ""


_GREETING = _any(
    r"\W{0,3}(?:hi|hello|dear|good (?:morning|afternoon|day)|hallo|guten|liebe|sehr|bonjour|hola|buen|ciao|olá)\b"
)
_ENVELOPE = re.compile(r"^\s*mail from:.*\n\s*rcpt to:", re.IGNORECASE | re.MULTILINE)


# --- receipts ---------------------------------------------------------------------------------------------------------

_RECEIPT_SUBJECT = _subject(
    r"(?:read|return|delivery) receipt\b|disposition notification",
    r"(?:read|not read|displayed|delivered|deleted|relayed)\s*:",
    r"lesebestätigung|(?:gelesen|ungelesen|zugestellt|übermittelt|gelöscht)\s*:",
    r"accusé de (?:lecture|réception)|(?:lu|non lu|remis)\s*:",
    r"confirmación de (?:lectura|entrega)|(?:leído|no leído|entregado)\s*:|conferma di lettura",
    r"(?:letto|non letto|recapitato)\s*:",
    r"confirmação de leitura|(?:lid[ao]|não lid[ao]|entregue)\s*:|leesbevestiging|(?:gelezen|niet gelezen|bezorgd)\s*:",
    r"läskvitto|(?:läst|inte läst|oläst|læst|lest|ulest)\s*:|kvittering|potwierdzenie przeczytania",
    r"(?:nie )?przeczytan[oea]\s*:",
    r"開封(?:済み|確認|通知)|已读|未读|прочитано",
)
_RECEIPT = _any(
    r"\b(?:your|the) (?:message|e-?mail|mail)\b.{0,400}"
    r"\b(?:was|has been|is) (?:read|displayed|opened|deleted|delivered|received)\b",
    r"\bthis is an? (?:return|read|delivery) receipt|\bno guarantee that the (?:message|recipient)",
    r"\b(?:ihre|die) (?:nachricht|e-?mail)\b.{0,400}\b(?:gelesen|gelöscht|angezeigt|zugestellt|übermittelt)",
    r"\bvotre (?:message|courriel)\b.{0,400}\b(?:lu|affiché|supprimé|remis)\b",
    r"\b(?:su|el) mensaje\b.{0,400}\b(?:leído|eliminado|entregado)",
    r"\bil (?:tuo )?messaggio\b.{0,400}\b(?:letto|visualizzato|eliminato)",
    r"\bsua mensagem\b.{0,400}\b(?:lida|exibida|excluída)",
    r"\b(?:uw|het) bericht\b.{0,400}\b(?:gelezen|weergegeven|verwijderd)",
    r"\bmeddel\w*\b.{0,400}\b(?:lästes|läst|læst|lest)",
    r"\bwiadomość\b.{0,400}\bprzeczytan|開封|表示されました|已被?阅读",
)


def receipt(subject: str, text: str) -> bool:
    """Whether this says in subject and text that an email was read or delivered."""
    return bool(_RECEIPT_SUBJECT.match(subject) and _RECEIPT.search(" ".join(text[:_OPENING].split())))


# --- calendars without a calendar part --------------------------------------------------------------------------------

_MEETING_SUBJECT = _subject(
    r"(?:accepted|declined|tentative(?:ly accepted)?|new time proposed)\s*:",
    r"(?:zugesagt|abgelehnt|abgesagt|mit vorbehalt|unter vorbehalt|vorläufig zugesagt)\s*:",
    r"(?:accepté|refusé|provisoire|aceptad[ao]|rechazad[ao]|provisional|accettato|rifiutato|provvisorio)\s*:",
    r"(?:aceit[ao]|recusad[ao]|provisóri[ao]|geaccepteerd|geweigerd|voorlopig)\s*:",
    r"(?:accepterat|avböjt|accepteret|afvist|godtatt|avslått|hyväksytty|hylätty|zaakceptowano|odrzucono)\s*:",
    r"(?:承諾|辞退|仮承諾|已接受|已谢绝)\s*[:\uff1a]",
)
_MEETING = re.compile(
    r"\b(?:accepted|declined) (?:your|this|the) (?:invitation|meeting|event)"
    r"|^\s*(?:when|where|wann|wo|quand|cuándo|quando|wanneer|när|hvornår)\s*:",
    re.IGNORECASE | re.MULTILINE,
)


def meeting_answer(subject: str, text: str) -> bool:
    """Whether a calendar answers an invitation; a person's own words beside it are for a person."""
    if not _MEETING_SUBJECT.match(subject):
        return False
    words = opening(text)
    return not words or bool(_MEETING.search(words) and not _ASKS.search(words))


# --- reports of other kinds -------------------------------------------------------------------------------------------

_COMPLAINT_SUBJECT = _subject(r"complaint about message from\b|e-?mail feedback report\b|abuse report\b|spam report\b")
_REPORT = _any(
    r"\bthis is an? (?:[\w .-]{0,40})?(?:abuse|opt-out|spam|authentication failure|feedback|complaint) report",
    r"\babuse (?:report|complaint)",
)


def complaint(subject: str) -> bool:
    """Whether the subject is that of a feedback loop."""
    return bool(_COMPLAINT_SUBJECT.match(subject))


def reports(text: str) -> bool:
    """Whether a text is that of a report about an email."""
    words = opening(text)
    return bool(_REPORT.search(words) or _FAILURE.search(words) or _RECEIPT.search(" ".join(words.split())))


# --- help desks and newsletters ---------------------------------------------------------------------------------------

_ACKNOWLEDGEMENT_SUBJECT = _subject(
    r"(?:your |new |re: )?(?:support |service |help ?desk )?"
    r"(?:ticket|case|request|incident|inquiry|enquiry|message|e-?mail)\b"
    r".{0,80}\b(?:received|created|opened|logged|registered|acknowledge\w*|confirmation)\b",
    r"(?:we(?:'ve| have)? received|acknowledge?ment of|confirmation of receipt|thank you for contacting)\b",
    r"(?:ihre|deine) (?:anfrage|nachricht|e-?mail)\b.{0,60}(?:eingegangen|erhalten)|eingangsbestätigung",
    r"empfangsbestätigung",
    r"accusé de réception|confirmation de réception|acuse de recibo|conferma di ricezione|confirmação de recebimento",
    r"ontvangstbevestiging|mottagningsbekräftelse|potwierdzenie otrzymania|受付(?:完了|のお知らせ|確認)",
)
_ACKNOWLEDGEMENT = _any(
    r"\b(?:your|the|a|this) (?:\w+ )?(?:ticket|case|request|incident|inquiry|enquiry|message|e-?mail)\b.{0,80}"
    r"\b(?:has been|was|have been|is) (?:received|created|opened|logged|registered|assigned)",
    r"\bwe(?:'ve| have)? (?:successfully )?received your\b|\b(?:ticket|case|reference) (?:number|id|no)\b",
    r"\b(?:ihre|deine) (?:anfrage|nachricht|e-?mail)\b.{0,80}(?:eingegangen|erhalten)|\bnous avons bien reçu votre",
    r"\bhemos recibido su|\babbiamo ricevuto|\brecebemos (?:a )?su|\bwij hebben uw|\bvi har mottagit|\bvi har modtaget",
    r"\botrzymaliśmy|受け付けました|受付いたしました|已收到",
)
_PROMISE = _any(
    r"\b(?:will|shall) (?:\w+ )?(?:respond|reply|get back|be in touch|contact|review|process|handle|attend)",
    r"\bas soon as possible\b",
    r"\b(?:melden|bearbeiten|kümmern)\b|\bschnellstmöglich|\bdans les (?:plus brefs|meilleurs) délais",
    r"\ba la (?:mayor )?brevedad",
    r"\bal più presto|\bo mais (?:breve|rápido)|\bzo (?:spoedig|snel) mogelijk|\bså (?:snart|hurtigt)",
    r"\bjak najszybciej|ご連絡|尽快",
)


def acknowledgement(subject: str, text: str) -> bool:
    """Whether a help desk says in subject, text and promise that an email has arrived."""
    if not _ACKNOWLEDGEMENT_SUBJECT.match(subject):
        return False
    words = " ".join(opening(text).split())
    return bool(_ACKNOWLEDGEMENT.search(words) and _PROMISE.search(words)) and not _ASKS.search(words)


_UNSUBSCRIBE = _any(
    r"\bunsubscribe\b|\bopt[ -]out\b|\b(?:manage|update) (?:your )?(?:e-?mail )?(?:preferences|subscription)",
    r"\babmelden\b|\babbestellen\b|\bse désabonner|\bdésinscri|\bdarse de baja|\bcancelar (?:la )?suscripción",
    r"\bdisiscri",
    r"\bcancelar (?:a )?(?:inscrição|assinatura)|\buitschrijven|\bafmelden\b|\bavregistrera|\bavprenumerera",
    r"\bafmeld|\bavmeld",
    r"\b(?:take|remove) you (?:out of|off|from) (?:the|our) (?:mailing )?list|\bwypisz się|\brezygn",
    r"配信停止|退订|отписаться",
)
_BULK = _any(
    r"\b(?:view|read|see|open) (?:this (?:e-?mail|message|newsletter)|it|online)? ?"
    r"(?:in|with) (?:your|a|the) (?:web )?browser",
    r"\byou(?:'re| are)? (?:receiving|receive|get|got) this\b",
    r"\bbecause you (?:have )?(?:subscribed|signed up|opted in)",
    r"\bthis (?:e-?mail|message|newsletter) was sent to\b",
    r"\ball rights reserved\b|©|\(c\) 20\d\d",
    r"\bim browser\b|\bsie erhalten diese|\bvous recevez ce|\bdans (?:votre|un) navigateur|\ben (?:el|su|tu) navegador",
    r"\brecibe este|\bnel (?:tuo )?browser|\bno (?:seu )?navegador|\bu ontvangt deze",
    r"\bi (?:din )?(?:webbläsare|browser)",
)


_UNSUBSCRIBE_ROOTS = (
    *("unsubscribe", "opt", "preferences", "subscription", " list", "abmeld", "abbestell", "désabonner", "désinscri"),
    *("de baja", "suscripción", "disiscri", "inscrição", "assinatura", "uitschrijven", "afmeld", "avregistrera"),
    *("avprenumerera", "avmeld", "wypisz", "rezygn", "配信停止", "退订", "отписаться"),
)


def unsubscribes(text: str) -> bool:
    """Whether a text ends with a way to unsubscribe."""
    foot = text[-_FOOT:]
    return contains_any(_UNSUBSCRIBE_ROOTS, foot) and bool(_UNSUBSCRIBE.search(foot))


def newsletter(text: str) -> bool:
    """Whether a text ends with a way to unsubscribe and bears another mark of bulk mail."""
    return len(text) > 150 and unsubscribes(text) and bool(_BULK.search(f"{text[:500]}\n{text[-_FOOT:]}"))


# --- machines' addresses and subjects ---------------------------------------------------------------------------------

_SERVICE_NAMES = re.compile(
    r"(?:.*[._+-])?(?:notif(?:y|ications?|ier)|alerts?|auto(?:mated|mailer|reply|responder|confirm)|robot|cron|nagios"
    r"|zabbix|icinga|jenkins|jira|confluence|gitlab|bugzilla|newsletters?)(?:[._+-].*)?",
    re.IGNORECASE,
)
_SERVICE_SUBJECT = _subject(
    r"cron <|output from your job|\*\* (?:problem|recovery|acknowledgement)\b",
    r"(?:build|job|pipeline) (?:failed|succeeded|fixed|#?\d)",
    r"\(?[A-Z]{2,10}-\d{1,7}\)|bug \d+\]|\[(?:jira|bug \d+|jenkins|nagios|zabbix|confluence|github|gitlab)",
)
_SYSTEM_ACCOUNTS = frozenset("root oracle postgres mysql www-data apache nobody cron admin system".split())


def is_service_name(local_part: str) -> bool:
    """Whether an address is named after what a machine does ("alerts@", "newsletter@")."""
    return bool(_SERVICE_NAMES.fullmatch(local_part))


def is_job_output(subject: str, local_part: str) -> bool:
    """Whether a system account reports on a job."""
    return local_part.lower() in _SYSTEM_ACCOUNTS and bool(_SERVICE_SUBJECT.match(subject))
