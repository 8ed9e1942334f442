"""Speech models of transformers: small random ones of the real architectures, saved as anybody's are."""

import json

import numpy as np
import pytest
import torch
from merc_speech.hf import RATE, HFSpeech

import merc
import merc.testing
from merc.testing import samples

LETTERS = ["<pad>", "<s>", "</s>", "<unk>", "|", *"abcdefgh"]


@pytest.fixture(scope="module")
def wav2vec2(tmp_path_factory):
    from transformers import Wav2Vec2Config, Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor, Wav2Vec2ForCTC

    folder = tmp_path_factory.mktemp("wav2vec2")
    (folder / "vocab.json").write_text(json.dumps({letter: place for place, letter in enumerate(LETTERS)}))
    torch.manual_seed(0)
    config = Wav2Vec2Config(
        vocab_size=len(LETTERS), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        conv_dim=(8, 8), conv_kernel=(10, 8), conv_stride=(8, 8), num_feat_extract_layers=2, pad_token_id=0,
        num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2,
    )  # fmt: skip
    net = Wav2Vec2ForCTC(config)
    with torch.no_grad():
        net.lm_head.weight.normal_(0, 5)
    net.save_pretrained(folder)
    Wav2Vec2CTCTokenizer(str(folder / "vocab.json")).save_pretrained(folder)
    Wav2Vec2FeatureExtractor().save_pretrained(folder)
    return folder


def test_words_of_a_ctc_head_are_the_likeliest_letters(wav2vec2):
    from transformers import Wav2Vec2FeatureExtractor, Wav2Vec2ForCTC

    clip = samples.audio(1.0, RATE)
    (heard,) = HFSpeech(path=str(wav2vec2)).load("cpu")([clip])
    net = Wav2Vec2ForCTC.from_pretrained(wav2vec2).eval()
    with torch.no_grad():
        extract = Wav2Vec2FeatureExtractor.from_pretrained(wav2vec2)
        inputs = extract(clip.samples, sampling_rate=RATE, return_tensors="pt")
        letters = net(**inputs).logits[0].argmax(-1).tolist()
    collapsed = [one for at, one in enumerate(letters) if at == 0 or one != letters[at - 1]]
    text = "".join(" " if LETTERS[one] == "|" else LETTERS[one] for one in collapsed if one > 3)
    assert heard.text.split() == text.split() and heard.words
    assert all(0 < word.probability <= 1 for word in heard.words)


@pytest.fixture(scope="module")
def moonshine(tmp_path_factory):
    from tokenizers import Tokenizer, models
    from transformers import (
        MoonshineConfig,
        MoonshineForConditionalGeneration,
        PreTrainedTokenizerFast,
        Wav2Vec2FeatureExtractor,
    )  # fmt: skip

    folder = tmp_path_factory.mktemp("moonshine")
    torch.manual_seed(0)
    config = MoonshineConfig(
        vocab_size=len(LETTERS), hidden_size=16, intermediate_size=16, encoder_num_hidden_layers=1,
        decoder_num_hidden_layers=1, encoder_num_attention_heads=2, decoder_num_attention_heads=2,
        pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=1,
    )  # fmt: skip
    net = MoonshineForConditionalGeneration(config)
    net.generation_config.max_new_tokens, net.generation_config.suppress_tokens = 4, [0, 1, 2, 3]
    net.save_pretrained(folder)
    words = Tokenizer(models.WordLevel({letter: at for at, letter in enumerate(LETTERS)}, unk_token="<unk>"))
    marks = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    PreTrainedTokenizerFast(tokenizer_object=words, **marks).save_pretrained(folder)
    Wav2Vec2FeatureExtractor().save_pretrained(folder)
    return folder


def test_what_generates_writes_what_it_generates(moonshine):
    from transformers import AutoTokenizer, MoonshineForConditionalGeneration, Wav2Vec2FeatureExtractor

    clip = samples.audio(1.0, RATE)
    (heard,) = HFSpeech(path=str(moonshine)).load("cpu")([clip])
    net = MoonshineForConditionalGeneration.from_pretrained(moonshine).eval()
    inputs = Wav2Vec2FeatureExtractor.from_pretrained(moonshine)(clip.samples, sampling_rate=RATE, return_tensors="pt")
    written = net.generate(**inputs, do_sample=False)[0]
    text = AutoTokenizer.from_pretrained(moonshine).decode(written, skip_special_tokens=True)
    assert text and heard.text == text.strip() and not heard.words


class TestHFSpeech(merc.testing.TranscriberContract):
    @pytest.fixture(autouse=True)
    def _made(self, wav2vec2):
        type(self).component = HFSpeech(path=str(wav2vec2))

    component = HFSpeech(path="./set-by-the-fixture")
    name = "hf-speech"


def test_what_writes_no_speech_down_is_named(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"architectures": ["BertModel"], "model_type": "bert"}))
    with pytest.raises(merc.MercError, match=r"hf-speech: path: .* holds a BertModel, which writes no speech down"):
        HFSpeech(path=str(tmp_path)).load("cpu")
    with pytest.raises(merc.MercError, match="hf-speech: path: there is no folder"):
        HFSpeech(path="./nowhere").load("cpu")


def test_a_clip_of_hardly_any_sound_is_missing(wav2vec2):
    clip = merc.AudioClip(samples=np.zeros(80, np.float32), rate=RATE)
    (heard,) = HFSpeech(path=str(wav2vec2)).load("cpu")([clip])
    assert isinstance(heard, merc.Missing) and "0.01 s of sound" in heard.reason
