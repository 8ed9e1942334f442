"""Generated answers are those that transformers generates for each prompt alone."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from merc.components import Frozen
from merc.errors import MercError
from merc.model.emotion_model import EmotionModel
from merc.model.generation import Sampling, generate
from merc.model.tuning import tune
from merc.prompting import EncodedPrompt
from tests.model.alone import media_tokens
from tests.model.architectures import HIDDEN, SEPARATE, TREE, WINDOWED, build
from tests.model.test_tree_exact import text_talks, two_talks
from tests.model.tiny import tiny_media

NEW = 6
MODELS = {**TREE, **SEPARATE, "mistral": WINDOWED["mistral"]}


class Numbers:
    """A tokenizer whose text is the numbers of the tokens."""

    pad_token_id = None
    eos_token_id: int | None = 63

    def decode(self, ids: torch.Tensor, skip_special_tokens: bool) -> str:
        return " ".join(str(i) for i in ids.tolist() if i not in (self.eos_token_id, 0))


def model_of(name: str) -> EmotionModel:
    model = EmotionModel(tune(build(MODELS[name]), Frozen()), Numbers(), tiny_media(HIDDEN))  # type: ignore[arg-type]
    model.probe()
    return model.eval()


def written(model: EmotionModel, prompts: Sequence[EncodedPrompt], new: int = NEW) -> list[str]:
    """The texts of the likeliest tokens."""
    return [one.text for (one,) in generate(model, prompts, Sampling(new))]


def alone(model: EmotionModel, prompt: EncodedPrompt, new: int = NEW) -> str:
    """By hand: the most likely token, one after another, without a cache, without padding."""
    items = list(prompt.context)
    embed = model.base.get_input_embeddings()
    said: list[int] = []
    with torch.no_grad():
        for _ in range(new):
            if all(isinstance(i, int) for i in items):
                out = model.base(input_ids=torch.tensor([items]), use_cache=False)
            else:
                rows = [
                    embed(torch.tensor([i]))[0] if isinstance(i, int) else media_tokens(model, *i[:2])[i[2]]
                    for i in items
                ]
                out = model.base(inputs_embeds=torch.stack(rows)[None], use_cache=False)
            token = int(out.logits[0, -1].argmax())
            if token == 63:
                break
            said.append(token)
            items.append(token)
    return " ".join(str(t) for t in said if t != 0)


@pytest.mark.parametrize("name", MODELS)
def test_words_are_continued_as_transformers_continues_them_alone(name: str) -> None:
    model = model_of(name)
    prompts = [p for talk in text_talks() for p in talk]
    assert len({len(p.context) for p in prompts}) > 3
    found = written(model, prompts, NEW)
    for prompt, text in zip(prompts, found, strict=True):
        ids = torch.tensor([prompt.context])
        out = model.base.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=NEW, do_sample=False, pad_token_id=0
        )
        assert text == Numbers().decode(out[0, ids.shape[1] :], True)


@pytest.mark.parametrize("name", ["llama", "gemma2", "gpt2", "opt", "mamba", "jamba", "mistral", "recurrent_gemma"])
def test_media_are_continued_as_token_by_token_alone(name: str) -> None:
    model = model_of(name)
    prompts = [p for talk in two_talks() for p in talk] + text_talks()[0]
    assert written(model, prompts, NEW) == [alone(model, p) for p in prompts]


def test_a_backbone_that_cannot_continue_media_says_so_and_still_continues_words() -> None:
    from transformers import BambaConfig

    from tests.model.architectures import BASE

    torch.manual_seed(0)
    config = BambaConfig(
        **BASE, attn_layer_indices=[1], mamba_n_heads=8, mamba_d_head=8, mamba_d_state=8, mamba_n_groups=1
    )
    model = EmotionModel(tune(build(lambda: config), Frozen()), Numbers(), tiny_media(HIDDEN))  # type: ignore[arg-type]
    model.probe()
    words, media = text_talks()[0], two_talks()[0]
    assert written(model, words, NEW) == [alone(model, p) for p in words]
    with pytest.raises(MercError) as caught:
        written(model, media, NEW)
    assert str(caught.value) == (
        "BambaForCausalLM cannot write text after media tokens: its part of transformers generates from words only; "
        "use evaluate.decoder={name: verbalizer}, a prompter without media, or another backbone"
    )


def test_the_answer_ends_at_the_tokenizers_end_and_at_the_backbones() -> None:
    model = model_of("llama")
    said = {p: alone(model, p, 8).split() for talk in text_talks() for p in talk}
    prompt, plain = next((p, words) for p, words in said.items() if len(words) == 8)
    stop = plain[3]
    first = plain.index(stop)
    tokenizer = Numbers()
    tokenizer.eos_token_id = int(stop)
    model._tokenizer = tokenizer  # type: ignore[assignment]
    assert written(model, [prompt], 8) == [" ".join(plain[:first])]
    model._tokenizer = Numbers()  # type: ignore[assignment]
    model.base.generation_config.eos_token_id = [63, int(stop)]
    assert written(model, [prompt], 8)[0].split()[: first + 1] == plain[: first + 1]
    assert len(written(model, [prompt], 8)[0].split()) == first + 1


def test_a_penalty_of_the_backbones_own_does_not_change_the_answer() -> None:
    """Instruct models come with settings for chatting; answers are the likeliest words, nothing else."""
    model = model_of("llama")
    prompts = text_talks()[0]
    wanted = [alone(model, p) for p in prompts]
    config = model.base.generation_config
    config.repetition_penalty, config.do_sample, config.temperature, config.top_k = 5.0, True, 0.7, 3
    assert written(model, prompts, NEW) == wanted
