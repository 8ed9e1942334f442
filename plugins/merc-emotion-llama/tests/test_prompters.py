"""The prompt of Emotion-LLaMAv2, as segments and as the tokens of real tokenizers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from merc_emotion_llama.instructions import CLOSED, listed, pool
from merc_emotion_llama.prompters import EmotionLlama

import merc
import merc.testing
from merc import Answer, Slot, Text, Turn

SPACE = merc.LabelSpace(("joy", "anger"), {"joy": ("happy", "joy")})
SAID = merc.Utterance(
    id="clip1",
    text=" Go away! ",
    label="anger",
    open_labels=("angry", "hurt"),
    cues={"multimodal": "She frowns and shouts."},
    extra={"sentiment": "negative", "intention": "wishing", "labels": ["anger", "joy"]},
)

LLAMA_2 = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}{{ '[INST] ' + m['content'] + ' [/INST]' }}"
    "{% else %}{{ ' ' + m['content'] + ' ' + eos_token }}{% endif %}{% endfor %}"
)
"""What Llama 2's chat models write around turns."""


def ask(said: merc.Utterance = SAID, labels: merc.LabelSpace = SPACE, **more) -> merc.Query:
    return merc.Query(conversation=merc.Conversation(id="c", utterances=(said,), **more), index=0, labels=labels)


def words(prompt: merc.Prompt) -> str:
    """The prompt in one line, slots as their streams."""
    parts = {Text: lambda s: s.text, Slot: lambda s: f"{s.before}<{s.stream}>{s.after}", Turn: lambda s: f"|{s.role}|"}
    return "".join(parts[type(s)](s) for s in prompt.segments[:-1])


def answer(query: merc.Query, **parameters) -> str | None:
    return EmotionLlama(**parameters).prompt(query).answer.text


def test_the_template_of_the_paper():
    prompter = EmotionLlama(instruction=1)
    assert words(prompter.prompt(ask())) == (
        "|user|[Vid] <fusion> <image> <video> <audio> [Vid] The person in the video says: Go away! [emotion] Name the "
        "emotion that the video shows. Answer with one of: happy or anger."
    )
    assert prompter.prompt(ask()).answer == Answer()
    assert prompter.streams() == ("fusion", "image", "video", "audio")
    assert words(EmotionLlama(instruction=1, chat=False, media=("sound",)).prompt(ask())).startswith(
        "[Vid] <sound> [Vid] The"
    )


def test_without_a_subtitle_its_sentence_is_left_out():
    silent = replace(SAID, text=" ")
    assert words(EmotionLlama(instruction=0, media=("audio",)).prompt(ask(silent))).startswith(
        "|user|[Vid] <audio> [Vid] [emotion] Which"
    )
    assert words(EmotionLlama(instruction=0, media=()).prompt(ask(silent))).startswith("|user|[emotion] Which")


@pytest.mark.parametrize("task", CLOSED)
def test_each_task_has_its_identifier_and_an_instruction_of_its_pool(task):
    prompter = EmotionLlama(task=task)
    found = words(prompter.prompt(ask()))
    head, _, instruction = found.partition(f"[{task}] ")
    assert head.endswith("Go away! ")
    assert instruction == pool(task, prompter.labels(ask()))[prompter.drawn(ask())]


def test_instructions_are_drawn_by_seed_and_utterance_and_can_be_told():
    queries = [ask(replace(SAID, id=f"clip{i}")) for i in range(40)]
    first, again, other = (EmotionLlama(seed=seed) for seed in (3, 3, 4))
    assert [first.prompt(q) for q in queries] == [again.prompt(q) for q in queries]
    assert [first.drawn(q) for q in queries] != [other.drawn(q) for q in queries]
    assert {first.drawn(q) for q in queries} == set(range(len(CLOSED["emotion"])))


