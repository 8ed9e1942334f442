import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from merc_bemerc.answers import Fault, accepted, ask_again, read, refused

GOOD = {"face": "She smiles broadly.", "body": "She waves with one hand.", "posture": "She sits upright."}


def said(**changed) -> str:
    return json.dumps({**GOOD, **changed})


@pytest.mark.parametrize(
    "answer",
    [
        json.dumps(GOOD),
        json.dumps(GOOD, indent=2),
        f"```json\n{json.dumps(GOOD)}\n```",
        f"Here it is:\n{json.dumps(GOOD)}\nI hope that this helps.",
        f"<think>She {{seems}} glad.</think>\n{json.dumps(GOOD)}",
    ],
)
def test_an_answer_that_fits(answer):
    assert read(answer) == GOOD


def test_what_cannot_be_seen_is_left_out():
    assert read(said(body=None)) == {"face": GOOD["face"], "posture": GOOD["posture"]}
    assert read(said(face=None, body=None, posture=None)) == {}


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ("", "the answer is empty"),
        ("  \n", "the answer is empty"),
        ("She smiles and waves.", "prose without a JSON object"),
        ('{"face": "She smi', "breaks off within the JSON object"),
        ('{"face": "She smiles.", "body":', "breaks off within the JSON object"),
        ('{"face": "She smiles."', "breaks off within the JSON object"),
        ('{"face": "She smiles.", "body": waves}', "the JSON is broken at character 33"),
        ('{"face": "She smiles."}', "body is missing; posture is missing"),
        (said(mood="glad"), "'mood' is none of the keys face, body, posture"),
        (said(face=["smiles"]), r'face should be a text or null, not \["smiles"\]'),
        (said(face=3), "face should be a text or null, not 3"),
        (said(face="  "), "face says ''; what cannot be seen is null"),
        (said(body="N/A"), "body says 'N/A'; what cannot be seen is null"),
        (said(body="Not visible."), "what cannot be seen is null"),
        (said(face="very " * 81), "face has 81 words; it should have at most 40"),
        (said() + said(), "the answer holds 2 JSON objects"),
        ('{"face": "a b", "face": "c d", "body": null, "posture": null}', "the key 'face' stands twice"),
        ('["a smile"]', "prose without a JSON object"),
    ],
)
def test_an_answer_that_does_not_fit_is_told_why(answer, fault):
    with pytest.raises(Fault, match=fault):
        read(answer)


def test_an_answer_cut_off_at_its_longest_is_told_so():
    with pytest.raises(Fault, match="breaks off"):
        read('{"face": "She smiles.", "body": 1 2', cut=True)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Sie lächelt breit und hebt die Augenbrauen, das Gesicht ist dem Partner zugewandt.", "German"),
        ("Elle sourit, les sourcils sont levés et le regard est vif.", "French"),
        ("Ella sonríe con los ojos abiertos y las cejas están altas.", "Spanish"),
        ("Lei sorride con gli occhi aperti e il viso è rilassato, le labbra sono chiuse.", "Italian"),
        ("Ela sorri com os olhos abertos e o rosto está relaxado, uma mão no queixo.", "Portuguese"),
        ("Ze lacht met het hoofd naar voren en de ogen van haar zijn open.", "Dutch"),
        ("Hon ler och tittar mot dörren.", "Swedish"),
        ("Ona się uśmiecha i patrzy na drzwi.", "Polish"),
        ("Hun smiler og kigger mod døren.", "Danish"),
        ("Gülümsüyor ve kapıya doğru bakıyor.", "Turkish"),
        ("Cô ấy mỉm cười và nhìn về phía cửa.", "Vietnamese"),
        ("她微笑着,眉毛上扬。", "most letters are not Latin"),
        ("Она улыбается.", "most letters are not Latin"),
    ],
)
def test_another_language_is_told(text, language):
    with pytest.raises(Fault, match=f"not in English .*{language}"):
        read(said(face=text, body=None, posture=None))


@pytest.mark.parametrize(
    "text",
    [
        "Broad smile, raised eyebrows, eyes narrowed; leaning forward, arms crossed, head tilted left.",
        "José smiles at Zoë, à la Mona Lisa.",
        "The eyes are wide and the mouth is open as he dies of laughter.",
        "!!!",
    ],
)
def test_english_passes_for_english(text):
    assert read(said(face=text))["face"] == text


words = st.text(st.characters(categories=("Lu", "Ll", "P", "Zs"), codec="ascii"), max_size=60).map("smiles".__add__)


@given(words, words, words, st.booleans())
def test_whatever_fits_comes_out_as_it_was(face, body, posture, fenced):
    answer = json.dumps({"face": face, "body": body, "posture": posture})
    expected = {"face": face, "body": body, "posture": posture}
    try:
        found = read(f"```json\n{answer}\n```" if fenced else answer)
    except Fault as fault:
        assert "what cannot be seen is null" in str(fault) or "not in English" in str(fault)
    else:
        assert found == {name: " ".join(text.split()) for name, text in expected.items()}


@given(st.text(max_size=200))
def test_no_answer_breaks_the_reader(answer):
    try:
        read(answer)
    except Fault as fault:
        assert str(fault)


def test_the_fault_is_named_when_asking_again():
    assert "cannot be used: body is missing." in ask_again(Fault("body is missing"))


def test_annotations_keep_the_raw_answers():
    assert accepted({"face": "smiles"}, ["first", "second"]).raw == ("first", "second")
    nothing = accepted({}, ["{}"])
    assert (nothing.reason, nothing.retry) == ("the teacher saw nothing of what it was asked to describe", False)
    once, twice = refused(Fault("it is empty"), [""]), refused(Fault("it is empty"), ["a", "b"])
    assert once.reason == "the teacher gave no cue: its answer does not fit: it is empty"
    assert twice.reason == "none of the teacher's 2 answers fit; of the last: it is empty"
    assert twice.raw == ("a", "b") and not twice.retry
