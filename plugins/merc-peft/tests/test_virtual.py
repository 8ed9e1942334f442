"""Virtual tokens on the prompt tree: each prompt is what PEFT's own forward pass makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from merc_peft.virtual import PrefixTuning, PromptTuning, PTuning, _attends
from torch import Tensor

import merc
from merc.components import Frozen
from merc.model.batch import make_batch
from merc.model.emotion_model import EmotionModel
from merc.model.generation import Sampling, generate
from merc.model.prefix_cache import KeptPrefix
from merc.model.state import load_stage, save_stage
from merc.model.tuning import tune
from merc.prompting import AnswerPath, EncodedPrompt
from tests.model import test_inserted
from tests.model.alone import in_rows, key, media_tokens, together
from tests.model.architectures import CONTEXT, SEPARATE, TREE, WINDOW, WINDOWED, build
from tests.model.test_tree_exact import text_talks, two_talks
from tests.model.tiny import tiny_llama, tiny_media
from tests.prompting.tokenizers import byte_level

TOKENS = 4
TUNINGS = {
    "prefix": PrefixTuning(tokens=TOKENS),
    "projected": PrefixTuning(tokens=TOKENS, projection=True, hidden=6),
    "prompt": PromptTuning(tokens=TOKENS),
    "p-tuning": PTuning(tokens=TOKENS),
    "lstm": PTuning(tokens=TOKENS, encoder="lstm", hidden=6),
}
TALL = {**TREE, "bloom": SEPARATE["bloom"], "gpt_neo": SEPARATE["gpt_neo"]}


def model_of(tuning: merc.Tuning, llm: torch.nn.Module | None = None) -> EmotionModel:
    llm = tiny_llama() if llm is None else llm
    torch.manual_seed(3)
    tuned = tune(llm, tuning)
    model = EmotionModel(tuned, byte_level(), tiny_media()).eval()
    model.probe()
    return model


def by_peft(model: EmotionModel, prompt: EncodedPrompt, answer: AnswerPath) -> Tensor:
    """The logits that predict each token of an answer ``[tokens, vocabulary]``, from the whole model of PEFT."""
    items = [*prompt.context, *answer.tokens[:-1]]
    if all(isinstance(item, int) for item in items):
        out = model.llm(input_ids=torch.tensor([items]))
    else:
        embed = model.base.get_input_embeddings()
        rows = [embed(torch.tensor([i]))[0] if isinstance(i, int) else media_tokens(model, *i[:2])[i[2]] for i in items]
        out = model.llm(inputs_embeds=torch.stack(rows)[None])
    first = out.logits.shape[1] - len(answer.tokens)
    return out.logits[0, first:].float()


def log_probability(model: EmotionModel, prompt: EncodedPrompt, answer: AnswerPath) -> Tensor:
    tokens = torch.tensor(answer.tokens)[:, None]
    return by_peft(model, prompt, answer).log_softmax(-1).gather(1, tokens).sum()


@pytest.mark.parametrize("tuning", TUNINGS)
@pytest.mark.parametrize("name", ["llama", "qwen3", "gemma2", "gemma3", "gpt2", "gptj", "bloom"])
@torch.no_grad()
def test_the_logits_of_every_prompt_are_those_of_peft(name: str, tuning: str) -> None:
    """At every place that an answer is read from, for prompts with media and without, one tree and several."""
    model = model_of(TUNINGS[tuning], build(TALL[name]))
    for talks in (two_talks(), text_talks()):
        for budget in (10_000, 40):
            compared = 0
            for trees, plain in model.trees(talks, budget):
                batch = make_batch(trees, plain)
                logits = model.logits(batch)
                answers = [answer for tree in in_rows(trees, plain) for _, answer, _ in tree.paths]
                for path, answer in enumerate(answers):
                    prompt = batch.prompts[int(batch.path_prompt[path])]
                    wanted = by_peft(model, prompt, answer)
                    found = logits[batch.step_read[batch.step_path == path]].float()
                    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)
                    compared += 1
            assert compared == sum(len(prompt.answers) for talk in talks for prompt in talk)


@pytest.mark.parametrize("tuning", TUNINGS)
def test_gradients_are_those_of_peft(tuning: str) -> None:
    model = model_of(TUNINGS[tuning])
    talks = two_talks()
    named = dict(model.llm.named_parameters())
    learning = [named[name.removeprefix("llm.")] for name in sorted(model.learns) if name.startswith("llm.")]
    assert learning
    found = together(model, talks)
    wanted = {key(p, a): log_probability(model, p, a) for talk in talks for p in talk for a in p.answers}
    assert found.keys() == wanted.keys()
    one, two = (torch.autograd.grad(sum(some.values()), learning) for some in (found, wanted))  # type: ignore[call-overload]
    for ours, theirs in zip(one, two, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)
        assert bool(ours.any())


@pytest.mark.parametrize("tuning", TUNINGS)
def test_they_are_seen(tuning: str) -> None:
    """Without them every prompt has other probabilities."""
    model = model_of(TUNINGS[tuning])
    talks = two_talks()
    with torch.no_grad():
        found = together(model, talks)
        model.tuning = Frozen()
        without = together(model, talks)
    assert all(abs(found[name] - without[name]) > 1e-3 for name in found)


@pytest.mark.parametrize("name", sorted(WINDOWED))
@pytest.mark.parametrize("tuning", ["prefix", "prompt"])
@torch.no_grad()
def test_they_are_a_part_of_the_window(name: str, tuning: str) -> None:
    """Prompts that fit into the window beside them share a tree, and are what PEFT computes."""
    model = model_of(TUNINGS[tuning], build(WINDOWED[name]))
    assert model.window == WINDOW - TOKENS
    talk = [EncodedPrompt(f"p{i}", (1, 2, 33, 20 + i, 5), (AnswerPath((7, 8)),)) for i in range(3)]
    (trees, plain), *others = model.trees([talk], 10_000)
    assert len(trees) == 1 and not plain and not others
    for prompt in talk:
        found = together(model, [talk])[key(prompt, prompt.answers[0])]
        torch.testing.assert_close(found, log_probability(model, prompt, prompt.answers[0]), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("tuning", ["prefix", "prompt"])
def test_they_are_a_part_of_the_context(tuning: str) -> None:
    assert model_of(TUNINGS[tuning], build(TREE["llama"])).context == CONTEXT - TOKENS


def greedy(model: EmotionModel, prompt: EncodedPrompt, count: int) -> list[int]:
    """The likeliest tokens after a prompt, each by a whole pass of PEFT's."""
    tokens: list[int] = []
    ends = {model.tokenizer.eos_token_id, model.base.generation_config.eos_token_id}
    while len(tokens) < count and not (tokens and tokens[-1] in ends):
        logits = by_peft(model, prompt, AnswerPath((*tokens, 0)))
        tokens.append(int(logits[-1].argmax()))
    return tokens


