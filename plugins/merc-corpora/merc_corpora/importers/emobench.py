"""EmoBench: scenarios in words, with choices, in English and Chinese."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import merc
from merc_corpora.importers.questions import Entry, entries_of, joined, text_of, texts_of
from merc_corpora.importers.tables import folder_of

SOURCE = "EmoBench (Sabour et al., 2024)"
KEYS = ("qid", "language", "scenario", "subject")
UNDERSTANDING = (*KEYS, "coarse_category", "emotion_choices", "emotion_label", "cause_choices", "cause_label")
APPLICATION = (*KEYS, "category", "question type", "choices", "label")
_FORM = {"eu": '{"answer_q1": "…", "answer_q2": "…"}', "ea": '{"answer": "…"}'}
_REASONED = {
    "eu": '{"reasoning": "…", "answer_q1": "…", "answer_q2": "…"}', "ea": '{"reasoning": "…", "answer": "…"}',
}  # fmt: skip
_WORDS = {
    "en": {
        "scenario": "Scenario", "choices": "Choices", "question": "Question",
        "emotion": "What does {subject} feel in the end?", "cause": "Why does {subject} feel so?",
        "act": "Which {kind} of {subject} works best here?",
        "kinds": {"action": "action", "response": "reply"},
        "base": "Answer with nothing but a JSON object of the letters: {form}",
        "reasoned": "Go through the choices step by step, from the point of view of the people in it. Answer with "
        "nothing but a JSON object that holds this reasoning and the letters: {form}",
    },
    "zh": {
        "scenario": "场景", "choices": "选项", "question": "问题",
        "emotion": "{subject}最后的感受是什么？", "cause": "{subject}为什么有这样的感受？",
        "act": "在这里，{subject}怎样的{kind}最有效？",
        "kinds": {"action": "行动", "response": "回应"},
        "base": "只用一个写有选项字母的JSON对象回答：{form}",
        "reasoned": "请站在当事人的角度，一步一步地分析每个选项。只用一个写有分析和选项字母的JSON对象回答：{form}",
    },
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class EmoBenchCorpus(merc.Corpus):
    """EmoBench (Sabour et al., 2024), all for testing: ``EU.jsonl`` (emotional understanding) and ``EA.jsonl``
    (emotional application), in ``root`` or in ``data``, 200 questions in each of two languages.

    A line of the first has ``qid``, ``language``, ``coarse_category``, ``scenario``, ``subject``, ``emotion_choices``
    with ``emotion_label`` and ``cause_choices`` with ``cause_label``; of the second ``category``, ``question type``,
    ``choices`` and ``label``. The scenario is the utterance's text, and the subject its speaker. ``extra`` holds
    ``language``, ``part`` (the category), ``answers`` (the right letters, under the names that an answer's JSON object
    has for them), and ``question`` and ``question_cot``, which are merc's own words and ask for the answer alone, or
    for reasoning first. Datasets are ``emobench-eu`` and ``emobench-ea``, ids ``emobench-eu/12-zh``.

    Files and keys are those of the authors' repository (Sahandfer/EmoBench), whose data were read with this corpus.
    """

    root: Path
    """The folder that holds both files, or holds them in ``data``."""

    def load(self) -> merc.CorpusData:
        """Read both files. Raises MercError where one is not there or not as it should be, naming the line."""
        root = merc.user_path(self.root)
        folder = root / "data" if (root / "data" / "EU.jsonl").is_file() else root
        folder_of(folder, "emobench", ["EU.jsonl", "EA.jsonl"], "the folder with EU.jsonl and EA.jsonl in it")
        return joined(
            {
                "emobench-eu": _data("eu", folder / "EU.jsonl", UNDERSTANDING),
                "emobench-ea": _data("ea", folder / "EA.jsonl", APPLICATION),
            }
        )


def _data(task: str, file: Path, keys: Sequence[str]) -> merc.CorpusData:
    dataset = f"emobench-{task}"
    talks: dict[str, merc.Conversation] = {}
    for entry in entries_of(file, keys):
        where, _ = entry
        language = text_of(entry, "language")
        if language not in _WORDS:
            raise merc.MercError(f"{where}: 'language' is {language!r}; it is one of {', '.join(_WORDS)}")
        name = f"{dataset}/{text_of(entry, 'qid')}-{language}"
        if name in talks:
            raise merc.MercError(f"{where}: the question {name} is there already")
        question = _understanding(entry, language) if task == "eu" else _application(entry, language)
        utterance = merc.Utterance(
            id=name, text=text_of(entry, "scenario"), speaker=text_of(entry, "subject"), origin=where,
            extra={"language": language, **question},
        )  # fmt: skip
        talks[name] = merc.Conversation(id=name, split="test", dataset=dataset, utterances=(utterance,))
    count = merc.ReportedCount(what=f"questions of {file.stem}", found=len(talks), reported=400, source=SOURCE)
    return merc.CorpusData(conversations=list(talks.values()), counts=(count,))


def _understanding(entry: Entry, language: str) -> dict[str, Any]:
    words = _WORDS[language]
    emotion, feels = _letters(entry, "emotion_choices", "emotion_label")
    cause, why = _letters(entry, "cause_choices", "cause_label")
    questions = [(words["emotion"], emotion), (words["cause"], cause)]
    return {
        "part": text_of(entry, "coarse_category"), "kind": text_of(entry, "finegrained_category")
        if "finegrained_category" in entry[1] else "",
        "answers": {"answer_q1": feels, "answer_q2": why}, **_asked("eu", entry, language, questions),
    }  # fmt: skip


def _application(entry: Entry, language: str) -> dict[str, Any]:
    words: Any = _WORDS[language]
    choices, right = _letters(entry, "choices", "label")
    kind = text_of(entry, "question type")
    if kind.lower() not in words["kinds"]:
        raise merc.MercError(f"{entry[0]}: 'question type' is {kind!r}; it is Action or Response")
    question = words["act"].replace("{kind}", words["kinds"][kind.lower()])
    return {
        "part": text_of(entry, "category"), "kind": kind, "answers": {"answer": right},
        **_asked("ea", entry, language, [(question, choices)]),
    }  # fmt: skip


def _asked(task: str, entry: Entry, language: str, questions: list[tuple[Any, str]]) -> dict[str, str]:
    """The question in both ways: for the answer alone, and for reasoning first."""
    words: Any = _WORDS[language]
    subject = text_of(entry, "subject")
    lines = [f"{words['scenario']}: {text_of(entry, 'scenario')}"]
    for number, (question, choices) in enumerate(questions, start=1):
        which = f" {number}" if len(questions) > 1 else ""
        lines.append(f"{words['question']}{which}: {question.replace('{subject}', subject)}")
        lines.append(f"{words['choices']}{which}:\n{choices}")
    text = "\n\n".join(lines)
    return {
        "question": f"{text}\n\n{words['base'].replace('{form}', _FORM[task])}",
        "question_cot": f"{text}\n\n{words['reasoned'].replace('{form}', _REASONED[task])}",
    }


def _letters(entry: Entry, choices: str, label: str) -> tuple[str, str]:
    """The choices by letter, a line each, and the letter of the right one."""
    texts, right = texts_of(entry, choices), text_of(entry, label)
    if texts.count(right) != 1:
        raise merc.MercError(f"{entry[0]}: {label!r} is {right!r}, which is {texts.count(right)} times in {choices!r}")
    letters = string.ascii_uppercase
    listed = "\n".join(f"{letter}) {text}" for letter, text in zip(letters, texts, strict=False))
    return listed, letters[texts.index(right)]
