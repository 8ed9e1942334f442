"""Fusers of Emotion-LLaMAv2's Table 9: Conv-Attention, each of its branches, and the two pre-fusions of AffectGPT."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from merc import FeatureSpec, Fuser, at_least, below_one, stream_dims

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class _Fixed(Fuser):
    """A fuser that gives a fixed number of tokens, whatever goes in. In Python the field is ``tokens_``."""

    tokens_: int
    """Tokens of an utterance."""

    def tokens(self, counts: Mapping[str, int]) -> int:
        """As many as the parameter says."""
        return self.tokens_


@dataclass(frozen=True, kw_only=True)
class _Branches(_Fixed):
    tokens_: int = 64
    """Tokens of an utterance, to which each stream is brought by adaptive average pooling."""
    layers: tuple[int, ...] = (512, 128)
    """The widths of the layers of each stream's MLP."""
    dropout: float = 0.1
    """The share that is dropped after each of these layers while training."""
    out: int | None = 256
    """Numbers of a token that goes out, by one more linear layer; null leaves that layer out."""

    def __post_init__(self) -> None:
        at_least(1, self, "tokens_", "out")
        below_one(self, "dropout")
        if not self.layers or min(self.layers) < 1:
            raise ValueError(f"layers are the widths of at least one layer, each at least 1, not {list(self.layers)}")

    def spec(self, inputs: Mapping[str, FeatureSpec]) -> FeatureSpec:
        """``tokens`` tokens of ``out`` numbers. ValueError without a stream."""
        stream_dims(inputs)
        return FeatureSpec(self.layers[-1] if self.out is None else self.out, self.tokens_)

    @abstractmethod
    def _branches(self, streams: int) -> dict[str, nn.Module]:
        """What makes a fused stream of F_d, by name, for this many streams."""

    def build(self, inputs: Mapping[str, FeatureSpec]) -> nn.Module:
        """The module. ValueError without a stream."""
        from merc_emotion_llama.nets import conv_attention

        dims = stream_dims(inputs)
        return conv_attention.ConvAttention(
            dims, self.tokens_, self.layers, self.dropout, self._branches(len(dims)), self.out
        )

    def _attention(self, streams: int) -> nn.Module:
        from merc_emotion_llama.nets.conv_attention import AttentionBranch

        return AttentionBranch(streams, self.layers, self.dropout)


@dataclass(frozen=True, kw_only=True)
class Attention(_Branches):
    """The attention branch of ``conv-attention`` alone ("Our Attn" in Table 9): F_attn of equation 3."""

    def _branches(self, streams: int) -> dict[str, nn.Module]:
        return {"attention": self._attention(streams)}


@dataclass(frozen=True, kw_only=True)
class Conv(_Branches):
    """The convolutional branch of ``conv-attention`` alone ("Our Conv" in Table 9): F_conv of equation 4."""

    blocks: int = 4
    """How many residual convolutions."""
    kernel: int = 3
    """The kernel of these convolutions, in tokens; odd, so that they keep the number of tokens."""

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, self, "blocks", "kernel")
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel is odd, so that a convolution keeps the number of tokens, not {self.kernel}")

    def _conv(self, streams: int) -> nn.Module:
        from merc_emotion_llama.nets.conv_attention import ConvBranch

        return ConvBranch(streams * self.layers[-1], self.layers[-1], self.blocks, self.kernel)

    def _branches(self, streams: int) -> dict[str, nn.Module]:
        return {"conv": self._conv(streams)}


@dataclass(frozen=True, kw_only=True)
class ConvAttention(Conv):
    """Conv-Attention of Emotion-LLaMAv2 (section 4.3): convolution and attention side by side, and their sum.

    Each stream is brought to ``tokens`` tokens and goes through an MLP of its own to a common width. F_d sets the
    streams side by side, F_s one after another (equation 2). F_attn is F_s times what another MLP makes of F_d
    (equation 3), F_conv a convolution of F_d and ``blocks`` residual ones, F + x sigmoid(x) of a convolution of F
    (equation 4). The sum of both goes out.

    ``inputs`` of the paper are three: the 64 tokens of the audio encoder, the CLS token of the middle frame, and the 64
    tokens of the temporal visual encoder; any number works.

    What the paper leaves open, and what holds here. Where it is silent the values are those of the program that its
    authors published.

    - **Lengths.** The paper brings audio to 64 tokens by adaptive average pooling, and repeats the one token of the
      middle frame 64 times. Both are one rule here: adaptive average pooling of a row's own tokens to ``tokens``.
    - **Equation 2** doesn't say along which axis it concatenates. "Adapt its embedding depth to the sequence length of
      F_s" makes sense when F_d is ``[tokens, streams x width]`` and F_s ``[tokens, width, streams]``: each place gets
      one weight a stream.
    - **Equation 3** as printed has the column of weights on the left of F_s, where the shapes don't fit; it is F_s
      times the column. It has no softmax, so weights may be negative and need not sum to one.
    - **MLP**: ``layers`` are its widths, each with a ReLU and ``dropout`` after it. Attn_MLP is another of them and a
      linear layer to one number a stream.
    - **Convolutions**: the first has kernel 1, the ``blocks`` residual ones kernel ``kernel``, zeros beyond the ends.
    - **out**: in the text the sum itself goes to the modal adapter. The published program has one more linear layer
      between them, of this many numbers; ``out: null`` leaves it out. With it, and LLaMA-2-7B, EVA ViT-g and
      Whisper-large-v3, what learns is 71.5 million parameters, 0.92 % of the LLM, EVA and what learns; without it 71.0
      million, 0.91 %. The paper states 71 million and 0.92 %, so the layer is there by default.
    - **A missing modality** is not treated. Here zeros stand for it in F_d and F_s, after the MLP: it adds nothing to
      F_attn, and no bias of its own to F_conv. An utterance without any of the streams gives no token.
    """

    def _branches(self, streams: int) -> dict[str, nn.Module]:
        return {"attention": self._attention(streams), "conv": self._conv(streams)}