@pytest.mark.parametrize("name", ["llama", "gpt2", "gemma2", "gpt_neo"])
@pytest.mark.parametrize("tuning", ["prefix", "prompt", "p-tuning"])
@torch.no_grad()
def test_what_is_written_goes_on_from_them(name: str, tuning: str) -> None:
    model = model_of(TUNINGS[tuning], build(TALL[name]))
    for prompts in (two_talks()[0], text_talks()[0]):
        prompts = [prompt for prompt in prompts if len(prompt.context) < CONTEXT - TOKENS - 6]
        wanted = [greedy(model, prompt, 5) for prompt in prompts]
        written = generate(model, prompts, Sampling(5))
        assert [list(texts[0].tokens) for texts in written] == wanted
        # Several texts of a prompt, which is computed once.
        drawn = generate(model, prompts, Sampling(5, count=2, temperature=1e-6))
        assert [list(text.tokens) for texts in drawn for text in texts] == [one for one in wanted for _ in range(2)]


@pytest.mark.parametrize("tuning", ["prefix", "prompt"])
@pytest.mark.parametrize("name", ["llama", "gemma2"])
@torch.no_grad()
def test_what_is_kept_of_a_beginning_goes_on_from_them(name: str, tuning: str) -> None:
    model = model_of(TUNINGS[tuning], build(TREE[name]))
    one, two = text_talks()
    kept = KeptPrefix.of(model, one[0])
    assert model.forgets == "" and kept.score([], 3, "none", 4096) == []

    def check(prompts: Sequence[EncodedPrompt]) -> None:
        for prompt, scores, _ in kept.score(prompts, 3, "none", 4096):
            alone = [log_probability(model, prompt, answer) for answer in prompt.answers]
            wanted = torch.stack([alone[0], alone[1], torch.logaddexp(alone[2], alone[3])])
            torch.testing.assert_close(scores, wanted, rtol=1e-4, atol=1e-4)

    check(one[:1])
    kept.extend(one[1])
    check([*one, *two])
    fork = kept.fork()
    fork.free()
    short = [prompt for prompt in one if len(prompt.context) < CONTEXT - TOKENS - 6]
    for prompt in short:
        assert list(kept.generate(prompt, Sampling(5), 2)[0].tokens) == greedy(model, prompt, 5)
    only = EncodedPrompt("only", one[0].context[:1], one[0].answers)  # nothing of it but its last token
    assert list(kept.generate(only, Sampling(3), 1)[0].tokens) == greedy(model, only, 3)


