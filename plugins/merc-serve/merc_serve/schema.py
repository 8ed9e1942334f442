"""What the page of the API shows of requests and answers."""

from __future__ import annotations

from typing import Any

_UTTERANCE = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "text": {"type": "string", "description": 'The words; "" where nothing is said.'},
        "speaker": {"type": "string"},
        "video": {"type": "string", "description": "The name of a file that is sent with the request."},
        "audio": {"type": "string", "description": "The name of a file that is sent with the request."},
        "start": {"type": "number", "description": "Seconds within the file."},
        "end": {"type": "number", "description": "Seconds within the file."},
    },
}
_TALK = {"utterances": {"type": "array", "items": _UTTERANCE, "minItems": 1}}
_BODY = {
    "type": "object",
    "properties": {
        **_UTTERANCE["properties"],  # type: ignore[dict-item]
        **_TALK,
        "conversations": {
            "type": "array",
            "items": {"type": "object", "properties": {"id": {"type": "string"}, **_TALK}, "required": ["utterances"]},
        },
    },
    "example": {"utterances": [{"speaker": "Ann", "text": "You came!"}, {"speaker": "Bo", "text": "I said I would."}]},
}
PREDICT: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": _BODY},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "request": {"type": "string", "description": "The JSON of the other form."},
                        "text": {"type": "string"},
                        "speaker": {"type": "string"},
                        "media": {"type": "array", "items": {"type": "string", "format": "binary"}},
                    },
                }
            },
        },
    }
}
_FILE = {"type": "object", "properties": {"media": {"type": "string", "format": "binary"}}, "required": ["media"]}
TRANSCRIBE: dict[str, Any] = {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FILE}}}}
_ERROR = {"content": {"application/json": {"example": {"error": "a sentence"}}}}
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A line of `merc predict` for each utterance.",
        "content": {
            "application/json": {
                "example": {
                    "predictions": [
                        {
                            "id": "conversation-1",
                            "conversation": "conversation",
                            "speaker": "Ann",
                            "text": "You came!",
                            "label": "joy",
                            "probabilities": {"joy": 0.9, "anger": 0.1},
                            "missing": {},
                        }
                    ]
                }
            }
        },
    },
    400: {"description": "The body cannot be read.", **_ERROR},
    413: {"description": "The body is too large.", **_ERROR},
    415: {"description": "The body is of another type.", **_ERROR},
    422: {"description": "Nothing can be predicted of it; the sentence says why.", **_ERROR},
    429: {"description": "Too many requests wait.", **_ERROR},
    504: {"description": "There was no answer in time.", **_ERROR},
}
