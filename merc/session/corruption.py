"""An evaluation with worse media and words: predicted again for each corruption and severity, beside the clean one."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from merc.components import Corruption, Encoder, Frames, Missing, Prediction, Prompter, Query, TextClip
from merc.conversation import Conversation, Utterance
from merc.evaluation import read_predictions, write_predictions
from merc.evaluation.corruption import FOLDER, CorruptedRun
from merc.evaluation.metrics import UNSPLIT
from merc.features import UNTOUCHED, FeatureTable, Severe, corrupted, prepared, withheld
from merc.files import read_json, short_name, write_text
from merc.recipe import Recipe
from merc.recipe.corruptions import shown_streams, streams_of
from merc.session.journal import Journal
from merc.session.loading import kept_loaded
from merc.session.wiring import Material, Wiring

_CASES = "cases.json"
_REMEDY = "take the folder away, and predict again"

Predict = Callable[[list[list[Query]], Material, str], list[Prediction]]
"""Gives the predictions of queries, given what their prompts are made of and a title."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A corruption at one severity, the encoders that it is of, and its name in the recipe."""

    name: str
    by: Severe
    streams: tuple[str, ...]

    @property
    def title(self) -> str:
        """The case in words: ``noise 10 dB (voice)``."""
        streams = f" ({', '.join(self.streams)})" if self.streams else ""
        return f"{self.name} {self.by.severity:g} {self.by.corruption.unit}{streams}"


def cases_of(recipe: Recipe, prompter: Prompter) -> list[Case]:
    """The cases of a recipe's evaluation, in order."""
    how = recipe.evaluate
    cases = []
    modality_of = shown_streams(prompter, recipe.encoders, recipe.fusers)
    for name, part in how.corrupt.items() if how is not None else ():
        corruption = part.component
        assert isinstance(corruption, Corruption)
        assert how is not None
        for severity, streams in corruption.cases(streams_of(corruption, modality_of)):
            by = Severe(corruption=corruption, severity=severity, seed=how.corrupt_seed)
            cases.append(Case(name=name, by=by, streams=tuple(streams)))
    return cases


class CorruptedEvaluation:
    """The cases of an evaluation. What they give is kept in the folder ``corrupt`` of a run, or of an evaluation."""

    def __init__(self, recipe: Recipe, prompter: Prompter, run: Path, journal: Journal) -> None:
        self.recipe, self.prompter, self.journal = kept_loaded(recipe), prompter, journal
        self.cases = cases_of(recipe, prompter)
        self.folder = run / FOLDER

    @property
    def is_there(self) -> bool:
        """Whether nothing is left to predict."""
        return not self.cases or (self.folder / _CASES).exists()

    def predict(self, groups: Sequence[Sequence[Query]], clean: Material, wiring: Wiring, predict: Predict) -> None:
        """Predict every case, and write the predictions. ``groups`` are the clean queries of all splits."""
        if self.cases and (fields := tuple(self.prompter.cue_fields())):
            self.journal.say(f"evaluate.corrupt: the cues {', '.join(fields)} stay those of the clean media and words")
        if hears := self._hears_clean_sound():
            self.journal.say(
                f"evaluate.corrupt: {', '.join(hears)} heed the sound beside the pictures, which stays clean there"
            )
        if wiring.first:
            (self.folder / _CASES).unlink(missing_ok=True)
        records = []
        for number, case in enumerate(self.cases, start=1):
            changed = [_with_words(case, group) for group in groups]
            conversations = [group[0].conversation for group in changed if group]
            table = clean.table.overlaid(self._features(case, clean.table, conversations, wiring))
            material = Material(cues=clean.cues, table=table)
            title = f"predict {number} of {len(self.cases)}, {case.title}"
            predictions = predict(changed, material, title)
            file = short_name(f"{number:03d}-{case.name}-{case.by.severity:g}-{'-'.join(case.streams)}", 80) + ".jsonl"
            if wiring.first:
                self.folder.mkdir(parents=True, exist_ok=True)
                write_predictions(self.folder / file, predictions)
            records.append({**_record(case, groups, changed, clean.table, table), "file": file})
        with wiring.in_turn():  # the other processes read it
            if self.cases and wiring.first:
                write_text(self.folder / _CASES, json.dumps({"cases": records}, indent=1, ensure_ascii=False) + "\n")

    def _hears_clean_sound(self) -> list[str]:
        """The encoders of pictures that hear the sound beside these, where some case is of sound: it is of the clips
        of encoders of sound alone."""
        modality_of = shown_streams(self.prompter, self.recipe.encoders, self.recipe.fusers)
        if not any(modality_of[name] == "audio" for case in self.cases for name in case.streams):
            return []
        samplings = {name: cast(Encoder, self.recipe.encoders[name].component).sampling() for name in modality_of}
        return [name for name, sampling in samplings.items() if isinstance(sampling, Frames) and sampling.sound]

    def read(self) -> list[CorruptedRun]:
        """What was predicted, by case. Raises MercError for files that are damaged."""
        if not self.cases:
            return []
        records = read_json(self.folder / _CASES, _REMEDY)["cases"]
        return [
            CorruptedRun(
                predictions=read_predictions(self.folder / record["file"]),
                of={key: value for key, value in record.items() if key not in ("file", "splits")},
                splits=record["splits"],
            )
            for record in records
        ]

    def _features(
        self, case: Case, clean: FeatureTable, conversations: Sequence[Conversation], wiring: Wiring
    ) -> FeatureTable:
        """The features of the case's streams; of what is withheld, the reason why there are none."""
        utterances = [u.id for c in conversations for u in c.utterances]
        lost = [] if case.by.corruption.of_words else [name for name in utterances if case.by.withholds(name)]
        table = replace(clean, places={}, missing={}, remarks={})
        if case.streams and _changes_clips(case.by.corruption):
            parts = {name: self.recipe.encoders[name] for name in case.streams}
            encoders = prepared(parts, self.recipe.learning_encoders)
            table = wiring.features_with(
                encoders if case.by.corruption.of_words else corrupted(encoders, case.by), conversations
            )
        return table.overlaid(withheld(clean, case.streams, lost, f"withheld by evaluate.corrupt ({case.name})"))


