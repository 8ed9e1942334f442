"""EmoBench: emotional understanding and application, in English and Chinese."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from merc import Benchmark, BenchmarkTask

PARTS = {
    "CE": "complex_emotions", "PBE": "personal_beliefs_and_experiences", "PT": "perspective_taking",
    "EC": "emotional_cues",
}  # fmt: skip
APPLIED = {"PO": "Personal-Others", "PS": "Personal-Self", "SO": "Social-Others", "SS": "Social-Self"}


@dataclass(frozen=True, kw_only=True)
class EmoBench(Benchmark):
    """``emobench``: EmoBench (Sabour et al., 2024), as the corpus ``emobench`` imports it.

    Emotional understanding (EU): how often emotion and cause are both right, in four parts (complex emotions, personal
    beliefs and experiences, perspective taking, emotional cues) and over all, in English and in Chinese; emotional
    application (EA) likewise, by personal and social relations and by whose problem it is. A run is asked for the
    answer alone, or with ``reasoning`` for a chain of thought first.
    """

    reasoning: bool = False
    """Whether a run's prompter (``question``) asks to reason first."""
    languages: tuple[Literal["en", "zh"], ...] = ("en", "zh")
    """The languages that are asked."""

    def columns(self) -> Sequence[BenchmarkTask]:
        """The parts of understanding in each language, all of it, then application."""
        tasks = [*((title, "eu", {"part": part}) for title, part in PARTS.items()), ("EU", "eu", {})]
        tasks += [*((title, "ea", {"part": part}) for title, part in APPLIED.items()), ("EA", "ea", {})]
        return [
            BenchmarkTask(
                title=f"{title} {language.upper()}", corpus=f"emobench-{task}", metric="choices", number="accuracy",
                beside=("accuracy_exact",), having={"language": language, **having},
                prompter={"reasoning": self.reasoning},
            )
            for title, task, having in tasks
            for language in self.languages
        ]  # fmt: skip

    def collections(self) -> Sequence[str]:
        """The benchmark, imported as a whole."""
        return ("emobench",)

    def averages(self) -> Mapping[str, Sequence[str]]:
        """None: what is over all parts is over questions."""
        return {}
