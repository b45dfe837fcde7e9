"""What mail programs and people write around a message, by language: data for ``quotes`` and ``signature``.

To teach the house a language, add its words here; the rules stay as they are. Words are separated by ``|``.
"""

import re
from collections.abc import Iterable


def any_of(words: Iterable[str]) -> str:
    """A regular expression for any of the words, the longest first."""
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in " ".join(text.split()).split("|"))


# Ends the line above a quote, or stands within it: "On Monday, Ann <ann@…> wrote:".
WROTE = _words(
    """
    wrote|writes|sent|schrieb|geschrieben|a écrit|écrit|ecrit|escribió|escribio|ha scritto|scrive|escreveu|schreef|
    geschreven|skrev|kirjoitti|napisał|napisała|napisał(a)|pisze|napsal|napsala|napsal(a)|napísal|napísala|írta|
    a scris|έγραψε|yazdı|написал|написала|написал(а)|пишет|писал|писала|написав|пише|đã viết|menulis|كتب|כתב|כתבה
    """
)
WROTE_UNSPACED = _words(
    "のメール|書きました|書いた|さんのメッセージ|写道|寫道|작성|님이 쓴 글"
)  # languages without blanks

# Begins it where it has no such word: "Quoting Ann <ann@…>:".
QUOTING = _words("Quoting|Zitat von|Citando|Citando a|Citat från|Citeren|Cytowanie|En réponse à|Selon")

# With one of these it was a person who says so: "On 3 March 2025 at 10:15 I wrote:".
PRONOUNS = _words("I|we|you|he|she|they|ich|wir|sie|je|nous|vous|yo|io|eu|ik|wij|jag|jeg|vi")

# Begins that line: it tells where the line starts when a mail program wrapped it over several.
ATTRIBUTION_STARTS = _words(
    """
    On|At|Am|Le|El|Il|Op|Em|No dia|Den|På|W dniu|Dnia|Dne|Dňa|În|La data|Στις|Vào|Pada|Pe|El día|Il giorno|Le jour|在|
    於|于
    """
)

# Names of the header lines that mail programs print above what they quote or forward.
HEADERS = {
    "from": _words(
        """
        From|Von|De|Da|Van|Från|Fra|Lähettäjä|Od|Nadawca|От|От кого|Від|Odesílatel|Feladó|De la|Από|Kimden|Gönderen|
        Expéditeur|Remitente|Mittente|Remetente|Afzender|Avsändare|Avsender|Afsender|差出人|送信者|发件人|發件人|
        寄件者|보낸 사람|보낸사람
        """
    ),
    "sent": _words(
        """
        Sent|Gesendet|Envoyé|Envoyé le|Enviado|Enviado el|Enviado em|Enviada|Enviada em|Inviato|Verzonden|Skickat|
        Sendt|Lähetetty|Wysłano|Wysłane|Отправлено|Надіслано|Odesláno|Odoslané|Elküldve|Trimis|Στάλθηκε|Gönderildi|
        Gönderme Tarihi|送信日時|发送时间|發送時間|傳送時間|寄件日期|보낸 날짜|보낸날짜
        """
    ),
    "date": _words("Date|Datum|Fecha|Data|Dato|Päivä|Päivämäärä|Дата|Dátum|Ημερομηνία|Tarih|日付|日時|日期|时间|날짜"),
    "to": _words(
        """
        To|An|À|A|Para|Naar|Aan|Till|Til|Vastaanottaja|Do|Komu|Кому|Címzett|Către|Προς|Kime|Alıcı|Empfänger|
        Destinataire|Destinatario|Destinatário|Mottagare|Modtager|Adresát|宛先|收件人|收件者|받는 사람|받는사람
        """
    ),
    "cc": _words("Cc|Bcc|Kopie|Copie|Copia|Cópia|Kopi|Kopia|Копия|Копія|Másolat|Κοινοποίηση|Bilgi|DW|抄送|副本|참조"),
    "subject": _words(
        """
        Subject|Betreff|Objet|Sujet|Asunto|Oggetto|Assunto|Onderwerp|Ämne|Emne|Aihe|Temat|Тема|Předmět|Predmet|Tárgy|
        Subiect|Θέμα|Konu|件名|主题|主題|主旨|제목
        """
    ),
    "other": _words(
        """
        Reply-To|Antwort an|Répondre à|Responder a|Rispondi a|Importance|Priority|Wichtigkeit|Priorität|Importancia|
        Sensitivity|Attachments|Anlagen|Organisation|Organization|Message-ID|When|Resent-From|Sender
        """
    ),
}