def _changes_clips(corruption: Corruption) -> bool:
    """Whether a corruption does anything to clips."""
    return type(corruption).apply is not Corruption.apply


def _with_words(case: Case, group: Sequence[Query]) -> list[Query]:
    """Queries of one conversation, whose words are corrupted where the case is of words."""
    if not case.by.corruption.of_words or not group:
        return list(group)
    talk = group[0].conversation
    changed = replace(talk, utterances=tuple(_reworded(case, u) for u in talk.utterances))
    return [replace(query, conversation=changed) for query in group]


def _reworded(case: Case, utterance: Utterance) -> Utterance:
    clip = case.by.apply(TextClip(text=utterance.text), utterance.id)
    assert isinstance(clip, TextClip | Missing)
    text = "" if isinstance(clip, Missing) else clip.text
    return utterance if text == utterance.text else replace(utterance, text=text)


def _record(
    case: Case,
    groups: Sequence[Sequence[Query]],
    changed: Sequence[Sequence[Query]],
    clean: FeatureTable,
    table: FeatureTable,
) -> dict[str, Any]:
    """A case, and by split how many utterances it touched and which streams they lack now."""
    splits: dict[str, dict[str, Any]] = {}
    for before, after in zip(groups, changed, strict=True):
        for one, other in zip(before, after, strict=True):
            split = splits.setdefault(
                one.conversation.split or UNSPLIT, {"touched": 0, "utterances": 0, "missing": Counter()}
            )
            name = one.target.id
            lacking = [stream for stream in case.streams if (stream, name) in table.missing]
            touched = [stream for stream in case.streams if _touched((stream, name), clean, table)]
            split["utterances"] += 1
            split["touched"] += bool(touched) or one.target.text != other.target.text
            split["missing"].update(lacking)
    own = {"corruption": case.name, "severity": case.by.severity, "unit": case.by.corruption.unit}
    return {**own, "streams": list(case.streams), "splits": splits}


def _touched(at: tuple[str, str], clean: FeatureTable, table: FeatureTable) -> bool:
    """Whether features are others than the clean ones."""
    if at in clean.missing or at in table.missing:
        return (at in clean.missing) != (at in table.missing)
    return table.places[at] != clean.places[at] and UNTOUCHED not in table.remarks.get(at, ())