@pytest.mark.parametrize("tuning", TUNINGS)
@torch.no_grad()
def test_a_stage_saved_and_loaded_is_the_same(tuning: str, tmp_path: Path) -> None:
    model = model_of(TUNINGS[tuning])
    for parameter in model.learning().values():
        parameter.add_(torch.randn_like(parameter) * 0.1)
    save_stage(model, tmp_path)
    other = model_of(TUNINGS[tuning])
    load_stage(other, tmp_path)
    talks = two_talks()
    found, wanted = together(other, talks), together(model, talks)
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_the_prefix_is_its_equation() -> None:
    """Attention over K~ = [K_p; K] and V~ = [V_p; V] (section 3.2 of the survey), written out for one layer."""
    llm = tiny_llama()
    llm.config.num_hidden_layers = 1
    llm.model.layers = llm.model.layers[:1]
    model = model_of(PrefixTuning(tokens=TOKENS), llm)
    tokens = (3, 9, 27, 31)
    x = llm.model.embed_tokens(torch.tensor(tokens))
    layer = llm.model.layers[0]

    def norm(values: Tensor, weight: Tensor) -> Tensor:
        return weight * values / (values.square().mean(-1, keepdim=True) + llm.config.rms_norm_eps).sqrt()

    def turned(values: Tensor) -> Tensor:
        """Rotary positions, counted behind the virtual tokens ``[heads, tokens, 8]``."""
        at = torch.arange(TOKENS, TOKENS + len(tokens))[:, None] / 10_000 ** (torch.arange(4) * 2 / 8)
        a, b = values[..., :4], values[..., 4:]
        return torch.cat([a * at.cos() - b * at.sin(), b * at.cos() + a * at.sin()], -1)

    h = norm(x, layer.input_layernorm.weight)
    own = layer.self_attn
    q, k, v = (
        (h @ proj.weight.T).view(len(tokens), -1, 8).transpose(0, 1) for proj in (own.q_proj, own.k_proj, own.v_proj)
    )
    # PEFT's table: for each virtual token the keys, then the values, head after head.
    table = dict(model.llm.named_parameters())["prompt_encoder.default.embedding.weight"].view(TOKENS, 2, 2, 8)
    keys = torch.cat([table[:, 0].transpose(0, 1), turned(k)], 1).repeat_interleave(2, 0)
    values = torch.cat([table[:, 1].transpose(0, 1), v], 1).repeat_interleave(2, 0)
    scores = turned(q) @ keys.transpose(1, 2) / 8**0.5
    places = torch.arange(TOKENS + len(tokens))
    scores = scores.masked_fill(places > places[TOKENS:, None], -torch.inf)
    mixed = (scores.softmax(-1) @ values).transpose(0, 1).reshape(len(tokens), -1)
    x = x + mixed @ own.o_proj.weight.T
    h = norm(x, layer.post_attention_layernorm.weight)
    gate = h @ layer.mlp.gate_proj.weight.T
    x = x + (gate * gate.sigmoid() * (h @ layer.mlp.up_proj.weight.T)) @ layer.mlp.down_proj.weight.T
    wanted = norm(x, llm.model.norm.weight) @ llm.lm_head.weight.T
    prompt = EncodedPrompt("u", tokens, (AnswerPath((5,)),))
    ((trees, plain),) = model.trees([[prompt]], 100)
    torch.testing.assert_close(model.logits(make_batch(trees, plain))[0], wanted[-1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["mamba", "jamba", "lfm2", "recurrent_gemma", "rwkv"])
@pytest.mark.parametrize("tuning", ["prefix", "prompt", "p-tuning"])
def test_a_backbone_that_cannot_take_them_is_refused(name: str, tuning: str) -> None:
    with pytest.raises(merc.MercError, match=r"^backbone\.tuning: .* puts virtual tokens .*ForCausalLM.*soft"):
        model_of(TUNINGS[tuning], build(SEPARATE[name]))


@pytest.mark.parametrize(
    ("kinds", "attends"),
    [
        (["full_attention", "sliding_attention", "chunked_attention"], True),
        (["attention", "attention"], True),
        (["linear_attention", "full_attention"], False),
        (["lightning_attention"], False),
        (["mamba", "attention"], False),
    ],
)
def test_layers_that_keep_a_state_are_no_attention(kinds: list[str], attends: bool) -> None:
    """Whatever their kind is called."""
    assert _attends(SimpleNamespace(layer_types=kinds)) == attends


def test_a_backbone_that_forgets_them_is_refused() -> None:
    """What the configuration does not tell, a few tokens do."""
    llm = tiny_llama()
    forward = llm.model.forward

    def forgets(past_key_values=None, inputs_embeds=None, **more):  # type: ignore[no-untyped-def]
        if inputs_embeds is not None and past_key_values is not None:
            raise ValueError("no cache")
        return forward(past_key_values=past_key_values, inputs_embeds=inputs_embeds, **more)

    llm.model.forward = forgets
    with pytest.raises(merc.MercError, match="LlamaForCausalLM does not go on from keys and values"):
        model_of(PrefixTuning(tokens=2), llm)


def test_more_than_the_context_is_refused() -> None:
    with pytest.raises(merc.MercError, match=r"backbone\.tuning\.tokens: 128 .* 128 tokens; give it fewer"):
        model_of(PrefixTuning(tokens=128))


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (lambda: PrefixTuning(tokens=0), "tokens"),
        (lambda: PrefixTuning(hidden=8), "projection"),
        (lambda: PTuning(dropout=0.1), "lstm"),
        (lambda: PTuning(encoder="lstm", dropout=1.0), "dropout"),
        (lambda: PTuning(hidden=0), "hidden"),
    ],
)
def test_parameters_that_cannot_be(make, names: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=names):
        make()


