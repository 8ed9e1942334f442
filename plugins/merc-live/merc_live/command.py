"""``merc live``: the emotions of people while they speak."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

import merc


def command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The directory of a trained run.")],
    changes: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[key=value…]",
            help="Values to change, in evaluate.*, strategy.* and features.*, and what hears: "
            "listen.segmenter='NAME key=value…' and listen.transcriber='NAME key=value…'",
        ),
    ] = None,
    replay: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Play this file as if it came from microphone and camera.")
    ] = None,
    speed: Annotated[
        float, typer.Option(min=0.0, help="How many times as fast the file is played; 0: as fast as it is answered.")
    ] = 1.0,
    microphone: Annotated[
        str | None, typer.Option(metavar="DEVICE", help="Which microphone, by number or a part of its name.")
    ] = None,
    speaker: Annotated[str | None, typer.Option(help="Who speaks.")] = None,
    history: Annotated[
        int, typer.Option(min=0, help="Utterances that are kept before the one that is asked about; 0: all.")
    ] = 60,
) -> None:
    """Say the emotions of people while they speak, into the microphone or in a file that is played: an event a line, as
    JSON.

    "provisional" comes twice a second while somebody speaks, from face and voice and the words that are known, and
    "missing" says what is not known yet. "final" comes when the speaker pauses. Both have start, end, speaker, text,
    label, probabilities, how many utterances before it the model was shown ("context"), and "latency", the seconds of
    each part. "note" says what was not heard. Ctrl-C answers what was said so far, and ends.
    """
    from merc_live.engine import Engine
    from merc_live.microphone import Microphone
    from merc_live.replay import replay as play

    if replay is not None and microphone is not None:
        raise merc.MercError("--replay and --microphone are two sources of sound; give one of them")
    values, parts = _changes(changes or [])
    heard = None if replay is not None else Microphone(microphone)
    if replay is not None and not merc.probe_media(replay).audio:
        raise merc.MercError(f"{replay.name} has no audio track, so nothing is heard in it")
    session = merc.load(run, **values)
    listener = merc.Listener(**parts, device=session.device) if parts else None
    failed: list[str] = []

    def say(event: dict[str, object]) -> None:
        if event["type"] == "error":
            failed.append(str(event["error"]))
        else:
            typer.echo(json.dumps(event, ensure_ascii=False))

    name = "live" if replay is None else replay.stem
    engine = Engine(session, say, listener=listener, speaker=speaker, history=history, name=name)
    engine.load()
    engine.ready(run.resolve().name)
    fault: merc.MercError | None = None
    try:
        if heard is None:
            assert replay is not None
            play(engine, replay, speed)
        else:
            typer.echo("listening; Ctrl-C ends", err=True)
            with heard:
                for samples in heard:
                    if not engine.sound(samples):
                        break
    except KeyboardInterrupt:
        typer.echo("answering what was said; Ctrl-C again ends at once", err=True)
    except merc.MercError as error:  # what was played before is answered
        fault = error
    engine.end()
    if heard is not None and heard.lost:
        typer.echo(f"· sound was lost {heard.lost} times, since this machine was too busy to take it", err=True)
    if engine.fault is not None:
        raise engine.fault
    if failed:
        raise merc.MercError(failed[0])
    if fault is not None:
        raise fault


def _changes(changes: list[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """``key=value`` changes of the run, and what hears."""
    values: dict[str, Any] = {}
    parts: dict[str, str] = {}
    for change in changes:
        key, equals, text = change.partition("=")
        if not equals:
            raise merc.MercError(
                f"{change!r} changes nothing; write key=value, or --replay {change} for a file to play"
            )
        if not key.startswith("listen."):
            try:
                values[key] = json.loads(text)
            except ValueError:
                values[key] = text
        elif (kind := key.removeprefix("listen.")) in ("segmenter", "transcriber"):
            parts[kind] = text
        else:
            raise merc.MercError(f"{key} is no value to change; listen.segmenter and listen.transcriber are")
    return values, parts
