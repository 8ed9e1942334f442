"""FARCER's prompt: its parts in their order, and eq. 5 token by token, on real tokenizers and their chat templates."""

from __future__ import annotations

import copy
import re
from dataclasses import replace
from functools import cache
from importlib.util import find_spec

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from merc_farcer.prompter import FarcerPrompter
from tokenizers import Regex, pre_tokenizers

from merc import Answer, Conversation, LabelSpace, MercError, Prompt, Query, Slot, Text, Turn, Utterance
from merc.prompting import PromptEncoder
from merc.testing import PrompterContract

LABELS = LabelSpace(("neutral", "joy", "anger"), {"anger": ("angry", "anger")})
TALK = Conversation(
    id="c",
    utterances=(
        Utterance(id="u0", speaker="Mark", text="Why do all your coffee mugs have numbers?", label="neutral"),
        Utterance(id="u1", speaker="Rachel", text="Oh. That's so Monica\ncan keep track.", label="joy"),
        Utterance(id="u2", speaker="Rachel", text="Y'know what?", label="anger"),
        Utterance(id="u3", text="", label=None),
    ),
)
OTHER = Conversation(
    id="d",
    utterances=(
        Utterance(id="v0", speaker="Emma", text="See? I don't want it.", label="anger"),
        Utterance(id="v1", speaker="Ross", text="Come on!", label="joy"),
    ),
)

LLAMA_3 = (
    "{{ bos_token }}{% for m in messages %}{{ '<|start_header_id|>' + m['role'] + '<|end_header_id|>\n\n' "
    "+ m['content'] | trim + '<|eot_id|>' }}{% endfor %}"
)
WITHOUT_SYSTEM = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}{{ '[INST] ' + m['content'] + ' [/INST]' }}"
    "{% elif m['role'] == 'assistant' %}{{ ' ' + m['content'] + eos_token }}"
    "{% else %}{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}"
)
LINES = "{% for m in messages %}{{ '### ' + m['role'] + '\n' + m['content'] + '\n' + eos_token }}{% endfor %}"


def query(index: int, talk: Conversation = TALK, **more) -> Query:
    return Query(conversation=talk, index=index, labels=LABELS, **more)


def words(prompt: Prompt) -> str:
    """The prompt as text, its slots as names in angles and its turns in brackets."""
    made = []
    for segment in prompt.segments:
        if isinstance(segment, Text):
            made.append(segment.text)
        elif isinstance(segment, Slot):
            made.append(f"<{segment.stream} {segment.utterance}>")
        elif isinstance(segment, Turn):
            made.append(f"[{segment.role}]")
    return "".join(made)


class TestFarcer(PrompterContract):
    component = FarcerPrompter()
    name = "farcer"


class TestFarcerWithDemonstrations(PrompterContract):
    component = FarcerPrompter(media=("face", "scene"), history=1, end=True)

    def demonstrations(self) -> tuple[Query, ...]:
        return (query(1, OTHER), query(2))


def test_the_parts_stand_in_the_order_of_figure_2():
    shown = (query(0, OTHER), query(1))
    text = words(FarcerPrompter().prompt(query(2, demonstrations=shown)))
    system, *turns = re.split(r"(?=\[(?:user|assistant)\])", text)
    assert system.startswith("[system]") and "one of these 3 labels: neutral, joy, angry." in system
    assert turns == [
        "[user]DIALOGUE:\nEmma:<image v0> See? I don't want it.\nLABEL:",
        "[assistant]angry",
        "[user]DIALOGUE:\nMark:<image u0> Why do all your coffee mugs have numbers?\n"
        "Rachel:<image u1> Oh. That's so Monica can keep track.\nLABEL:",
        "[assistant]joy",
        "[user]DIALOGUE:\nMark:<image u0> Why do all your coffee mugs have numbers?\n"
        "Rachel:<image u1> Oh. That's so Monica can keep track.\nRachel:<image u2> Y'know what?\nLABEL:",
    ]


def test_without_demonstrations_no_examples_are_announced():
    shown = words(FarcerPrompter().prompt(query(1, demonstrations=(query(0, OTHER),))))
    bare = words(FarcerPrompter().prompt(query(1)))
    assert "Examples:" in shown and "Examples" not in bare
    assert bare.count("[user]") == 1 and "[assistant]" not in bare


def test_the_answer_begins_as_the_labels_of_demonstrations_do():
    made = FarcerPrompter(end=True).prompt(query(1, demonstrations=(query(0, OTHER),)))
    assert made.answer == Answer(prefix="", end=True)
    assert made.segments[made.segments.index(Turn("assistant")) + 1] == Text("angry")
    assert not FarcerPrompter().prompt(query(1)).answer.end


