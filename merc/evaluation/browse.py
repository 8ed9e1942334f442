"""What the report's page of conversations is made from: one compact JSON value that the page's script reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from merc.components import Prediction
from merc.conversation import Conversation, LabelSpace, Utterance
from merc.evaluation.breakdown import finder
from merc.evaluation.media import Links
from merc.evaluation.metrics import split_order
from merc.evaluation.values import details_in_words, in_words


@dataclass(frozen=True)
class Browse:
    """The data, and sentences about what could not be put together."""

    data: dict[str, Any]
    notes: Sequence[str]


def browse_data(
    predictions: Sequence[Prediction], conversations: Sequence[Conversation], labels: LabelSpace, links: Links
) -> Browse:
    """Join predictions with the conversations that they are about.

    Conversations stand in the order of the predictions, those of the test split first. An utterance without a
    prediction stays in its conversation, as context; a conversation without any is left out. Predictions whose
    utterance is not among the conversations are kept, without their text, and counted in the notes.

    The value: ``labels``; ``splits``; ``speakers``; ``datasets``; ``streams`` (those that some utterance lacked);
    ``conversations``, each with ``id``, ``split``, ``dataset`` where it is known, and ``turns``. A turn has ``id``,
    ``text`` (null when unknown), and where there is one: ``speaker``, ``truth`` and ``label`` (places in ``labels``; a
    label of -1 is an answer that could not be parsed; a turn without the key ``label`` has no prediction), ``chances``
    (thousandths, in the order of ``labels``), ``said`` (generated text), ``missing``, ``cues``, ``valence``, ``open``
    (open labels), ``values`` (what heads gave, in words) and ``details`` (what the decoder kept, in words), and
    what ``links`` give of its media where it has a prediction.
    """
    place = {label: i for i, label in enumerate(labels.labels)}
    answers: dict[tuple[str | None, str], dict[str, Prediction]] = {}
    for p in predictions:
        answers.setdefault((p.split, p.conversation), {})[p.id] = p
    conversation_of = finder(conversations)
    out: list[dict[str, Any]] = []
    without_text = 0
    for (split, name), group in answers.items():
        conversation = conversation_of(next(iter(group.values())))
        turns = []
        for utterance in conversation.utterances if conversation else ():
            assert conversation is not None
            prediction = group.get(utterance.id)
            media = links.of_utterance(conversation, utterance) if prediction else {}
            turns.append(_turn(utterance, prediction, place) | media)
        there = {turn["id"] for turn in turns}
        for p in group.values():
            if p.id not in there:
                without_text += 1
                turns.append(_turn(None, p, place))
        dataset = {"dataset": conversation.dataset} if conversation and conversation.dataset else {}
        out.append({"id": name, "split": split, **dataset, "turns": turns})
    out.sort(key=lambda conversation: split_order(conversation["split"]))
    notes = []
    if without_text:
        notes.append(
            f"{without_text:,} of {len(predictions):,} predictions are about utterances that are not in the corpus as "
            "it was read for this report; they are shown without their text."
        )
    if moved := links.note():
        notes.append(moved)
    data = {
        "labels": list(labels.labels),
        "splits": list(dict.fromkeys(conversation["split"] for conversation in out)),
        "speakers": sorted({turn["speaker"] for talk in out for turn in talk["turns"] if "speaker" in turn}),
        "datasets": sorted({talk["dataset"] for talk in out if "dataset" in talk}),
        "streams": sorted({stream for p in predictions for stream in p.missing}),
        "conversations": out,
    }
    return Browse(data, notes)


def _turn(utterance: Utterance | None, prediction: Prediction | None, place: dict[str, int]) -> dict[str, Any]:
    turn: dict[str, Any] = {"id": utterance.id if utterance else prediction.id if prediction else None}
    turn["text"] = utterance.text if utterance else None
    truth = prediction.truth if prediction else utterance.label if utterance else None
    if truth in place:
        turn["truth"] = place[truth]
    if utterance:
        more: dict[str, Any] = {
            "speaker": utterance.speaker,
            "cues": dict(utterance.cues),
            "open": list(utterance.open_labels),
            "valence": utterance.valence,
        }
        turn |= {key: value for key, value in more.items() if value not in (None, {}, [])}
    if prediction:
        turn["label"] = -1 if prediction.label is None else place.get(prediction.label, -1)
        if prediction.probabilities:
            turn["chances"] = [round(1000 * prediction.probabilities.get(label, 0.0)) for label in place]
        if prediction.values:
            turn["values"] = in_words(prediction)
        if prediction.details:
            turn["details"] = details_in_words(prediction.details)
        if prediction.answer is not None:
            turn["said"] = prediction.answer
        if prediction.missing:
            turn["missing"] = dict(prediction.missing)
    return turn
