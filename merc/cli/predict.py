"""``merc predict``: say the emotions in conversations or a clip."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from merc.errors import MercError

if TYPE_CHECKING:
    from merc.cli.progress import TerminalReporter
    from merc.conversation import Conversation
    from merc.cues import CueTable
    from merc.features import FeatureTable
    from merc.run.inference import TrainedRun

MAY_CHANGE = ("evaluate", "engine", "features")


def command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The directory of a trained run.")],
    source: Annotated[
        Path, typer.Argument(metavar="INPUT", help="Conversations (.jsonl), or a clip: .mp4 .mkv .webm .wav .mp3 …")
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="key=value…", help="Values to change, in evaluate.*, engine.* and features.*"),
    ] = None,
    text: Annotated[str | None, typer.Option(help="The words of the clip; '' where nothing is said.")] = None,
    speaker: Annotated[str | None, typer.Option(help="Who speaks in the clip.")] = None,
    output: Annotated[Path | None, typer.Option(help="A file to write, in place of standard output.")] = None,
) -> None:
    """Say the emotion of every utterance, one JSON object a line: id, label, probabilities, and what was missing.

    An utterance whose prompt is longer than the model's context has no label and says so ("unanswered"); the others are
    answered.

    The lines come in the order of the input, whose conversations stay whole. Everything else goes to standard error.
    """
    import json
    import re
    from dataclasses import replace

    from merc.cli.results import take_standard_output

    results = take_standard_output("utf-8")

    from merc.cli.progress import TerminalReporter
    from merc.files import write_text
    from merc.run.directory import NO_CORPUS
    from merc.run.given import is_clip
    from merc.run.inference import (
        as_record,
        ask,
        check_changes,
        check_run,
        encode_for,
        load_model,
        open_run,
        predict,
        too_long,
    )

    check_changes(overrides or [], MAY_CHANGE)
    if any(re.match(r"evaluate\.parts(_seed)?=", change) for change in overrides or []):
        raise MercError("evaluate.parts is of evaluations: merc predict divides no recording; take it out")
    if output is not None:
        _check_output(output)
    # What the run was trained on is read only where its prompts show some of it as demonstrations. Else it need not be
    # there, nor need the plugin that reads it.
    trained = open_run(run, [*(overrides or []), NO_CORPUS])
    reporter = TerminalReporter()
    conversations = _read(source, text, speaker, trained, reporter)
    check_run(trained, reporter.say)
    conversations, cues = _annotated(conversations, trained, reporter)
    asked = ask(trained, conversations, reporter, reporter.say)
    table = encode_for(trained, conversations, reporter, asked.shown)
    if is_clip(source):
        _check_clip(source, conversations[0], trained, table, reporter)
    else:
        for (stream, utterance), reason in table.missing.items():
            reporter.say(f"{stream}: {utterance}: {reason}")
    for note in table.notes:
        reporter.say(note)
    model = load_model(trained, table, reporter, reporter.say)
    asked = replace(asked, unanswered={})
    found = predict(trained, model, table, asked, reporter, cues=cues)
    if asked.unanswered:
        reporter.say(
            f"{too_long(asked.unanswered, len(found), model.context)}; nothing is cut: give them in shorter utterances "
            "or conversations, or evaluate.prompter with a shorter `history`"
        )
    records = [as_record(p, trained.how, (asked.unanswered or {}).get(p.id)) for p in found]
    lines = "".join(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n" for record in records)
    if output is not None:
        write_text(output, lines)
    else:
        results.write(lines)
        results.flush()


def _check_output(path: Path) -> None:
    """See that a file can be written before the work that fills it is done."""
    if path.is_dir():
        raise MercError(f"--output {path} is a folder; give a file in it")
    if not path.absolute().parent.is_dir():
        raise MercError(f"--output {path}: there is no folder {path.absolute().parent}")


def _read(
    source: Path, text: str | None, speaker: str | None, run: TrainedRun, reporter: TerminalReporter
) -> list[Conversation]:
    from merc.run.data import encoders_of
    from merc.run.given import is_clip, needs_words, read_clip, read_conversations

    if source.is_dir():
        raise MercError(f"{source} is a folder; give one of the clips in it, or a .jsonl file of conversations")
    if not is_clip(source):
        if text is not None or speaker is not None:
            raise MercError(f"--text and --speaker belong to a clip; {source} holds the words of its conversations")
        conversations, notes = read_conversations(source, run.labels)
        for note in notes:
            reporter.say(note)
        return conversations
    conversation = read_clip(source, text, speaker, run.recipe)
    encoders = encoders_of(run.recipe, run.prompter.streams())
    if text is None and needs_words(run.prompter, encoders, run.labels):
        raise MercError(
            f'this run goes by the words too: say what is said in {source}, as in --text "I can\'t believe it", '
            "or --text '' if nothing is"
        )
    if not encoders:
        reporter.say(f"the prompts of this run show words alone: nothing of {source} but --text counts")
    return [conversation]


def _annotated(
    conversations: list[Conversation], run: TrainedRun, reporter: TerminalReporter
) -> tuple[list[Conversation], CueTable]:
    """The conversations with the cues that the run's prompts show: the run's own annotators are asked for them."""
    from merc.run.annotating import annotate_input, note_cues

    asking = [("", run.prompter)]
    cues = annotate_input(run.recipe, asking, conversations, reporter, run.device)
    note_cues(run.recipe, asking, cues, lambda fields: conversations, reporter.say)
    for name in run.recipe.annotators:
        for utterance, reason in cues.missing(name).items():
            reporter.say(f"annotators.{name}: {utterance}: {reason}")
    return cues.beside(conversations), cues


def _check_clip(
    source: Path, clip: Conversation, run: TrainedRun, table: FeatureTable, reporter: TerminalReporter
) -> None:
    """Say what is missing of a clip. Raises MercError when nothing of it can be used."""
    from merc.components import Encoder, Words
    from merc.run.data import encoders_of

    said = clip.utterances[0].id
    reasons = {stream: reason for (stream, one), reason in table.missing.items() if one == said}
    parts = encoders_of(run.recipe, run.prompter.streams()).items()
    media = [n for n, p in parts if isinstance(p.component, Encoder) and not isinstance(p.component.sampling(), Words)]
    listed = [f"{stream}: {reason}" for stream, reason in reasons.items()]
    if media and all(stream in reasons for stream in media):
        raise MercError(f"nothing of {source} can be used: {'; '.join(listed)}")
    for sentence in listed:
        reporter.say(sentence)
