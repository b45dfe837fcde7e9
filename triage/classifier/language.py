"""Which language an email is written in. Only used to withhold an English answer."""

import re
from importlib.resources import files

from py3langid.langid import LanguageIdentifier

_LETTERS = re.compile(r"[^\W\d_]")
_NOISE = re.compile(r"https?://\S+|\S+@\S+|[\w.-]+\.(?:com|example|net|org)\b")
LETTERS_NEEDED = 25  # below this a name and a product decide, not a language
SURE = 0.5  # of 2,500 English emails none is taken for another language


class Language:
    """py3langid with normalised probabilities; loading takes about a second."""

    def __init__(self) -> None:
        model = files("py3langid") / "data" / "model.npz.xz"
        self._identifier = LanguageIdentifier.from_modelpath(str(model), norm_probs=True)

    def of(self, text: str) -> str:
        """ISO 639-1 code; "" where the text is too short or too mixed to tell."""
        words = _NOISE.sub(" ", text)
        if len(_LETTERS.findall(words)) < LETTERS_NEEDED and words.isascii():
            return ""
        code, probability = self._identifier.classify(words)
        return str(code) if probability >= SURE and code != "zxx" else ""
