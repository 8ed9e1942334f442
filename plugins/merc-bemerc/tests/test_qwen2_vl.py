"""Qwen2-VL with a tiny random model: all of the way from frames to answers, but for answers that make sense."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from merc_bemerc.behaviour import pictures, teacher_prompt
from merc_bemerc.qwen2_vl import Qwen2VL

import merc

GOOD = json.dumps({"face": "She smiles.", "body": None, "posture": "She sits upright."})
CONTROL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A Qwen2-VL of two layers, with a byte-level tokenizer and an image processor as the published ones have."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from tokenizers.decoders import ByteLevel
    from transformers import PreTrainedTokenizerFast, Qwen2VLConfig, Qwen2VLForConditionalGeneration
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    folder = tmp_path_factory.mktemp("qwen2-vl")
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    raw = Tokenizer(models.BPE({letter: number for number, letter in enumerate(letters)}, []))
    raw.pre_tokenizer, raw.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    tokenizer.add_special_tokens({"additional_special_tokens": list(CONTROL)})
    tokenizer.save_pretrained(folder)
    ids = dict(zip(CONTROL, tokenizer.convert_tokens_to_ids(list(CONTROL)), strict=True))
    torch.manual_seed(0)
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 8192,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [1, 1, 2]},
        "bos_token_id": ids["<|endoftext|>"],
        "eos_token_id": ids["<|im_end|>"],
    }
    vision = {"depth": 2, "embed_dim": 32, "hidden_size": 32, "num_heads": 4, "mlp_ratio": 2}
    config = Qwen2VLConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
    )
    Qwen2VLForConditionalGeneration(config).save_pretrained(folder)
    Qwen2VLImageProcessorPil().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def teacher(folder):
    from merc_bemerc.qwen2_vl_model import Teacher

    return Teacher.load(str(folder), "float32", "cpu", pixels=56 * 56)


def frames(count, seed=0, size=(60, 80)):
    return np.random.default_rng(seed).integers(0, 256, (count, *size, 3), dtype=np.uint8)


def test_whole_path_with_a_model_that_makes_no_sense(folder, observe):
    part = Qwen2VL(path=str(folder), dtype="float32", frames=4, pixels=56 * 56, batch=2, max_tokens=8, attempts=2)
    shown = [observe(0, frames=frames(4)), observe(1), observe(2, frames=frames(3, 1)), observe(3, frames=frames(1, 2))]
    found = dict(part.load("cpu")(iter(shown)))
    assert found["talk_u1"] == merc.Annotation(reason="the file is missing")
    for name in ("talk_u0", "talk_u2", "talk_u3"):
        assert len(found[name].raw) == 2
        assert found[name].reason.startswith("none of the teacher's 2 answers fit; of the last: ")
        assert not found[name].retry
    assert dict(part.load("cpu")(iter(shown))) == found


class Scripted:
    """Stands for the model's words alone: a random model has none that fit."""

    def __init__(self, script):
        self.script, self.asked = script, []

    def answer(self, asked, max_tokens):
        self.asked.append([list(said) for _, said in asked])
        return [self.script[said[0], len(said)] for _, said in asked]


def test_those_that_do_not_fit_are_asked_again_together(observe):
    part = Qwen2VL(path="m", attempts=3)
    shown = [observe(index, frames=frames(2)) for index in range(3)]
    prompts = [teacher_prompt(one.query, part.template, part.describes, media=pictures([0.0, 0.25])) for one in shown]
    script = {(prompt, turns): ("Prose.", False) for prompt in prompts for turns in (1, 3, 5)}
    script[prompts[0], 1] = script[prompts[1], 3] = (GOOD, False)
    script[prompts[2], 3] = ('{"face": 1 2', True)
    model = Scripted(script)
    asked = [_asked(part, one) for one in shown]
    found = dict(part._ask(model, asked))
    assert [len(said) for said in model.asked] == [3, 2, 1]
    assert model.asked[1][0][1] == "Prose." and "prose without a JSON object" in model.asked[1][0][2]
    assert found["talk_u0"] == merc.Annotation(
        cues={"face": "She smiles.", "posture": "She sits upright."}, raw=(GOOD,)
    )
    assert found["talk_u1"].cues and found["talk_u1"].raw == ("Prose.", GOOD)
    assert found["talk_u2"].raw == ("Prose.", '{"face": 1 2', "Prose.")
    assert "breaks off" in model.asked[2][0][4]


def _asked(part, one):
    from merc_bemerc.qwen2_vl import _Request

    return _Request(one.query.target.id, one.video, part._prompt(one.query, one.video))


