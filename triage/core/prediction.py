"""What the classifier says about an email."""

from dataclasses import dataclass

IGNORE_LABEL = "nothing-asked"  # thanks, advertising, machine mail without headers


@dataclass(frozen=True, slots=True)
class Guess:
    """One label and how likely it is that the email asks for it."""

    id: str  # FAQ intent, routing topic or IGNORE_LABEL
    probability: float  # calibrated, 0 to 1


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition for an automatic answer."""

    code: str  # kebab-case, stable
    passed: bool
    value: float
    limit: float
    sentence: str  # for a person


@dataclass(frozen=True, slots=True)
class Prediction:
    """Guesses for every label, the reply they suggest, and whether it may be sent.

    ``failure`` says why there is no prediction (missing encoder, damaged model…); everything else is then empty and
    the email goes to a person.
    """

    guesses: tuple[Guess, ...] = ()  # every label, likeliest first
    intents: tuple[str, ...] = ()  # FAQ entries that the email asks about, in the order asked
    topics: tuple[str, ...] = ()  # routing topics that a person has to take, likeliest first
    nothing_asked: bool = False  # thanks, advertising or machine mail: nobody waits for a reply
    confidence: float = 0.0  # probability that a reply with these intents is right
    gates: tuple[Gate, ...] = ()  # all that stand between the guess and an automatic answer
    evidence: tuple[str, ...] = ()  # sentences: nearest examples, deciding words, runner-up and gap
    language: str = "en"  # ISO 639-1; "" where it cannot be told
    model: str = ""  # fingerprint of the model that said so
    failure: str = ""

    @property
    def may_answer(self) -> bool:
        return not self.failure and bool(self.intents) and all(gate.passed for gate in self.gates)

    def probability(self, label: str) -> float:
        return next((guess.probability for guess in self.guesses if guess.id == label), 0.0)
