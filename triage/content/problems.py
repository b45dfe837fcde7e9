"""What is wrong with ``config/``, all of it at once."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where, and a sentence with the value, what would be right and what to do."""

    file: str  # relative to the config folder
    sentence: str

    def __str__(self) -> str:
        return f"{self.file}: {self.sentence}"


class ContentError(Exception):
    """``config/`` is not usable."""

    def __init__(self, folder: str, problems: list[Problem]) -> None:
        self.problems = tuple(problems)
        listed = "\n".join(f"  {problem}" for problem in problems)
        super().__init__(f"{folder} is not usable ({len(problems)} to mend):\n{listed}")