# The line between dashes above an earlier email, "-----Original Message-----", has one of these words for "message".
MESSAGE = _words(
    """
    message|nachricht|mail|e-mail|mensaje|correo|messaggio|mensagem|bericht|meddelande|meddelelse|melding|besked|
    viesti|wiadomość|wiadomosc|сообщение|письмо|повідомлення|zpráva|správa|üzenet|mesaj|mesajul|μήνυμα|ileti|
    メッセージ|邮件|郵件|메시지|원본
    """
)

# With one of these, or the beginning of one, it announces a forward.
FORWARDED = _words(
    """
    forwarded|weitergeleitet|transféré|réexpédié|transmis|reenviad|inoltrat|encaminhad|doorgestuurd|vidarebefordrat|
    vidarebefordrad|videresend|välitetty|edelleenlähetetty|przekazan|przesłan|пересыла|пересланн|переслан|пересилан|
    přeposlan|preposlan|továbbított|redirecționat|iletilen|iletilmiş|προωθημένο|転送|转发|轉寄|轉發|전달
    """
)

# Apple Mail's line above a forward has no dashes.
FORWARD_LINES = _words(
    """
    Begin forwarded message|Anfang der weitergeleiteten Nachricht|Début du message réexpédié|
    Début du message transféré|Inicio del mensaje reenviado|Inizio messaggio inoltrato|Início da mensagem encaminhada|
    Início da mensagem reenviada|Begin doorgestuurd bericht|Vidarebefordrat brev|Vidarebefordrat mejl|
    Videresendt besked|Start på videresendt besked|Videresendt melding|Start på videresendt melding|
    Välitetty viesti alkaa|Początek przekazywanej wiadomości|Начало переадресованного сообщения|
    Začátek přeposlané zprávy|İleti başlangıcı|開始轉寄郵件|下面是被转发的邮件|転送されたメッセージ|전달된 메시지 시작
    """
)

# How a subject says that the email answers one: "AW: licences".
REPLY_SUBJECTS = _words("re|aw|sv|antw|antwort|rif|r|res|ref|odp|vá|ynt|yn|回复|回覆|答复|返信")

# How a subject says that the email is a forward: "FW: licences".
FORWARD_SUBJECTS = _words("fw|fwd|wg|tr|rv|enc|doorst|vb|vs|vl|pd|továbbítva|i|ilt|转发|轉寄|転送")

# Below this line stands what was answered.
REPLY_ABOVE = _words(
    """
    reply above this line|type your reply above|write your reply above|respond above this line|
    antworten sie oberhalb dieser zeile|bitte oberhalb dieser zeile antworten|répondez au-dessus de cette ligne|
    escriba su respuesta por encima de esta línea
    """
)