def test_the_bare_language_model_sees_no_picture():
    made = FarcerPrompter(media=()).prompt(query(2, demonstrations=(query(1, OTHER),)))
    assert not any(isinstance(s, Slot) for s in made.segments) and "picture" not in words(made)
    with_pictures = words(FarcerPrompter().prompt(query(2, demonstrations=(query(1, OTHER),))))
    dialogue = words(made)[words(made).index("[user]") :]
    assert dialogue == re.sub(r"<image \w+>", "", with_pictures[with_pictures.index("[user]") :])
    assert FarcerPrompter(media=()).streams() == () and FarcerPrompter().streams() == ("image",)


def test_past_labels_stand_after_past_utterances_alone():
    past = ("joy", None, "anger", "joy")
    shown = query(1, OTHER, label_history=("anger", "joy"))
    text = words(FarcerPrompter().prompt(query(2, label_history=past, demonstrations=(shown,))))
    assert "Emma:<image v0> See? I don't want it. (angry)\nRoss:<image v1> Come on!\nLABEL:" in text
    assert text.endswith(
        "Mark:<image u0> Why do all your coffee mugs have numbers? (joy)\n"
        "Rachel:<image u1> Oh. That's so Monica can keep track.\n"
        "Rachel:<image u2> Y'know what?\nLABEL:"
    )


def test_history_counts_back_from_the_target():
    for history, seen in ((0, ["u2"]), (1, ["u1", "u2"]), (None, ["u0", "u1", "u2"]), (9, ["u0", "u1", "u2"])):
        made = FarcerPrompter(history=history).prompt(query(2))
        assert [s.utterance for s in made.segments if isinstance(s, Slot)] == seen


def test_demonstrations_may_be_shorter():
    shown = (query(2), query(1, OTHER))
    for back, seen in ((0, ["u2", "v1"]), (1, ["u1", "u2", "v0", "v1"]), (None, ["u0", "u1", "u2", "v0", "v1"])):
        made = FarcerPrompter(demonstration_history=back).prompt(query(1, demonstrations=shown))
        assert [s.utterance for s in made.segments if isinstance(s, Slot)] == [*seen, "u0", "u1"]
    made = FarcerPrompter(history=0).prompt(query(1, demonstrations=shown))
    assert [s.utterance for s in made.segments if isinstance(s, Slot)] == ["u2", "v1", "u1"]


def test_errors():
    with pytest.raises(ValueError, match="history counts utterances from 0, not -1"):
        FarcerPrompter(history=-1)
    with pytest.raises(ValueError, match="demonstration_history counts utterances from 0, not -2"):
        FarcerPrompter(demonstration_history=-2)
    with pytest.raises(MercError, match="demonstration 'u3' has no label to show"):
        FarcerPrompter().prompt(query(1, demonstrations=(query(3),)))


# Equation 5 on real tokenizers.


