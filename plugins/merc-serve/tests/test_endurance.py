"""Ten thousand requests, one in twenty malformed: each answer is right or a clear 4xx, and nothing is left behind.
``make endurance`` runs it."""

from __future__ import annotations

import os
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

import merc
from tests.endurance import memory, open_files, requests

pytestmark = [pytest.mark.endurance, pytest.mark.skipif("MERC_ENDURANCE" not in os.environ, reason="make endurance")]

CLIENTS = 8
_GROWTH = 48.0
JSON = {"content-type": "application/json"}
MALFORMED: list[tuple[int, dict[str, Any]]] = [
    (400, {"content": b"{", "headers": JSON}),
    (400, {"content": b"\xff\x00" * 500, "headers": JSON}),
    (400, {"content": b'{"text": NaN}', "headers": JSON}),
    (415, {"content": b"hello", "headers": {"content-type": "text/plain"}}),
    (422, {"json": {}}),
    (422, {"json": {"text": 7}}),
    (422, {"json": {"text": "a", "video": "/etc/passwd"}}),
    (422, {"json": {"utterances": [{"text": "a"}] * 600}}),
    (422, {"data": {"text": "a"}, "files": {"media": ("talk.mp4", b"PK\x03\x04 no film")}}),
    (422, {"data": {"text": "a"}, "files": {"media": ("../../talk.wav", b"")}}),
]


def test_ten_thousand_requests(session: merc.Session, serve: Any) -> None:
    texts = [f"Sentence {number}, and what it says." for number in range(40)]
    wanted = {text: session.predict({"text": text})[0] for text in texts}
    total, wrong = requests(), list[str]()
    used: list[float] = []
    done = threading.Lock()
    with serve(session) as client, ThreadPoolExecutor(CLIENTS) as pool:
        address = str(client.base_url)
        own = [httpx.Client(base_url=address, timeout=120) for _ in range(CLIENTS)]

        def ask(number: int) -> None:
            http = own[number % CLIENTS]
            if number % 20 == 7:
                status, options = MALFORMED[number // 20 % len(MALFORMED)]
                answer = http.post("/v1/predict", **options)
                sentence = answer.json().get("error", "")
                if answer.status_code != status or not sentence or "Traceback" in sentence:
                    wrong.append(f"{number}: {answer.status_code} {answer.text[:200]}")
            else:
                text = texts[number * 7 % len(texts)]
                answer = http.post("/v1/predict", json={"text": text})
                (record,) = answer.json().get("predictions", [{}])
                same = record.get("probabilities") == pytest.approx(dict(wanted[text].probabilities or {}), abs=1e-5)
                if answer.status_code != 200 or record.get("label") != wanted[text].label or not same:
                    wrong.append(f"{number}: {answer.status_code} {answer.text[:200]}")
            if number % 500 == 499:
                with done:
                    used.append(memory())

        list(pool.map(ask, range(total // 10)))
        files, threads = open_files(), threading.active_count()
        list(pool.map(ask, range(total // 10, total)))
        after = open_files(), threading.active_count()
        health = client.get("/health").json()
        for one in own:
            one.close()
    print(
        f"{total} requests, {len(wrong)} wrong; memory {used[len(used) // 3]:.0f} and {used[-1]:.0f} MB; open files "
        f"{files} and {after[0]}, threads {threads} and {after[1]}"
    )
    assert not wrong, wrong[:5]
    assert health == {"status": "ok", "waiting": 0}
    assert after[0] <= files + 4 and after[1] <= threads + 4
    assert used[-1] <= used[len(used) // 3] + _GROWTH
    assert not list(Path(tempfile.gettempdir()).glob("merc-serve-*"))