@dataclass(frozen=True, kw_only=True)
class QFormer(_Fixed):
    """AffectGPT's Q-Former as pre-fusion ("AffectGPT-Q-Former" in Table 9): learned queries over all streams' tokens.

    A linear layer for each stream brings its tokens to ``width``; the queries attend to each other and then to all
    these tokens, in each layer of BERT's form, with 4 x ``width`` in the feed-forward part and GELU. The queries' last
    states go out.

    Emotion-LLaMAv2 says no more than the name; sizes are those of AffectGPT's program: BERT-base's width and heads, two
    layers, 16 queries. Two things differ from it. Streams are projected to ``width`` at once, not to the widest
    encoder's width first, one linear map in place of two. And a token's place in its stream is encoded by sines and
    cosines, not by a learned table of 264 places over all streams together: a table ends, and places counted over
    streams would move where a stream before is missing. BERT's weights are loaded neither there nor here.

    A missing stream is masked in the attention. An utterance without any gives no token.
    """

    tokens_: int = 16
    """How many queries, and so tokens of an utterance."""
    width: int = 768
    """Numbers of a query."""
    heads: int = 12
    """Heads of attention; they divide ``width``."""
    layers: int = 2
    """How many layers."""
    dropout: float = 0.1
    """The share that is dropped while training, from 0 to below 1."""

    def __post_init__(self) -> None:
        at_least(1, self, "tokens_", "width", "heads", "layers")
        below_one(self, "dropout")
        if self.width % self.heads or self.width % 2:
            raise ValueError(f"width is even and a multiple of heads ({self.heads}), not {self.width}")

    def spec(self, inputs: Mapping[str, FeatureSpec]) -> FeatureSpec:
        """``tokens`` tokens of ``width`` numbers. ValueError without a stream."""
        stream_dims(inputs)
        return FeatureSpec(self.width, self.tokens_)

    def build(self, inputs: Mapping[str, FeatureSpec]) -> nn.Module:
        """The module. ValueError without a stream."""
        from merc_emotion_llama.nets import affectgpt

        dims = stream_dims(inputs)
        return affectgpt.QFormer(dims, self.tokens_, self.width, self.heads, self.layers, self.dropout)


@dataclass(frozen=True, kw_only=True)
class AffectGPTAttention(_Fixed):
    """AffectGPT's attention as pre-fusion ("AffectGPT-Attn" in Table 9): one vector of the streams' means.

    The mean of each stream's tokens goes through a linear layer of its own; two linear layers make of all of them side
    by side one weight a stream, and the sum of the streams by these weights goes out. There is no softmax and nothing
    non-linear, as in AffectGPT's program, which repeats the vector 16 times; how many times Emotion-LLaMAv2 does is not
    said.

    A missing stream stands as zeros, and adds nothing. An utterance without any gives no token.
    """

    tokens_: int = 1
    """How many times the vector goes out. Copies tell the language model nothing more, so once by default."""
    width: int | None = None
    """Numbers of the vector; null is the widest encoder's, as in AffectGPT's program."""

    def __post_init__(self) -> None:
        at_least(1, self, "tokens_", "width")

    def spec(self, inputs: Mapping[str, FeatureSpec]) -> FeatureSpec:
        """``tokens`` tokens of ``width`` numbers. ValueError without a stream."""
        return FeatureSpec(self.width or max(stream_dims(inputs).values()), self.tokens_)

    def build(self, inputs: Mapping[str, FeatureSpec]) -> nn.Module:
        """The module. ValueError without a stream."""
        from merc_emotion_llama.nets import affectgpt

        return affectgpt.MeanAttention(stream_dims(inputs), self.spec(inputs).dim, self.tokens_)
