"""What the pass gives: where the features of every utterance are, and what could not be encoded."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from merc.components.encoder import Features, Missing
from merc.features.store import FeatureStore

Value = TypeVar("Value")


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """Features by stream and utterance. They stay in the store until they are asked for.

    ``missing`` gives the reason for every (stream, utterance id) without features; ``notes`` are sentences for the
    user; ``encoded`` counts by stream what this pass computed, the rest having been in the store; ``remarks`` are what
    is to be said of single features; ``held`` are features that are in memory alone.
    """

    store: FeatureStore
    places: Mapping[tuple[str, str], tuple[str | Missing, ...]]
    missing: Mapping[tuple[str, str], str]
    notes: Sequence[str] = ()
    encoded: Mapping[str, int] = field(default_factory=dict)
    remarks: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    held: Mapping[tuple[str, str], Features] = field(default_factory=dict)

    def overlaid(self, other: FeatureTable) -> FeatureTable:
        """The table with ``other``'s features, or reasons why there are none, in the places that it has."""
        missing = {at: reason for at, reason in self.missing.items() if at not in other.places}
        remarks = {at: own for at, own in self.remarks.items() if at not in other.places}
        held = {at: features for at, features in self.held.items() if at not in other.places}
        return replace(
            self, places={**self.places, **other.places}, missing={**missing, **other.missing},
            remarks={**remarks, **other.remarks}, held={**held, **other.held},
        )  # fmt: skip

    def of(self, utterances: Collection[str]) -> FeatureTable:
        """The table of these utterances alone, by their ids."""
        return replace(
            self, places=_of(self.places, utterances), missing=_of(self.missing, utterances),
            remarks=_of(self.remarks, utterances), held=_of(self.held, utterances),
        )  # fmt: skip

    def get(self, stream: str, utterance_id: str, draw: int = 0) -> Features | Missing:
        """Features ``[tokens, dim]`` float32, or the reason why there are none.

        ``draw`` counts on for ever, an epoch say; the draws that are kept are taken in turn. Raises MercError when a
        file of the store is damaged, and KeyError for an utterance that was not in the pass.
        """
        if (stream, utterance_id) in self.held:
            return self.held[stream, utterance_id]
        draws = self.places[stream, utterance_id]
        place = draws[draw % len(draws)]
        return place if isinstance(place, Missing) else self.store.load(place)


def _of(values: Mapping[tuple[str, str], Value], utterances: Collection[str]) -> dict[tuple[str, str], Value]:
    return {at: value for at, value in values.items() if at[1] in utterances}