def test_instructions_may_be_ones_own_with_the_star_of_the_papers_boxes():
    own = ("Which of ★ is it?", "Name it: {labels}.", "Plain {words}.")
    found = [words(EmotionLlama(instructions={"emotion": own}, instruction=i).prompt(ask())) for i in range(3)]
    labels = listed(EmotionLlama().labels(ask()))
    assert found[0].endswith(f"] Which of {labels} is it?")
    assert found[1].endswith(f"] Name it: {labels}.")
    assert found[2].endswith("Plain {words}.")
    many = EmotionLlama(instructions={"emotion": tuple(f"Say {i}." for i in range(10))})
    assert {many.drawn(ask(replace(SAID, id=f"clip{i}"))) for i in range(80)} == set(range(10))
    with pytest.raises(ValueError, match="a number from 0 to 2 for emotion, not 3"):
        EmotionLlama(instructions={"emotion": own}, instruction=3)
    with pytest.raises(ValueError, match=r"instructions\.emotion holds texts, one at least and none of them empty"):
        EmotionLlama(instructions={"emotion": ("Fine.", " ")})
    with pytest.raises(ValueError, match="instructions names 'emotions', which is no task; the tasks are emotion, "):
        EmotionLlama(instructions={"emotions": ("Fine.",)})
    other = EmotionLlama(task="think", instructions={"emotion": own}, instruction=0)
    assert pool("think", other.labels(ask()))[0] in words(other.prompt(ask()))


def test_answers():
    query = ask()
    assert answer(query, task="emotion") is None
    assert answer(query, task="sentiment") == "negative"
    assert answer(query, task="sentiment", truth="label") is None
    assert answer(query, task="intention") == "wishing"
    assert answer(query, task="multi") == "anger, happy"
    assert answer(query, task="multi", truth="open_labels") == "angry, hurt"
    assert answer(query, task="reason") == "She frowns and shouts."
    assert answer(query, task="think") == "<think>She frowns and shouts.</think><answer>anger</answer>"
    assert answer(query, task="emotion", truth="sentiment", choices=("negative", "positive")) == "negative"
    told = ask(replace(SAID, cues={}, extra={"told": " Angry. "}))
    assert answer(told, task="reason", description="told") == "Angry."


@pytest.mark.parametrize(
    ("task", "lacks"),
    [
        ("emotion", {"label": None}),
        ("sentiment", {"extra": {}}),
        ("intention", {"extra": {"intention": ""}}),
        ("multi", {"extra": {"labels": []}}),
        ("reason", {"cues": {"multimodal": " "}}),
        ("think", {"cues": {}}),
        ("think", {"label": None}),
    ],
)
def test_what_lacks_its_answer_teaches_nothing_and_can_be_asked(task, lacks):
    prompter = EmotionLlama(task=task)
    assert prompter.has_target(ask())
    query = ask(replace(SAID, **lacks))
    assert not prompter.has_target(query)
    assert prompter.prompt(query).segments[:-1] == prompter.prompt(ask()).segments[:-1]
    assert prompter.prompt(query).answer.text == (None if task == "emotion" else "")


def test_a_description_needs_no_label():
    assert EmotionLlama(task="reason").has_target(ask(replace(SAID, label=None)))


def test_the_label_list_is_that_of_the_query():
    both = merc.LabelSpace(("joy", "anger", "fear", "worried"), {"joy": ("happy",)})
    one = EmotionLlama(instruction=0)
    assert one.labels(ask(labels=both)) == ("happy", "anger", "fear", "worried")
    assert one.prompt(ask(labels=both)).segments[-2].text.endswith("happy, anger, fear or worried?")
    assert EmotionLlama(choices=("x", "y")).labels(ask()) == ("x", "y")
    assert EmotionLlama(task="sentiment").labels(ask()) == ("negative", "neutral", "positive")
    assert EmotionLlama(task="sentiment", truth="label").labels(ask()) == ("happy", "anger")


def test_without_a_label_list_the_question_is_open():
    prompter = EmotionLlama(task="multi", truth="open_labels", instruction=0)
    assert words(prompter.prompt(ask())).endswith("[multi] " + pool("multi", ())[0])
    assert "{" not in words(EmotionLlama().prompt(ask(labels=merc.LabelSpace(()))))


