"""From what a client sends to what a session predicts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import merc
from merc_serve.uploads import Uploads

_UTTERANCE = {"id": str, "text": str, "speaker": str, "video": str, "audio": str, "start": float, "end": float}
_MOST_SECONDS = 1e9
_ONE = ("id", "text", "speaker", "video", "audio")


def read_requests(body: Any, uploads: Uploads, most: int) -> list[Any]:
    """What to predict of a JSON body.

    ``{"text": "...", "speaker": "..."}`` is one utterance; ``{"utterances": [...]}`` one conversation, and
    ``{"conversations": [{"id": "...", "utterances": [...]}]}`` several. ``video`` and ``audio`` name files that were
    sent with it.

    Args:
        body: Parsed JSON.
        uploads: The files that were sent with it.
        most: How many utterances there may be.

    Raises:
        merc.MercError: It has another form, or names a file that was not sent.
    """
    if not isinstance(body, Mapping):
        raise merc.MercError(f"the body is {_kind(body)}; an object is expected: text, utterances or conversations")
    forms = [key for key in ("conversations", "utterances") if key in body]
    if len(forms) == 2:
        raise merc.MercError("the body has conversations and utterances; give one of them")
    if not forms:
        return [_one(body, uploads)]
    talks = body["conversations"] if forms == ["conversations"] else [body]
    if not isinstance(talks, Sequence) or isinstance(talks, str) or not talks:
        raise merc.MercError("conversations is a list of objects, each with an id and utterances, and not empty")
    conversations = [_conversation(talk, uploads, f"conversations[{n}]") for n, talk in enumerate(talks)]
    count = sum(len(talk.utterances) for talk in conversations)
    if count > most:
        raise merc.MercError(f"the request has {count} utterances, and at most {most} are answered; send several")
    return list(conversations)


def _one(body: Mapping[str, Any], uploads: Uploads) -> dict[str, Any] | Path:
    """A recording, or one utterance, with a name that its content gives it: clients that ask different things are
    answered together."""
    fields = _checked(body, _ONE, "the body")
    if len(fields) == 1 and (file := fields.get("video") or fields.get("audio")):
        return uploads.named(file, "the body")  # a recording, whose words are heard where something is there to hear it
    if not fields.keys() & {"text", "video", "audio"}:
        raise merc.MercError('the body says nothing to predict; give "text", a file, "utterances" or "conversations"')
    sent = json.dumps(fields, sort_keys=True, ensure_ascii=True).encode()
    for key in ("video", "audio"):
        if key in fields:
            fields[key] = uploads.named(fields[key], key)
            sent += merc.hash_file(fields[key]).encode()
    return {"id": f"input-{hashlib.sha256(sent).hexdigest()[:12]}", **fields}


def _conversation(talk: Any, uploads: Uploads, where: str) -> merc.Conversation:
    if not isinstance(talk, Mapping):
        raise merc.MercError(f"{where} is {_kind(talk)}; an object with utterances is expected")
    name, utterances = talk.get("id", "conversation"), talk.get("utterances")
    if unknown := [key for key in talk if key not in ("id", "utterances")]:
        raise merc.MercError(f"{where}: {unknown[0]!r} is none of id, utterances")
    if not isinstance(name, str) or not name:
        raise merc.MercError(f"{where}.id is {name!r}; a text is expected")
    if not isinstance(utterances, Sequence) or isinstance(utterances, str) or not utterances:
        raise merc.MercError(f"{where}.utterances is a list of objects, and not empty")
    read = []
    for number, item in enumerate(utterances):
        at = f"{where}.utterances[{number}]"
        fields = _checked(item, tuple(_UTTERANCE), at)
        if "text" not in fields:
            raise merc.MercError(f'{at} has no text; give "" where nothing is said')
        files: dict[str, Path] = {
            key: uploads.named(fields.pop(key), f"{at}.{key}") for key in ("video", "audio") if key in fields
        }
        read.append(merc.Utterance(**{"id": f"{name}-{number + 1}", **fields, **files}))
    ids = [utterance.id for utterance in read]
    if twice := [one for number, one in enumerate(ids) if one in ids[:number]]:
        raise merc.MercError(f"{where}: two utterances have the id {twice[0]!r}; give each its own")
    return merc.Conversation(id=name, utterances=tuple(read))


def _checked(record: Any, keys: Sequence[str], where: str) -> dict[str, Any]:
    if not isinstance(record, Mapping):
        raise merc.MercError(f"{where} is {_kind(record)}; an object is expected")
    fields: dict[str, Any] = {}
    for key, value in record.items():
        if key not in keys:
            raise merc.MercError(f"{where}: {key!r} is none of {', '.join(keys)}")
        if value is None:
            continue
        kind = _UTTERANCE[key]
        if isinstance(value, bool) or not isinstance(value, (int, float) if kind is float else kind):
            expected = "a number of seconds" if kind is float else "a text"
            raise merc.MercError(f"{where}.{key} is {_kind(value)}; {expected} is expected")
        if kind is float and not abs(value) < _MOST_SECONDS:
            raise merc.MercError(f"{where}.{key} is no number of seconds that a recording has")
        fields[key] = value
    return fields


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
