import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from merc_embedded.smollm2 import WEIGHTS, SmolLM2, converted

from merc import MercError

pytestmark = pytest.mark.skipif(find_spec(WEIGHTS.package) is None, reason=f"{WEIGHTS.distribution} is not installed")


@pytest.fixture(scope="module")
def tokenizer():
    return SmolLM2().tokenizer()


@pytest.fixture(scope="module")
def model():
    return SmolLM2().load("cpu")


@pytest.fixture(scope="module")
def gguf():
    from gguf import GGUFReader

    return GGUFReader(WEIGHTS.path())


def test_configuration_needs_no_weights(tmp_path, monkeypatch):
    import torch
    from transformers import AutoModelForCausalLM

    monkeypatch.setenv("MERC_CACHE", str(tmp_path))
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(SmolLM2(dtype="bfloat16").config())
    assert sum(weight.numel() for weight in model.parameters()) == 134_515_008
    assert list(tmp_path.iterdir()) == []


def test_configuration_is_the_files_own(gguf):
    config = SmolLM2().config()
    said = {
        "block_count": config.num_hidden_layers,
        "context_length": config.max_position_embeddings,
        "embedding_length": config.hidden_size,
        "feed_forward_length": config.intermediate_size,
        "attention.head_count": config.num_attention_heads,
        "attention.head_count_kv": config.num_key_value_heads,
        "rope.freq_base": config.rope_parameters["rope_theta"],
        "attention.layer_norm_rms_epsilon": config.rms_norm_eps,
        "vocab_size": config.vocab_size,
    }
    for name, value in said.items():
        assert gguf.fields[f"llama.{name}"].contents() == pytest.approx(value), name
    for name in ("bos", "eos"):
        assert gguf.fields[f"tokenizer.ggml.{name}_token_id"].contents() == getattr(config, f"{name}_token_id")
    assert gguf.fields["tokenizer.ggml.padding_token_id"].contents() == config.pad_token_id


def test_weights_are_the_files_own(gguf, model):
    from gguf import dequantize

    theirs = {tensor.name: tensor for tensor in gguf.tensors}
    state = model.state_dict()
    assert len(theirs) == 272 == len(state) - 1
    ours = {
        "token_embd.weight": "model.embed_tokens.weight",
        "output_norm.weight": "model.norm.weight",
        "blk.7.ffn_down.weight": "model.layers.7.mlp.down_proj.weight",
        "blk.29.attn_v.weight": "model.layers.29.self_attn.v_proj.weight",
        "blk.29.attn_output.weight": "model.layers.29.self_attn.o_proj.weight",
    }
    for name, key in ours.items():
        expected = dequantize(theirs[name].data, theirs[name].tensor_type)
        np.testing.assert_array_equal(state[key].numpy(), expected, err_msg=name)
    # queries and keys are stored with the two halves of a head interleaved
    stored = dequantize(theirs["blk.3.attn_q.weight"].data, theirs["blk.3.attn_q.weight"].tensor_type)
    expected = stored.reshape(9, 32, 2, 576).swapaxes(1, 2).reshape(576, 576)
    np.testing.assert_array_equal(state["model.layers.3.self_attn.q_proj.weight"].numpy(), expected)
    assert model.lm_head.weight is model.model.embed_tokens.weight


def test_it_answers_a_question(model, tokenizer):
    talk = [{"role": "user", "content": "What is the capital of France? Answer in one sentence."}]
    prompt = tokenizer.apply_chat_template(talk, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    out = model.generate(**prompt, max_new_tokens=20, do_sample=False)
    answer = tokenizer.decode(out[0, prompt["input_ids"].shape[1] :])
    assert "Paris" in answer
    assert answer.endswith("<|im_end|>")


def test_chat_template(tokenizer):
    talk = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    assert tokenizer.apply_chat_template(talk, add_generation_prompt=True, tokenize=False) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    )


def test_special_tokens(tokenizer):
    names = {"<|endoftext|>": 0, "<|im_start|>": 1, "<|im_end|>": 2}
    assert {name: tokenizer.convert_tokens_to_ids(name) for name in names} == names
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id) == (1, 2, 2)
    assert tokenizer("a<|im_end|>\n")["input_ids"] == [81, 2, 198]
    assert tokenizer("")["input_ids"] == []
    assert tokenizer.model_max_length == 8192
    assert len(tokenizer) == 49_152


@pytest.mark.parametrize(
    "text", ["Hello there.", " two  spaces ", "It's 2024, 12:30!\n\n3 é 你好 😀\tend", "Don't you DARE...", "\n\n1"]
)
def test_text_comes_back_as_it_was(tokenizer, text):
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_numbers_are_split_into_digits_and_blanks_stay_together(tokenizer):
    assert tokenizer.tokenize("at 1234") == ["at", "Ġ", "1", "2", "3", "4"]
    assert tokenizer.tokenize("a  7") == ["a", "ĠĠ", "7"]


def test_dtype(model):
    half = SmolLM2(dtype="bfloat16").load("cpu")
    assert {weight.dtype for weight in half.parameters()} == {torch.bfloat16}
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}
    assert not half.training


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_smaller_dtype_is_written_once_and_rounds_as_torch_does(model, dtype):
    half = SmolLM2(dtype=dtype).load("cpu").state_dict()
    plain = model.state_dict()
    assert half.keys() == plain.keys()
    for name, weight in plain.items():
        assert torch.equal(half[name], weight.to(getattr(torch, dtype))), name
    file = converted(dtype) / "model.safetensors"
    written = file.stat()
    assert written.st_size < 300_000_000
    SmolLM2(dtype=dtype).load("cpu")
    assert file.stat().st_mtime_ns == written.st_mtime_ns


def test_a_run_records_the_converted_weights():
    ((name, (size, sha256)),) = SmolLM2().weights().items()
    assert name == "model.safetensors" and size > 500_000_000 and len(sha256) == 64


def test_converted_weights_that_are_damaged_are_named_with_what_to_do(tmp_path, monkeypatch):
    (tmp_path / "config.json").write_text((converted() / "config.json").read_text())
    monkeypatch.setattr("merc_embedded.smollm2.converted", lambda dtype="float32": tmp_path)
    with pytest.raises(MercError) as caught:
        SmolLM2().load("cpu")
    assert str(tmp_path) in str(caught.value) and "remove that folder" in str(caught.value)


def test_provenance_names_the_file():
    assert SmolLM2().identity()["sha256"] == WEIGHTS.sha256


@pytest.mark.slow
def test_two_processes_convert_once_and_both_load(tmp_path):
    code = (
        "from merc_embedded.smollm2 import SmolLM2\n"
        "print(SmolLM2().load('cpu').model.norm.weight.sum().item(), len(SmolLM2().tokenizer()))"
    )
    env = {"MERC_CACHE": str(tmp_path), "PATH": "", "HOME": str(tmp_path)}
    both = [
        subprocess.Popen(
            [sys.executable, "-c", code], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=300) for process in both]
    here = SmolLM2().load("cpu").model.norm.weight.sum().item()
    assert [out for out, _ in outputs] == [f"{here} 49152\n"] * 2
    assert sum("converting SmolLM2" in err for _, err in outputs) == 1
    assert {path.name for path in (tmp_path / "smollm2").iterdir() if not path.name.endswith(".lock")} == {
        converted().name
    }
