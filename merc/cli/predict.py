"""``merc predict``: say the emotions in conversations and clips."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from merc.errors import MercError

if TYPE_CHECKING:
    from merc.cli.line_output import LineOutput, Records
    from merc.cli.predict_elsewhere import Lines
    from merc.cli.progress import TerminalReporter
    from merc.session.inputs import Given
    from merc.session.session import Session

_CHANGE = re.compile(r"[a-z_]+(\.[\w.-]+)*=")


def command(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="A trained run: its directory, or a name that merc plugins lists.")
    ],
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[INPUT...] [key=value…]",
            help="Conversations (.jsonl, a table, subtitles), clips (.mp4 .mkv .webm .wav .mp3 …), folders of clips, "
            "or - for standard input; none where --text says it all. And values to change, in evaluate.*, strategy.* "
            "and features.*, what hears recordings: listen.segmenter='NAME key=value…' and "
            "listen.transcriber='NAME key=value…', what reads files that are no clips: "
            "corpus='table columns.text=Line', and who answers: workers='ray address=auto'",
        ),
    ] = None,
    text: Annotated[
        str | None,
        typer.Option(
            help="The words of the clip, which is one utterance then, '' where nothing is said; or, without an INPUT, "
            "what somebody says."
        ),
    ] = None,
    speaker: Annotated[str | None, typer.Option(help="Who speaks in the clips, or says --text.")] = None,
    subtitles: Annotated[
        Path | None, typer.Option(help="The words, speakers and times of the clip: .srt .vtt .ass .eaf .TextGrid.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "--out", help="A file to write, in place of standard output.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the file of --output.")] = False,
) -> None:
    """Say the emotion of every utterance, one JSON object a line: id, conversation, speaker, text, start and end where
    they are known, then label, probabilities, and what was missing.

    Words alone are an utterance of their own: merc predict RUN --text "We won!" --speaker Ann. Each clip is a
    conversation of its own: one utterance with --text, those of --subtitles, or, where merc-speech is
    installed, those that are heard in it, if it is longer than half a minute or the run goes by the words; they are
    answered while the recording is heard. A table, subtitles or another file of conversations is read by the corpus
    that recognises it; what was guessed of its columns is shown, to be corrected with corpus='…'. Lines are written
    conversation by conversation, in the order of the input, and from standard input, which holds conversations as a
    .jsonl file does, as they come.

    An utterance whose prompt is longer than the model's context has no label and says so ("unanswered"), and so does
    one of several clips of which nothing can be used; the others are answered.

    With --output the lines stand in FILE.part until all are there; --resume goes on after an interruption, or with
    inputs that came since. Everything else goes to standard error.
    """
    from merc.cli.results import take_standard_output

    results = take_standard_output("utf-8")

    from merc.cli.lean import import_for_prediction
    from merc.cli.line_output import LineOutput
    from merc.cli.progress import TerminalReporter
    from merc.files import fault_of_path
    from merc.session.journal import Journal

    changes = [one for one in inputs or () if _CHANGE.match(one) and fault_of_path(Path(one))]
    sources = [one for one in inputs or () if one not in changes]
    listening = [one for one in changes if one.startswith("listen.")]
    corpora = [one.removeprefix("corpus=") for one in changes if one.startswith("corpus=")]
    elsewhere = [one.removeprefix("workers=") for one in changes if one.startswith("workers=")]
    changes = [one for one in changes if not one.startswith(("listen.", "corpus=", "workers="))]
    if len(corpora) > 1:
        raise MercError("corpus= is given twice; give the files that another corpus reads in a command of their own")
    if not sources and (text is None or subtitles is not None):
        raise MercError(
            "there is no input; give clips, folders, .jsonl files of conversations, or -, or by --text what somebody "
            "says"
        )
    lines = LineOutput(results, output, resume)
    reporter = TerminalReporter()
    with reporter.task("run"):  # the user sees that something begins before torch and transformers are imported
        import_for_prediction()

        from merc.cli.predict_elsewhere import Inputs, answer_elsewhere, lines_of
        from merc.cli.predict_input import Words
        from merc.session.api import open_session
        from merc.session.distribution import workers_at

        session = open_session(run, changes, Journal(reporter))
    lines.belong_to(session)
    writer = _Writer(session, lines, reporter)
    words = Words(text=text, speaker=speaker, subtitles=subtitles)
    inputs_of = Inputs(sources=sources, words=words, listening=listening, corpora=corpora)
    workers = workers_at(elsewhere[-1]) if elsewhere else None
    if workers is not None:
        session.check()
        for job in answer_elsewhere(workers, session, inputs_of, changes, writer.is_done, reporter):
            for lines_of_one in job:
                writer.take(lines_of_one)
    for number, block in enumerate(inputs_of.read(session) if workers is None else ()):
        if number == 0:
            session.check()
        alone = number == 0 and len(block) == 1
        block = [one for one in block if not writer.is_done(one)]
        for answered in session.answers(block, alone) if block else ():
            writer.take(lines_of(session, answered))
    writer.finish()


class _Writer:
    """Writes what a session answers to blocks of conversations."""

    def __init__(self, session: Session, lines: LineOutput, reporter: TerminalReporter) -> None:
        self.session, self.lines, self.reporter = session, lines, reporter
        self.too_long: dict[str, int] = {}
        self.queried = self.answered = 0
        self.held: list[Records] = []

    def take(self, answer: Lines) -> None:
        """Write the lines of an answer."""
        if not answer.faulty:
            self.queried += len(answer.records)
            self.answered += len(answer.records) - len(answer.too_long)
        self.too_long |= answer.too_long
        # Lines without an answer wait for the first with one, since a command that answers nothing has failed.
        self.held.append(answer.records)
        if self.answered or self.lines.done:
            self._write_held()

    def finish(self) -> None:
        """Say what got no answer. Raises MercError where nothing got one."""
        from merc.session.trained import too_long

        if self.too_long:
            sentence = too_long(self.too_long, self.queried, self.session.load().context)
            if len(self.too_long) == self.queried and not self.lines.done:
                self.session.check_demonstrations()
                raise MercError(sentence)
            self.reporter.say(
                f"{sentence}; nothing is cut: give them in shorter utterances or conversations, or evaluate.prompter "
                "with a shorter `history`"
            )
        if self.held:
            raise MercError(f"none of {len(self.held)} conversations could be answered; the notes above say why")
        self.lines.finish()

    def _write_held(self) -> None:
        for records in self.held:
            self.lines.write(records)
        self.held = []

    def is_done(self, source: Given) -> bool:
        """Whether the lines of an input are there."""
        talk = source.conversation
        done = self.lines.done.get(talk.id)
        if source.listener is None and done is not None and done != [u.id for u in talk.utterances]:
            raise MercError(f"{self.lines.path} has other utterances of conversation {talk.id!r}: it is of other input")
        return done is not None