@pytest.mark.parametrize(
    ("parameters", "said", "message"),
    [
        (
            {"task": "sentiment"},
            {"sentiment": "mixed"},
            "utterance 'clip1': 'sentiment' has 'mixed', which is none of neg",
        ),
        (
            {"task": "intention"},
            {"intention": ["wishing", "agreeing"]},
            r"holds several, and \[intention\] asks for one",
        ),
        ({"task": "multi"}, {"labels": [1]}, r"'labels' is \[1\]; a label or a list of them was expected"),
        ({"task": "think", "truth": "labels", "choices": ("joy",)}, {"labels": ["fear"]}, "'labels' has 'fear'"),
    ],
)
def test_truths_that_do_not_fit(parameters, said, message):
    with pytest.raises(merc.MercError, match=message):
        EmotionLlama(**parameters).prompt(ask(replace(SAID, extra=said)))


def test_tasks_that_need_a_label_list():
    bare = ask(labels=merc.LabelSpace(()))
    with pytest.raises(merc.MercError, match=r"\[think\] is asked with a list of labels, and there is none; name them"):
        EmotionLlama(task="think").prompt(bare)
    with pytest.raises(merc.MercError, match=r"instruction is 7, and there are 3 for \[emotion\] without a label list"):
        EmotionLlama(instruction=7).prompt(bare)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"media": ("a", "a")}, "media names each stream once"),
        ({"choices": ("a", "a")}, "choices names each label once"),
        ({"instruction": 8}, "instruction is a number from 0 to 7 for emotion, not 8"),
        ({"task": "reason", "truth": "label"}, "reason asks for a description"),
        ({"truth": ""}, "truth names label, open_labels or a key of extra; it is empty"),
    ],
)
def test_parameters_that_mean_nothing(parameters, message):
    with pytest.raises(ValueError, match=message):
        EmotionLlama(**parameters)


@pytest.mark.parametrize("chat", [True, False])
def test_demonstrations_are_turns_with_their_answers(chat):
    shown = replace(ask(replace(SAID, id="shown", label="joy")))
    prompter = EmotionLlama(instruction=0, media=("audio",), chat=chat)
    text = words(prompter.prompt(replace(ask(), demonstrations=(shown,))))
    one = words(prompter.prompt(shown))
    assert text == one + ("|assistant|happy" if chat else " happy\n\n") + words(prompter.prompt(ask()))
    with pytest.raises(merc.MercError, match=r"demonstration 'bare' has no answer to \[emotion\] to show"):
        bare = ask(replace(SAID, id="bare", label=None))
        prompter.prompt(replace(ask(), demonstrations=(bare,)))


class TestRecognition(merc.testing.PrompterContract):
    component = EmotionLlama(media=("audio", "video"))
    name = "emotion-llama"


class TestThinking(merc.testing.PrompterContract):
    component = EmotionLlama(task="think", description="face")


class TestReasoning(merc.testing.PrompterContract):
    component = EmotionLlama(task="reason", description="face", chat=False)


def test_tokens_of_llama_2s_own_format():
    """The template of Llama 2's chat models, over a real tokenizer: what it renders is what the prompt's tokens say,
    with each stream's tokens in its place, and streams that are missing left out."""
    embedded = pytest.importorskip("merc_embedded.smollm2")
    prompting = pytest.importorskip("merc.prompting")
    tokenizer = embedded.SmolLM2().tokenizer()
    tokenizer.chat_template = LLAMA_2
    encoder = prompting.PromptEncoder(tokenizer)
    lengths = {"fusion": 2, "audio": 3}
    prompter = EmotionLlama(instruction=0)
    found = encoder.encode(
        prompter.prompt(ask()), lambda stream, said: lengths.get(stream, 0), SPACE, "anger", "labels"
    )
    slots = [item for item in found.context if isinstance(item, tuple)]
    assert slots == [*(("fusion", "clip1", i) for i in range(2)), *(("audio", "clip1", i) for i in range(3))]
    text = tokenizer.decode([item for item in found.context if not isinstance(item, tuple)])
    assert text.endswith(
        "[INST] [Vid]   [Vid] The person in the video says: Go away! [emotion] Which of these emotions does the person "
        "in the video feel: happy or anger? [/INST]"
    )
    assert encoder.notes == []
    answers = [tokenizer.decode(path.tokens) for path in found.answers]
    assert answers == [f" {word}{tokenizer.eos_token}" for word in ("happy", "joy", "anger")]