def test_batched_answers_are_those_of_each_alone(teacher):
    asked = [(frames(4), ["Short."]), (frames(2, 1, (90, 60)), ["A much longer prompt than that.", "No.", "Again."])]
    together = teacher.answer(asked, 12)
    assert together == [teacher.answer([one], 12)[0] for one in asked]
    assert all(cut for _, cut in together)


def test_frames_change_the_answer(teacher):
    """The pictures do reach the model: the likeliest words differ for some prompt."""
    prompts = ["A", "What?", "Describe the face.", "1 2 3"]
    one, two = ([teacher.answer([(shown, [p])], 6) for p in prompts] for shown in (frames(4), frames(4, 9)))
    assert one != two


def test_the_end_token_ends_an_answer(teacher):
    end = teacher.tokenizer.convert_tokens_to_ids("<|im_end|>")
    ids = teacher.tokenizer("So {it} is.", add_special_tokens=False)["input_ids"]
    assert teacher._words([*ids, end, 5, 5]) == ("So {it} is.", False)
    assert teacher._words(ids) == ("So {it} is.", True)


def test_patches_of_a_video_are_those_of_qwen2_vl(teacher):
    """Written out plainly: pairs of frames, blocks of 2 × 2 patches, channels before time before rows and columns."""
    shown = frames(3, 3, (56, 84))
    teacher = replace(teacher, processor=_processor(56 * 84))
    values, grid = teacher._patches(shown)
    assert grid == [2, 4, 6]
    mean, std = (np.array(getattr(teacher.processor, name)) for name in ("image_mean", "image_std"))
    video = ((np.concatenate([shown, shown[-1:]]) / 255 - mean) / std).transpose(0, 3, 1, 2)
    rows = []
    for time in range(2):
        for down in range(2):
            for across in range(3):
                for inner_down in range(2):
                    for inner_across in range(2):
                        top, left = 14 * (2 * down + inner_down), 14 * (2 * across + inner_across)
                        cut = video[2 * time : 2 * time + 2, :, top : top + 14, left : left + 14]
                        rows.append(cut.transpose(1, 0, 2, 3).ravel())
    np.testing.assert_allclose(values.numpy(), np.array(rows), atol=1e-5)


def _processor(pixels):
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    return Qwen2VLImageProcessorPil(size={"shortest_edge": 56 * 56, "longest_edge": pixels})


def test_tokens_are_those_of_the_chat_format(teacher):
    ids = teacher._tokens(["Look.", "I did.", "Again."], [2, 4, 4])
    video = "<|vision_start|>" + "<|video_pad|>" * 8 + "<|vision_end|>"
    expected = (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
        f"<|im_start|>user\n{video}Look.<|im_end|>\n"
        "<|im_start|>assistant\nI did.<|im_end|>\n"
        "<|im_start|>user\nAgain.<|im_end|>\n<|im_start|>assistant\n"
    )
    assert ids == teacher.tokenizer(expected, add_special_tokens=False)["input_ids"]


def test_words_of_a_conversation_are_no_control_tokens(teacher):
    ids = teacher._tokens(["<|im_end|><|video_pad|>"], [2, 4, 4])
    names = teacher.tokenizer.convert_ids_to_tokens(ids)
    assert names.count("<|video_pad|>") == 8
    assert names.count("<|im_end|>") == 2


def test_no_model_at_the_path(tmp_path, observe):
    with pytest.raises(merc.MercError, match=r"annotator qwen2-vl: there is no Qwen2-VL at .*nowhere"):
        Qwen2VL(path=str(tmp_path / "nowhere")).load("cpu")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    with pytest.raises(merc.MercError, match="is a llama; it takes a model of type qwen2_vl"):
        Qwen2VL(path=str(tmp_path)).load("cpu")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"path": " "}, "path is empty"),
        ({"batch": 0}, "batch counts from 1, not 0"),
        ({"pixels": 100}, "pixels is at least 3136"),
        ({"before": -1}, "before counts utterances from 0, not -1"),
    ],
)
def test_parameters_are_checked(params, message):
    with pytest.raises(ValueError, match=message):
        Qwen2VL(**{"path": "m", **params})


def test_answers_are_kept_by_what_they_depend_on(talk):
    assert Qwen2VL(path="m", batch=1).identity() == Qwen2VL(path="m").identity()
    assert Qwen2VL(path="m", frames=9).identity() != Qwen2VL(path="m").identity()
    assert "# Constraint" in Qwen2VL(path="m").identity()["prompt"]
    query = merc.Query(conversation=talk, index=2, labels=merc.LabelSpace(()))
    assert Qwen2VL(path="m", before=1).context(query) == [["Ben", "Again? I can't believe it."]]
    assert len(Qwen2VL(path="m").context(query)) == 2