# Closing words: a whole line, but for a comma, full stop or exclamation mark; a name follows.
CLOSINGS = {
    "en": _words(
        """
        regards|best|best regards|kind regards|kindest regards|warm regards|warmest regards|with regards|
        with kind regards|with best regards|many regards|best wishes|all the best|with best wishes|with many thanks|
        sincerely|yours sincerely|sincerely yours|yours faithfully|faithfully yours|yours truly|yours|respectfully|
        cheers|thanks|thank you|many thanks|thanks again|thank you again|many thanks again|thanks a lot|
        thanks so much|thank you so much|thank you very much|thanks very much|thanks in advance|thank you in advance|
        many thanks in advance|thanks and regards|thanks & regards|thank you and regards|thanks and best regards|
        thanks and kind regards|many thanks and kind regards|many thanks and best regards|thanks, regards|rgds|br|kr|
        thx|tks|ta|cordially|warmly|take care|with thanks|with appreciation|gratefully|kindly|cheers and thanks|
        have a nice day|have a great day|have a good day|looking forward to hearing from you|
        looking forward to your reply|thanks for your help|thank you for your help|thank you for your time
        """
    ),
    "de": _words(
        """
        mit freundlichen grüßen|mit freundlichen grüssen|mit freundlichem gruß|mit freundlichem gruss|
        freundliche grüße|freundliche grüsse|viele grüße|viele grüsse|beste grüße|beste grüsse|liebe grüße|
        herzliche grüße|schöne grüße|mit besten grüßen|mit besten grüssen|mit vielen grüßen|gruß|gruss|grüße|grüsse|
        freundlicher gruss|mfg|vg|lg|hochachtungsvoll|danke|vielen dank|besten dank|danke im voraus|
        vielen dank im voraus|danke und gruß|vielen dank und viele grüße|danke und viele grüße
        """
    ),
    "fr": _words(
        """
        cordialement|bien cordialement|très cordialement|bien à vous|sincères salutations|salutations|
        meilleures salutations|salutations distinguées|avec mes salutations distinguées|amicalement|cdlt|cdt|merci|
        merci d'avance|merci beaucoup|merci par avance|bonne journée|bonne réception|respectueusement
        """
    ),
    "es": _words(
        """
        saludos|un saludo|saludos cordiales|cordiales saludos|un cordial saludo|atentamente|muy atentamente|
        reciba un cordial saludo|gracias|muchas gracias|gracias y saludos|gracias de antemano
        """
    ),
    "it": _words(
        """
        cordiali saluti|distinti saluti|saluti|un saluto|cordialmente|cordialità|grazie|grazie mille|grazie e saluti|
        grazie in anticipo|buona giornata
        """
    ),
    "pt": _words(
        """
        atenciosamente|cumprimentos|com os melhores cumprimentos|melhores cumprimentos|saudações|abraços|abraço|
        obrigado|obrigada|muito obrigado|muito obrigada|att|grato|grata|desde já agradeço
        """
    ),
    "nl": _words(
        """
        met vriendelijke groet|met vriendelijke groeten|vriendelijke groet|vriendelijke groeten|hartelijke groet|
        hartelijke groeten|met hartelijke groet|groet|groeten|groetjes|mvg|hoogachtend|bedankt|alvast bedankt|dank u|
        dank je wel|dank u wel
        """
    ),
    "sv": _words(
        """
        med vänlig hälsning|med vänliga hälsningar|vänliga hälsningar|vänlig hälsning|bästa hälsningar|hälsningar|
        hälsning|mvh|vh|tack|tack på förhand
        """
    ),
    "no": _words("med vennlig hilsen|vennlig hilsen|beste hilsen|hilsen|hilsning|takk|på forhånd takk"),
    "da": _words(
        """
        med venlig hilsen|venlig hilsen|med venlige hilsner|venlige hilsner|de bedste hilsner|bedste hilsner|
        kærlig hilsen|mange hilsner|kh|tak|på forhånd tak|mange tak
        """
    ),
    "fi": _words("ystävällisin terveisin|terveisin|parhain terveisin|yt|kiitos|kiitos etukäteen|kiitoksin"),
    "pl": _words(
        """
        pozdrawiam|z poważaniem|serdecznie pozdrawiam|pozdrawiam serdecznie|z wyrazami szacunku|pozdrowienia|dziękuję|
        dzięki|z góry dziękuję|dziękuję i pozdrawiam
        """
    ),
    "ru, uk": _words(
        "с уважением|с наилучшими пожеланиями|всего доброго|всего хорошего|спасибо|заранее спасибо|з повагою|дякую"
    ),
    "cs, sk": _words(
        "s pozdravem|s přátelským pozdravem|s úctou|děkuji|děkuji předem|díky|s pozdravom|ďakujem|hezký den"
    ),
    "hu, ro": _words("üdvözlettel|tisztelettel|köszönettel|köszönöm|cu stimă|cu respect|mulțumesc"),
    "el": _words("με εκτίμηση|φιλικά|ευχαριστώ"),
    "tr": _words("saygılarımla|saygılarımızla|iyi çalışmalar|teşekkürler|teşekkür ederim|sevgiler|iyi günler"),
    "zh": _words("此致|此致敬礼|敬礼|祝好|谢谢|謝謝|顺颂商祺|敬上"),
    "ja": _words("よろしくお願いします|よろしくお願いいたします|宜しくお願いします|宜しくお願いいたします|敬具|以上"),
    "ko": _words("감사합니다|안녕히 계세요|고맙습니다"),
}