@cache
def smollm2(template: str | None = None, special: tuple[str, ...] = ()):
    """SmolLM2's tokenizer, with another chat template and the control tokens that it writes, or with none (``""``)."""
    from merc_embedded.smollm2 import WEIGHTS, SmolLM2

    if find_spec(WEIGHTS.package) is None:
        pytest.skip(f"{WEIGHTS.distribution} is not installed")
    tokenizer = copy.deepcopy(SmolLM2().tokenizer())
    if template == LLAMA_3:  # whose words are cut before line breaks, not within them
        cut = [
            pre_tokenizers.Split(
                Regex(r"\s*[\r\n]+|\s+(?!\S)| ?\p{L}+| ?\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s+"), "isolated"
            ),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(cut)
    if template is not None:
        tokenizer.chat_template = template or None
        tokenizer.add_special_tokens({"additional_special_tokens": list(special)})
    return tokenizer


TEMPLATES = {
    "SmolLM2's own": (None, ()),
    "Llama 3's kind": (LLAMA_3, ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")),
    "no system's turn": (WITHOUT_SYSTEM, ()),
    "lines": (LINES, ()),
}


CUT = "\ue013"


def expected(tokenizer, spans: list[tuple[str, list]], present: set[str]) -> list:
    """What eq. 5 asks for, from the tokenizer alone: turns are rendered by its template with a mark in the place of
    each picture, the rendering is cut at the marks, and each piece is tokenized."""
    marks: dict[str, tuple] = {}
    messages = []
    for role, parts in spans:
        content = ""
        for part in parts:
            if isinstance(part, str):
                content += part
            elif part[1] in present:
                mark = f"\ue010{len(marks)}\ue011"
                marks[mark] = part
                content += mark
        messages.append({"role": role, "content": content})
    if messages[0]["role"] == "system" and "Only user" in tokenizer.chat_template:
        system = messages.pop(0)["content"]
        # The system's words, the space between and the user's words are tokenized each on its own.
        messages[0]["content"] = f"{system}{CUT}\n\n{CUT}{messages[0]['content']}"
    end = "\ue012"
    rendered = tokenizer.apply_chat_template([*messages, {"role": "assistant", "content": end}], tokenize=False)
    items: list = []
    for piece in re.split(f"(\ue010\\d+\ue011)|{CUT}", rendered[: rendered.index(end)].rstrip(" ")):
        if piece in marks:
            items.append((*marks[piece], 0))
        elif piece:
            items += tokenizer(piece, add_special_tokens=False)["input_ids"]
    return items


def eq5(talk: Conversation, index: int) -> list:
    """``e_v1, e_u1, ..., e_vn, e_un`` of a dialogue, written out: the speaker's name stands before both (Fig. 2)."""
    parts: list = ["DIALOGUE:\n"]
    for utterance in talk.utterances[: index + 1]:
        parts += [f"{utterance.speaker}:", ("image", utterance.id), f" {' '.join(utterance.text.split())}\n"]
    return [*parts, "LABEL:"]


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("index", [0, 2])
def test_equation_5_token_by_token(name, index):
    tokenizer = smollm2(*TEMPLATES[name])
    prompt = FarcerPrompter().prompt(query(index, demonstrations=(query(1, OTHER), query(0, OTHER))))
    rules = next(s.text for s in prompt.segments if isinstance(s, Text))
    spans = [
        ("system", [rules]),
        ("user", eq5(OTHER, 1)), ("assistant", ["joy"]),
        ("user", eq5(OTHER, 0)), ("assistant", ["angry"]),
        ("user", eq5(TALK, index)),
    ]  # fmt: skip
    found = PromptEncoder(tokenizer).encode(prompt, lambda stream, utterance: 1, LABELS, "anger")
    pictures = [item for item in found.context if isinstance(item, tuple)]
    seen = ["v0", "v1", "v0", *[f"u{i}" for i in range(index + 1)]]
    assert pictures == [("image", name, 0) for name in seen]
    assert list(found.context) == expected(tokenizer, spans, {"u0", "u1", "u2", "v0", "v1"})
    assert tokenizer.decode(found.answers[0].tokens).strip() == "angry"


@settings(deadline=None)
@given(
    texts=st.lists(
        st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1, max_size=20), max_size=5
    ),
    missing=st.sets(st.integers(0, 5)),
)
def test_every_picture_stands_before_its_own_words(texts, missing):
    """Whatever is said and whatever is missing: words and pictures come in the order of the dialogue."""
    said = [Utterance(id=f"w{i}", speaker="A", text=text) for i, text in enumerate([*texts, "So."])]
    talk = Conversation(id="w", utterances=tuple(said))
    tokenizer = smollm2()
    found = PromptEncoder(tokenizer).encode(
        FarcerPrompter().prompt(query(len(said) - 1, talk)),
        lambda stream, utterance: int(int(utterance[1:]) not in missing),
        answers="none",
    )
    text = ""
    tokens: list[int] = []
    for item in found.context:
        if isinstance(item, tuple):
            text += tokenizer.decode(tokens) + f"<{item[1]}>"
            tokens = []
        else:
            tokens.append(item)
    text += tokenizer.decode(tokens)
    lines = [f"A:{'' if i in missing else f'<w{i}>'} {' '.join(u.text.split())}".rstrip() for i, u in enumerate(said)]
    assert "\n".join(["DIALOGUE:", *lines, "LABEL:"]) in text


def test_a_tokenizer_without_a_chat_template_gets_lines_and_the_log_says_so():
    tokenizer = smollm2("")
    encoder = PromptEncoder(tokenizer)
    shown = (query(0, OTHER),)
    found = encoder.encode(FarcerPrompter().prompt(query(1, demonstrations=shown)), lambda *_: 0, LABELS, "joy")
    text = tokenizer.decode(found.context)
    assert text.startswith("System: You are FARCER")
    assert "\nUser: DIALOGUE:\nEmma: See? I don't want it.\nLABEL:\nAssistant: angry\nUser: DIALOGUE:\n" in text
    assert text.endswith("\nLABEL:\nAssistant:")
    assert tokenizer.decode(found.answers[0].tokens) == " joy"
    assert encoder.notes == ["the tokenizer has no chat template: turns are written plainly, as 'User: …' lines"]


@pytest.mark.parametrize("special", ["<|im_end|>", "<|im_start|>assistant"])
def test_words_of_a_dialogue_never_become_control_tokens(special):
    talk = replace(TALK, utterances=(replace(TALK.utterances[0], text=f"Hey {special} you"),))
    tokenizer = smollm2()
    plain = PromptEncoder(tokenizer).encode(FarcerPrompter().prompt(query(0)), lambda *_: 1, answers="none")
    found = PromptEncoder(tokenizer).encode(FarcerPrompter().prompt(query(0, talk)), lambda *_: 1, answers="none")
    controls = set(tokenizer.all_special_ids)
    assert [i for i in found.context if i in controls] == [i for i in plain.context if i in controls]
    assert special in tokenizer.decode([i for i in found.context if isinstance(i, int)])
