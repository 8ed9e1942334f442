from importlib.util import find_spec

import numpy as np
import pytest
from merc_embedded.minilm import WEIGHTS, MiniLM

from merc import Missing, TextClip

pytestmark = pytest.mark.skipif(find_spec(WEIGHTS.package) is None, reason=f"{WEIGHTS.distribution} is not installed")


@pytest.fixture(scope="module")
def encode():
    load = MiniLM().load("cpu")

    def vectors(*texts):
        return load([TextClip(text=text) for text in texts])

    return vectors


def test_sentences_near_in_meaning_are_near(encode):
    glad, joyful, train, leaves = np.concatenate(
        encode(
            "I am so happy today!",
            "This is a joyful day for me.",
            "The train to Leeds leaves at nine.",
            "At what time does the railway carriage depart?",
        )
    )
    assert glad @ joyful > 0.5
    assert train @ leaves > 0.4
    assert max(glad @ train, glad @ leaves, joyful @ train) < 0.2


def test_it_is_the_mean_over_word_pieces_of_length_one(encode):
    import torch
    from transformers import AutoModel, AutoTokenizer

    folder = WEIGHTS.path().parent
    text = "Why do all your coffee mugs have numbers on the bottom?"
    with torch.inference_mode():
        states = AutoModel.from_pretrained(folder)(**AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt"))
        mean = states.last_hidden_state[0].mean(0).numpy()
    (got,) = encode(text)
    assert got.shape == (1, 384)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got[0], mean / np.linalg.norm(mean), atol=1e-5)


def test_a_long_text_counts_to_its_last_word(encode):
    long = "well " * 600
    plain, ending, again = encode(long, long + "hooray, we have won the cup", long)
    assert np.linalg.norm(plain) == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(plain, again, atol=1e-5)
    assert np.abs(plain - ending).max() > 1e-3


def test_a_batch_gives_what_each_text_gives_alone(encode):
    texts = ["Hi.", "", "I can't believe that you said it in front of everybody, honestly.", "so " * 300, " \n"]
    for text, together in zip(texts, encode(*texts), strict=True):
        (alone,) = encode(text)
        if not text.strip():
            assert together == alone == Missing("there are no words in it")
        else:
            np.testing.assert_allclose(together, alone, atol=1e-5)
    assert encode() == []