# The footer of a phone or a mail program, a line of its own; "…" stands for some words.
MOBILE_FOOTERS = {
    "en": _words(
        """
        Sent from my …|Sent from a …|Sent from Mail for Windows…|Sent from Outlook…|Sent from Yahoo Mail…|
        Sent from Gmail…|Sent from Samsung…|Sent from iPhone…|Sent from Android…|Sent from Proton Mail…|
        Sent from …Mail…|Sent from Spark…|Sent from mobile…|Sent from …mobile…|Sent via …|Sent with …|Sent using …|
        Sent by …phone…|Get Outlook for …|Download Outlook for …|Yahoo Mail: …|via mobile|Typed on …|
        Please excuse …typos…|Please excuse …brevity…|Excuse …typos…
        """
    ),
    "de": _words(
        """
        Von meinem … gesendet|Von meinem … aus gesendet|Gesendet von meinem …|Gesendet von Mail für Windows…|
        Gesendet mit …|Gesendet von Outlook…|Gesendet von …phone…|Gesendet aus …|
        Diese Nachricht wurde von meinem … gesendet…|Outlook für … herunterladen|Holen Sie sich Outlook für …
        """
    ),
    "fr": _words(
        """
        Envoyé de mon …|Envoyé depuis …|Envoyé à partir de …|Envoyé avec …|Télécharger Outlook pour …|
        Obtenez Outlook pour …
        """
    ),
    "es": _words("Enviado desde …|Enviado con …|Obtener Outlook para …|Obtenga Outlook para …"),
    "it": _words("Inviato da …|Inviato dal …|Inviato con …|Scarica Outlook per …|Ottieni Outlook per …"),
    "pt": _words("Enviado do …|Enviado a partir do …|Enviado pelo …|Enviado via …|Obter o Outlook para …"),
    "nl": _words("Verstuurd vanaf …|Verzonden vanaf …|Verzonden met …|Verzonden vanuit …|Outlook voor … downloaden"),
    "sv": _words("Skickat från …|Hämta Outlook för …"),
    "no": _words("Sendt fra …|Skaff deg Outlook for …|Last ned Outlook for …"),
    "da": _words("Sendt fra …|Hent Outlook til …|Få Outlook til …"),
    "fi": _words("Lähetetty …|Hanki Outlook …"),
    "pl": _words("Wysłane z …|Wysłano z …|Pobierz aplikację Outlook…|Pobierz program Outlook…"),
    "ru, uk": _words("Отправлено с …|Отправлено из …|Отправлено от …|Надіслано з …|Скачать Outlook …"),
    "cs, sk": _words("Odesláno z …|Odoslané z …|Získejte Outlook pro …|Stáhnout Outlook pro …"),
    "hu, ro": _words("Elküldve …|Trimis de pe …"),
    "tr": _words("…den gönderildi|…dan gönderildi|…'ımdan gönderildi|…'umdan gönderildi"),
    "zh": _words("发自我的…|发送自…|从我的…发送|從我的…傳送|获取 Outlook…|獲取 Outlook…"),
    "ja": _words("…から送信|…から送信されました"),
    "ko": _words("나의 …에서 보냄|내 …에서 보냄"),
}

