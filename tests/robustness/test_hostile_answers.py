"""What a teacher may answer: whatever it is, the pass goes on, and what reaches a prompt can be shown."""

import json
import random
from pathlib import Path

import pytest

import merc
from merc.cues import CueStore, PassOptions, annotate
from merc.passes import Hashes
from merc.recipe import ComponentRef
from tests.media.clips import write_clip
from tests.robustness.test_hostile_servers import CUES, NESTED, Hostile, at_once, completion, http, with_consent

pytest.importorskip("openai")
pytest.importorskip("merc_bemerc")

from merc_bemerc.answers import Fault, read
from merc_bemerc.openai_compatible import OpenAICompatible

__all__ = ["with_consent"]  # a fixture
GOOD = json.dumps(CUES)
PIECES = [
    '{"', '":', "null", "[" * 1000, "{" * 1000, '{"a":' * 1000, "9" * 5000, "1e999", "NaN", "\\ud800", "\ud800", "\x00",
    "\x1b[2J", "\u202e", "```json", "</think>", "<think>", ",", '"face"', '"face": "x",', "\\u0000", "\n" * 50,
    "é" * 300,
]  # fmt: skip


def mutated(random_: random.Random) -> str:
    """A good answer, a few times cut, doubled, or with something put into it."""
    text = GOOD
    for _ in range(random_.randint(1, 4)):
        at = random_.randrange(len(text) + 1)
        how = random_.randrange(4)
        if how == 0:
            text = text[:at]
        elif how == 1:
            text = text[:at] + random_.choice(PIECES) + text[at:]
        elif how == 2:
            text = text[at:] + text[:at]
        else:
            text = text[:at] + text[at + random_.randint(1, 9) :]
    return text


def test_any_answer_is_read_or_has_a_fault(rounds, fuzz_seed):
    random_ = random.Random(fuzz_seed)
    fitted = 0
    for _ in range(rounds(300, 20_000)):
        answer = mutated(random_)
        try:
            cues = read(answer)
        except Fault as fault:
            assert str(fault) and len(str(fault)) < 2000, answer
        else:
            fitted += 1
            assert set(cues) <= set(CUES), answer
    assert fitted


@pytest.mark.parametrize(
    "answer",
    [NESTED[:50_000], '{"face": ' + "[" * 1000, "x" * 22_000_000, "", "\x00" * 9],
    ids=["nested list", "nested field", "huge", "empty", "zeros"],
)
@pytest.mark.usefixtures("with_consent")
def test_a_pass_goes_on_after_any_answer(tmp_path: Path, answer: str) -> None:
    clip = write_clip(tmp_path / "a.mp4", frames=10)
    said = tuple(merc.Utterance(id=f"u{n}", text=f"Line {n}.", speaker="Ann", video=clip) for n in range(3))
    talk = merc.Conversation(id="c", utterances=said)

    def behave(client: object) -> None:
        asked = json.loads(server.requests[-1].partition(b"\r\n\r\n")[2])["messages"][0]["content"][-1]["text"]
        bad = 'Ann: "Line 1."' in asked and "Line 2" not in asked
        at_once(http(completion(answer if bad else GOOD.replace("smiles", "smi\\u001b[31mles\\u202e"))))(client)

    server = Hostile(behave)
    teacher = OpenAICompatible(
        base_url=server.url, model="m", frames=2, retries=0, timeout=20.0, attempts=2, concurrency=1
    )
    part = ComponentRef(name="openai-compatible", params={}, component=teacher)

    def fill(**more):
        return annotate(
            CueStore(tmp_path / "cues"), {"it": part}, [talk], None, Hashes(tmp_path / "h.json"), PassOptions(**more)
        )

    table = fill()
    assert set(table.missing("it")) == {"u1"} and table.to_retry("it") == []
    assert table.answers["it", "u2"].cues == {**CUES, "face": "She smi[31mles."}
    assert len([note for note in table.notes if "control characters" in note]) == 1
    (file,) = (tmp_path / "cues").glob("*.jsonl")
    assert file.stat().st_size < 300_000
    assert fill().asked == {"it": 0}
    assert fill(again_refused=True).asked == {"it": 1}
    server.listener.close()
