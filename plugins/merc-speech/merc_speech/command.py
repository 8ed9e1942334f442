"""``merc transcribe``: recordings to conversations, with who says what and when."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import merc


def command(
    recordings: Annotated[
        list[Path], typer.Argument(metavar="RECORDING...", help="Files with sound (.mp4 .wav …), or folders of them.")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file of conversations to write, .jsonl.")
    ] = None,
    segmenter: Annotated[
        str | None, typer.Option(help="What finds speech, by name: silero, 'speaker-clusters speakers=2' …")
    ] = None,
    transcriber: Annotated[
        str | None, typer.Option(help="What writes it down: whisper-tiny, 'whisper path=./whisper-small' …")
    ] = None,
    device: Annotated[str, typer.Option(help="Where they compute: cpu or cuda.")] = "cpu",
    workers: Annotated[
        str | None, typer.Option(help="Who hears them: 'ray address=auto' of merc-ray; by default this process.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the command was interrupted.")] = False,
) -> None:
    """Write down what is said in recordings, and when: a conversation for each, an utterance for each sentence.

    Conversations are JSON Lines as merc reads them, with speaker, start, end, text and the path of the recording, and
    beside each utterance its words with their times and probabilities. With --output, utterances are kept in FILE.part
    as they come, and FILE is there when all recordings are heard; --resume goes on after an interruption. What is heard
    is shown on standard error meanwhile, and what is not is counted there.
    """
    from merc_speech.elsewhere import Elsewhere
    from merc_speech.transcribing import Transcribing

    if resume and output is None:
        raise merc.MercError("--resume goes on with a file: give it, as in --output talk.jsonl --resume")
    listener = merc.Listener(segmenter, transcriber, device=device)
    transcribing = Transcribing(listener, recordings, output, resume)
    others = merc.workers_at(workers) if workers is not None else None
    if others is not None:
        transcribing.hear_elsewhere(
            Elsewhere(workers=others, segmenter=segmenter, transcriber=transcriber, device=device)
        )
    transcribing.run()