# Legal notices: a paragraph with two of these words, or with one of the sure phrases, is one.
NOTICE_WORDS = _words(
    """
    confidential|privileged|intended recipient|intended solely|intended only|disclosure|unauthorized|unauthorised|
    disclaimer|in error|delete it|delete this|notify the sender|prohibited|legally|virus|registered in england|
    registered office|company number|vat number|vertraulich|irrtümlich|unbefugt|handelsregister|geschäftsführer|
    amtsgericht|ust-id|confidentiel|destinataire|par erreur|confidencial|por error|riservat|destinatari|por engano|
    vertrouwelijk|geadresseerde|abusievelijk|konfidentiell|fortrolig|luottamuksell|poufn|adresat|конфиденциальн|
    důvěrn|gizli|bizalmas|機密|保密|기밀
    """
)
SURE_NOTICES = _words(
    """
    intended recipient|confidentiality notice|received this email in error|received this e-mail in error|
    received this message in error|received it in error|consider the environment|think before you print|
    before printing this|solely for the use of|diese e-mail enthält vertrauliche|diese nachricht ist vertraulich|
    irrtümlich erhalten|ce message et toutes les pièces jointes|este mensaje y sus archivos|
    dit bericht is uitsluitend|esta mensagem pode conter|registered in england and wales|
    information contained in this email|information contained in this e-mail|information contained in this message|
    scanned for viruses|www.avast.com|virenfrei|unsubscribe from this list|update subscription preferences|
    you are receiving this email because|this email was sent to
    """
)

# A mail gateway puts such a warning above an email.
BANNERS = _words(
    """
    originated from outside|originated outside|comes from outside|came from outside|was sent from outside|
    from outside your organi|from outside the organi|from outside of the organi|external email|external sender|
    you don't often get email from|you don’t often get email from|stammt von außerhalb|stammt von extern|
    kommt von außerhalb|sie erhalten nicht oft e-mails von|e-mail externe|correo externo
    """
)

# A mailing list appends such lines.
LIST_FOOTERS = _words(
    """
    mailing list|mailman/listinfo|you received this message because you are subscribed|to unsubscribe from this group|
    to unsubscribe from this list|yahoo! groups links|reply to this email directly or view it on
    """
)

# A line with one of these introduces a block, which is then no signature: a new address, say.
INTRODUCES = _words(
    """
    below|following|as follows|follows|here is|here are|new address|address is|addresses are|details are|contact is|
    change it to|unten|folgende|neue adresse|adresse lautet|ci-dessous|nouvelle adresse|siguiente|nueva dirección|
    seguente|nuovo indirizzo|abaixo|novo endereço|volgende|nieuwe adres|nedan|ny adress|nedenfor|ny adresse|
    uusi osoite|poniżej|nowy adres
    """
)

# In a short line they make it closing words too: "With friendly greetings", "Thanks for your attention,".
CLOSING_WORDS = _words(
    """
    regards|regard|greetings|greeting|salutations|wishes|thanks|thank you|thanking you|gratitude|respect|respectfully|
    obliged|appreciate|yours|affection|compliments|blessings|ngā mihi|diolch|grüße|grüßen|grüsse|grüssen|gruß|gruss|
    dank|cordialement|salutations|merci|saludos|gracias|saluti|grazie|cumprimentos|groet|groeten|dank|hälsning|
    hälsningar|hilsen|terveisin|pozdrawiam|dziękuję|уважением|pozdravem|saygılarımla
    """
)

# With one of these the sender points to what stands below: then it is no leftover of a thread but part of the question.
POINTS_BELOW = _words(
    """
    below|underneath|beneath|hereunder|trailing mail|trailing email|trail mail|trailing message|forwarding|passing on|
    pass on|reproduced|what he wrote|what she wrote|siehe unten|unten|untenstehend|nachstehend|weiterleiten|
    leite weiter|ci-dessous|plus bas|abajo|más abajo|a continuación|sotto|di seguito|abaixo|hieronder|onderstaand|
    nedan|nedenfor|alla oleva|poniżej|ниже|níže|aşağıda
    """
)
