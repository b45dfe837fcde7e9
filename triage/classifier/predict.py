"""From an email to a Prediction: guesses, the reply they suggest, and the gates before it."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from triage.classifier.card import CARD, model_folder, read_card, versions, write_card
from triage.classifier.encoder import Encoder
from triage.classifier.features import segments_of, text_of
from triage.classifier.language import Language
from triage.classifier.manifest import ModelError, read_manifest
from triage.classifier.model import Array, Model, load
from triage.classifier.suggest import suggest
from triage.core.mail import Mail, Trimmed
from triage.core.prediction import IGNORE_LABEL, Gate, Guess, Prediction

log = logging.getLogger("triage")


@dataclass(frozen=True, slots=True)
class Classifier:
    """A loaded model. Never raises on an email: a failure is a Prediction that says why there is none."""

    encoder: Encoder
    model: Model
    language: Language
    thresholds: Mapping[str, float]
    fingerprint: str  # of the card: model, data and thresholds

    def predict(self, mail: Mail, trimmed: Trimmed) -> Prediction:
        text = text_of(mail.subject, trimmed)
        try:
            return self._predict(text)
        except Exception as error:  # one email that breaks a library must not stop the others
            log.exception("the classifier failed")
            return Prediction(failure=f"the classifier failed ({type(error).__name__}): a person reads the email")

    def _predict(self, text: str) -> Prediction:
        model = self.model
        vectors = self.encoder.encode(text)
        readings = model.head.read(vectors, text)
        sentences = self._sentences(text)
        pool = model.head.pool(readings)
        suggestion = suggest(readings, pool, sentences, model.labels, model.intents, model.companion)
        labels = suggestion.labels
        confidence = model.selector.probability(suggestion.features)
        order = sorted(range(len(model.labels)), key=lambda index: -float(pool[index]))
        guesses = tuple(Guess(model.labels[index], float(pool[index])) for index in order)
        intents = tuple(label for label in labels if label in model.intents)
        places = {intent: self._place(intent, sentences) for intent in intents}
        nothing = labels[0] == IGNORE_LABEL and guesses[0].probability >= self.thresholds["nothing_asked"]
        return Prediction(
            guesses=guesses,
            intents=tuple(sorted(intents, key=lambda intent: places[intent])),
            topics=tuple(label for label in labels if label not in model.intents and label != IGNORE_LABEL),
            nothing_asked=nothing,
            confidence=confidence if intents else 0.0,
            gates=(self._gate(confidence),) if intents else (),
            evidence=(
                *(_speaks(intent, place, len(sentences)) for intent, place in places.items() if len(sentences) > 1),
                *self._nearest(vectors),
                _runner_up(guesses, labels),
            ),
            language=self.language.of(text),
            model=self.fingerprint,
        )

    def _sentences(self, text: str) -> Array:
        """What each sentence says alone, shape (S, L)."""
        segments = segments_of(text)
        if not segments:
            return np.zeros((0, len(self.model.labels)), np.float32)
        vectors = np.stack([self.encoder.encode_with(0, segment) for segment in segments])
        return self.model.head.read_sentences(vectors)

    def _place(self, intent: str, sentences: Array) -> int:
        """Which sentence speaks most for an entry."""
        return int(sentences[:, self.model.labels.index(intent)].argmax()) if len(sentences) else 0

    def _gate(self, confidence: float) -> Gate:
        limit = self.thresholds["confidence"]
        passed = confidence >= limit
        verb = "is right with" if passed else "is right with only"
        sentence = f"a reply with this answer {verb} {confidence:.1%}; at least {limit:.1%} is wanted"
        return Gate("confidence", passed, confidence, limit, sentence)

    def _nearest(self, vectors: Array) -> list[str]:
        memory = self.model.memory
        near = [
            f"{memory.ids[index]} ({self.model.labels[memory.labels[index]]}, {cosine:.2f})"
            for index, cosine in memory.nearest(vectors[-1])
        ]
        return [f"nearest training emails: {'; '.join(near)}"] if near else []


@dataclass(frozen=True, slots=True)
class Broken:
    """Stands in where there is no usable model: every email goes to a person, and says why."""

    failure: str

    def predict(self, mail: Mail, trimmed: Trimmed) -> Prediction:
        return Prediction(failure=self.failure)


def load_classifier(models_dir: Path, name: str) -> Classifier | Broken:
    """The model ``release``, or one of ``built/``. Missing or damaged files give one that hands every email over."""
    try:
        folder = model_folder(models_dir, name)
        return open_classifier(models_dir, rebuilt_where_versions_differ(models_dir, folder))
    except ModelError as error:
        log.error("no automatic answers: %s", error)
        return Broken(f"no automatic answers: {error}")


def rebuilt_where_versions_differ(models_dir: Path, folder: Path) -> Path:
    """The folder itself, or ``built/rebuilt`` where the model was made with other versions of the libraries: its
    arrays may not load, and another onnxruntime gives other vectors. The thresholds stay those of the model."""
    read_manifest(folder)
    card = read_card(folder)
    made_with = {name: made for name, made in card["versions"].items() if name != "python"}
    here = {name: installed for name, installed in versions().items() if name != "python"}
    if made_with == here:
        return folder
    differing = ", ".join(
        f"{name} {made_with.get(name)}, here {installed}"
        for name, installed in here.items()
        if made_with.get(name) != installed
    )
    target = model_folder(models_dir, "rebuilt")
    if (target / CARD).is_file() and read_card(target)["versions"] == versions():
        return target
    log.warning("the model in %s was made with other versions (%s): it is rebuilt, a minute or two", folder, differing)
    # Learning takes parts of scikit-learn and scipy that deciding does without; only a rebuild pays for them.
    from triage.classifier.train import train

    train(models_dir, "rebuilt", card["intents"], lambda what, done, of: None)
    fresh = read_card(target)
    fresh["thresholds"] = card["thresholds"]
    fresh["worth"] = f"rebuilt for other versions of the libraries; thresholds are those of {folder.name}"
    write_card(target, fresh)
    return target


def open_classifier(models_dir: Path, folder: Path) -> Classifier:
    """Raises ModelError where something is missing, damaged, or made for another encoder."""
    manifest = read_manifest(folder)
    card = read_card(folder)
    language = Language()  # first: while it is loaded it takes 30 MB more than it keeps (measured)
    encoder = Encoder(models_dir / "encoder")
    if card["encoder"] != encoder.fingerprint:
        raise ModelError(f"{folder} was trained with another encoder than {models_dir / 'encoder'}; run `triage train`")
    fingerprint = str(manifest["files"]["card.json"])[:12]
    return Classifier(encoder, load(folder), language, card["thresholds"], fingerprint)


def _speaks(intent: str, place: int, count: int) -> str:
    return f"sentence {place + 1} of {count} (the subject is the first) speaks most for {intent}"


def _runner_up(guesses: tuple[Guess, ...], labels: tuple[str, ...]) -> str:
    other = next((guess for guess in guesses if guess.id not in labels), None)
    if other is None:
        return "no other label comes into question"
    gap = guesses[0].probability - other.probability
    return f"runner-up: {other.id} with {other.probability:.1%}, {gap:.0%} points behind {guesses[0].id}"
