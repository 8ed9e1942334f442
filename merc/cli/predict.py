"""``merc predict``: say the emotions in conversations and clips."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from merc.errors import MercError

if TYPE_CHECKING:
    from merc.cli.line_output import LineOutput
    from merc.cli.predict_input import Given
    from merc.cli.progress import TerminalReporter
    from merc.components import Prediction, Query
    from merc.conversation import Conversation
    from merc.cues import CueTable
    from merc.features import FeatureTable
    from merc.model.emotion_model import EmotionModel
    from merc.session.inference import Asked, TrainedRun

MAY_CHANGE = ("evaluate", "strategy", "features")
_CHANGE = re.compile(r"[a-z_]+(\.[\w.-]+)*=")


def command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The directory of a trained run.")],
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT... [key=value…]",
            help="Conversations (.jsonl), clips (.mp4 .mkv .webm .wav .mp3 …), folders of clips, or - for standard "
            "input; and values to change, in evaluate.*, strategy.* and features.*",
        ),
    ],
    text: Annotated[str | None, typer.Option(help="The words of the clip; '' where nothing is said.")] = None,
    speaker: Annotated[str | None, typer.Option(help="Who speaks in the clips.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "--out", help="A file to write, in place of standard output.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the file of --output.")] = False,
) -> None:
    """Say the emotion of every utterance, one JSON object a line: id, conversation, speaker, text, start and end where
    they are known, then label, probabilities, and what was missing.

    Each clip is a conversation of its own. Lines are written conversation by conversation, in the order of the input,
    and from standard input, which holds conversations as a .jsonl file does, as they come.

    An utterance whose prompt is longer than the model's context has no label and says so ("unanswered"), and so does
    one of several clips of which nothing can be used; the others are answered.

    With --output the lines stand in FILE.part until all are there; --resume goes on after an interruption, or with
    inputs that came since. Everything else goes to standard error.
    """
    from merc.cli.results import take_standard_output

    results = take_standard_output("utf-8")

    from merc.cli.line_output import LineOutput
    from merc.cli.predict_input import read_inputs
    from merc.cli.progress import TerminalReporter
    from merc.files import fault_of_path
    from merc.session.directory import NO_CORPUS
    from merc.session.inference import check_changes, check_run, open_run

    changes = [one for one in inputs if _CHANGE.match(one) and fault_of_path(Path(one))]
    sources = [one for one in inputs if one not in changes]
    check_changes(changes, MAY_CHANGE)
    if any(re.match(r"evaluate\.parts(_seed)?=", change) for change in changes):
        raise MercError("evaluate.segments is of evaluations: merc predict divides no recording; take it out")
    if not sources:
        raise MercError("there is no input; give clips, folders, .jsonl files of conversations, or -")
    lines = LineOutput(results, output, resume)
    # What the run was trained on is read only where its prompts show some of it as demonstrations. Else it need not be
    # there, nor need the plugin that reads it.
    trained = open_run(run, [*changes, NO_CORPUS])
    reporter = TerminalReporter()
    session = _Session(trained, lines, reporter)
    for number, block in enumerate(read_inputs(sources, text, speaker, trained, reporter.say)):
        if number == 0:
            check_run(trained, reporter.say)
        session.answer(block)
    session.finish()


class _Session:
    """A run that answers blocks of conversations; its model is loaded for the first."""

    def __init__(self, run: TrainedRun, lines: LineOutput, reporter: TerminalReporter) -> None:
        self.run, self.lines, self.reporter = run, lines, reporter
        self.model: EmotionModel | None = None
        self.unanswered: dict[str, int] = {}
        self.asked = self.answered = 0
        self.held: list[list[dict[str, Any]]] = []
        self.last: list[list[Query]] = []

    def answer(self, block: Sequence[Given]) -> None:
        """Write the lines of the conversations that are not written yet."""
        from merc.session.data import FeatureCache
        from merc.session.inference import ask, encode_for, load_model

        block = [one for one in block if not self._is_done(one.conversation)]
        todo = [one.conversation for one in block if not one.fault]
        if todo:
            conversations, cues = self._annotated(todo)
            asked = ask(self.run, conversations, self.reporter, self.reporter.say)
            table = encode_for(self.run, conversations, self.reporter, asked.shown)
            block = [self._checked(one, table, len(block) == 1 and self.model is None) for one in block]
            self._say_missing(block, table)
            if self.model is None:
                self.model = load_model(self.run, table, self.reporter, self.reporter.say)
            self.model.media.source = FeatureCache(table)
            self._predict(block, asked, table, cues)
        else:
            for one in block:
                self._write([self._faulty(one)])

    def finish(self) -> None:
        """Say what got no answer. Raises MercError where nothing got one."""
        from merc.session.demonstrations import check_length
        from merc.session.inference import too_long

        if self.unanswered and self.model is not None:
            sentence = too_long(self.unanswered, self.asked, self.model.context)
            if len(self.unanswered) == self.asked:
                check_length("evaluate.demonstrations", self.model, self.run.prompter, self.last)
                raise MercError(sentence)
            self.reporter.say(
                f"{sentence}; nothing is cut: give them in shorter utterances or conversations, or evaluate.prompter "
                "with a shorter `history`"
            )
        if self.held:
            raise MercError(f"none of {len(self.held)} conversations could be answered; the notes above say why")
        self.lines.finish()

    def _is_done(self, talk: Conversation) -> bool:
        done = self.lines.done.get(talk.id)
        if done is not None and done != [u.id for u in talk.utterances]:
            raise MercError(f"{self.lines.path} has other utterances of conversation {talk.id!r}: it is of other input")
        return done is not None

    def _predict(self, block: Sequence[Given], asked: Asked, table: FeatureTable, cues: CueTable) -> None:
        from merc.session.inference import predict
        from merc.session.reporter import Silent

        assert self.model is not None
        groups = {group[0].conversation.id: group for group in asked.groups if group}
        with self.reporter.task("predict") as progress:
            for number, one in enumerate(block):
                group = groups.get(one.conversation.id, [])
                if one.fault:
                    self._write([self._faulty(one)])
                elif group:
                    here = replace(asked, groups=[group], unanswered={})
                    found = predict(self.run, self.model, table, here, Silent(), cues=cues, say=self.reporter.say)
                    self._add(group, found, here.unanswered or {})
                progress((number + 1) / len(block), f"{number + 1}/{len(block)}")

    def _add(self, group: list[Query], found: Sequence[Prediction], unanswered: dict[str, int]) -> None:
        from merc.session.inference import as_record

        self.asked += len(found)
        self.answered += len(found) - len(unanswered)
        self.unanswered |= unanswered
        if unanswered:
            self.last = [group]
        records = [as_record(one, self.run.how, unanswered.get(one.id)) for one in found]
        self._write([_with_input(r, q) for r, q in zip(records, group, strict=True)])

    def _write(self, records: list[dict[str, Any]]) -> None:
        """Write lines, and before them those that were held back: lines without an answer wait for the first with one,
        since a command that answers nothing has failed."""
        self.held.append(records)
        if self.answered or self.lines.done:
            for held in self.held:
                self.lines.write(held)
            self.held = []

    def _annotated(self, conversations: list[Conversation]) -> tuple[list[Conversation], CueTable]:
        """The conversations with the cues that the run's prompts show: its own annotators are asked for them."""
        from merc.session.cues import annotate_input, note_cues

        asking = [("", self.run.prompter)]
        cues = annotate_input(self.run.recipe, asking, conversations, self.reporter, self.run.device)
        note_cues(self.run.recipe, asking, cues, lambda fields: conversations, self.reporter.say)
        for name in self.run.recipe.annotators:
            for utterance, reason in cues.missing(name).items():
                self.reporter.say(f"annotators.{name}: {utterance}: {reason}")
        return cues.beside(conversations), cues

    def _checked(self, one: Given, table: FeatureTable, alone: bool) -> Given:
        """A clip with a fault where nothing of it can be used. Raises MercError where it is the only input."""
        from merc.components import Encoder, Words
        from merc.session.data import encoders_of

        if one.clip is None or one.fault:
            return one
        said = one.conversation.utterances[0].id
        reasons = {stream: reason for (stream, utterance), reason in table.missing.items() if utterance == said}
        parts = encoders_of(self.run.recipe, self.run.prompter.streams()).items()
        media = [
            n for n, p in parts if isinstance(p.component, Encoder) and not isinstance(p.component.sampling(), Words)
        ]
        if not media or not all(stream in reasons for stream in media):
            return one
        fault = f"nothing of {one.clip} can be used: {'; '.join(f'{s}: {reason}' for s, reason in reasons.items())}"
        if alone:
            raise MercError(fault)
        return replace(one, fault=fault)

    def _say_missing(self, block: Sequence[Given], table: FeatureTable) -> None:
        clips = {one.conversation.id for one in block if one.clip is not None}
        for (stream, utterance), reason in table.missing.items():
            self.reporter.say(f"{stream}: {reason}" if utterance in clips else f"{stream}: {utterance}: {reason}")
        for note in table.notes:
            self.reporter.say(note)

    def _faulty(self, one: Given) -> dict[str, Any]:
        """The line of a clip of which nothing can be used; it is said as well."""
        self.reporter.say(one.fault)
        name = one.conversation.id
        return {"id": name, "conversation": name, "label": None, "missing": {}, "unanswered": one.fault}


def _with_input(record: dict[str, Any], query: Query) -> dict[str, Any]:
    """A line with what is known of the utterance; a text that the model wrote is ``answer`` in it."""
    said = query.target
    known = {"speaker": said.speaker, "text": said.text or None, "start": said.start, "end": said.end}
    rest = {"answer" if key == "text" else key: value for key, value in record.items() if key != "id"}
    given = {key: value for key, value in known.items() if value is not None}
    return {"id": record["id"], "conversation": query.conversation.id, **given, **rest}