def test_how_they_begin() -> None:
    words = tiny_llama().get_input_embeddings().weight
    learned = model_of(PromptTuning(tokens=3)).llm.prompt_encoder.default.embedding.weight
    assert all(bool((words == row).all(-1).any()) for row in learned)
    drawn = model_of(PromptTuning(tokens=3, start="random")).llm.prompt_encoder.default.embedding.weight
    assert not any(bool((words == row).all(-1).any()) for row in drawn)
    zero = model_of(PrefixTuning(tokens=3, start="zero")).llm.prompt_encoder.default.embedding.weight
    assert not np.any(zero.detach().numpy())


@pytest.mark.parametrize("tuning", ["prefix", "prompt"])
@torch.no_grad()
def test_layers_that_look_at_media_see_the_same_beside_them(tuning: str) -> None:
    """On the tree, in rows of their own, and from what is kept of a beginning."""
    model = test_inserted.model_of(tuning=tuning)
    prompts = test_inserted.encoded(model)
    found = together(model, [prompts])
    kept = {p.target: scores for p, scores, _ in KeptPrefix.of(model, prompts[0]).score(prompts, 2, "none", 4096)}
    texts = [text.tokens for (text,) in generate(model, prompts, Sampling(3))]
    drawn = [text.tokens for (text, _) in generate(model, prompts, Sampling(3, count=2, temperature=1e-6))]
    assert texts == drawn
    model.layout = "separate"
    alone = together(model, [prompts])
    for name, value in alone.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(kept[name[0]][name[1]], value, rtol=1e-4, atol=1e-4)
    assert [text.tokens for (text,) in generate(model, prompts, Sampling(3))] == texts
