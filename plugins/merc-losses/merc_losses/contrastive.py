"""Losses that draw together what belongs together, and push apart what does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import merc

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class _Contrastive(merc.Loss):
    answers = "none"
    tau: float = 0.1
    """The temperature by which similarities are divided; the smaller, the more the hardest negative counts."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.tau < float("inf"):
            raise ValueError(f"tau is above 0, not {self.tau:g}")


@dataclass(frozen=True, kw_only=True)
class InfoNCE(_Contrastive):
    """-log exp(⟨u_i, v_i⟩ / τ) / Σ_j exp(⟨u_i, v_j⟩ / τ): the survey's equation 29, over the utterances i that a step
    asks about. u_i is the summary of utterance i in a stream, the mean of its tokens after the connector, and v_i its
    text anchor, the mean of the language model's input embeddings of a text. τ is ``tau``.

    The anchors v_j are those of the whole step, whatever the number of passes and processes that it is computed in
    (they are texts, which every pass can embed), each text once; with the anchor ``label`` they are all labels of the
    label space. So the loss is a mean over utterances, and ``trainer.batch_tokens`` does not change it. An utterance
    without the stream or without the text counts nothing. It stands beside a loss of answers, so give it a weight.
    """

    needs = frozenset({"media", "states"})
    stream: str
    """The stream whose tokens are drawn to the anchors."""
    anchor: str = "utterance"
    """Which text is the anchor: ``utterance`` its words, ``label`` the first word of its right label, ``cue:NAME`` one
    of its cues (``cue:face``), which a prompter of the stage requests."""
    normalize: bool = True
    """Whether summaries and anchors have length 1, so that their product is a cosine."""

    def __post_init__(self) -> None:
        super().__post_init__()
        cue = self.anchor.removeprefix("cue:")
        if self.anchor not in ("utterance", "label") and (cue == self.anchor or not cue):
            raise ValueError(f"anchor is 'utterance', 'label' or 'cue:NAME', not {self.anchor!r}")

    def cue_fields(self) -> Sequence[str]:
        """The cue that is the anchor, if one is."""
        return (self.anchor.removeprefix("cue:"),) if self.anchor.startswith("cue:") else ()

    def build(self, context: merc.LossContext) -> nn.Module:
        """The loss as a module."""
        from merc_losses.contrastive_functions import InfoNCEFunction

        return InfoNCEFunction(context, self)


@dataclass(frozen=True, kw_only=True)
class SupervisedContrastive(_Contrastive):
    """The supervised contrastive loss (Khosla et al., 2020, L_out): -1 / |P(i)| Σ_{p in P(i)} log exp(z_i · z_p /
    ``tau``) / Σ_{a ≠ i} exp(z_i · z_a / ``tau``). z_i is the hidden state where the answer about utterance i begins,
    of length 1, and P(i) are the other utterances with its label. Of prompts that ask for something else than a label,
    as those of an auxiliary task, it takes none.

    It compares the utterances of one forward pass, since their states are there together: another
    ``trainer.batch_tokens`` is another loss, and more of it gives more to compare. An utterance whose label no other
    one in its pass has counts nothing.
    """

    needs = frozenset({"states"})
    answers = "gold"  # which say of a prompt whether it asks for a label

    def build(self, context: merc.LossContext) -> nn.Module:
        """The loss as a module. Raises MercError where no answer of the stage is a label."""
        from merc_losses.contrastive_functions import SupervisedContrastiveFunction

        return SupervisedContrastiveFunction(context, self.tau)


@dataclass(frozen=True, kw_only=True)
class Trajectories(_Contrastive):
    """Whole emotional trajectories, aligned across modalities (the survey's section 7.1). The trajectory of a
    conversation in a stream is u_1 ... u_T, the summaries (mean after the connector, of length 1) of the utterances in
    order that the prompts show with it, brought to one number of places by linear interpolation along time. Two
    trajectories are as similar as the mean cosine of their places. The loss of a conversation is the mean of -log
    exp(s(a_c, b_c) / τ) / Σ_d exp(s(a_c, b_d) / τ) and the same with the streams a and b exchanged; τ is ``tau``.

    Conversations d are those of one forward pass: another ``trainer.batch_tokens`` is another loss, and a conversation
    that is alone in its pass, or lacks one of the streams, counts nothing. A conversation counts once, at its first
    prompt in the pass.
    """

    needs = frozenset({"media", "states"})
    streams: tuple[str, ...]
    """The two streams a and b."""
    points: int = 8
    """The places to which each trajectory is interpolated."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(set(self.streams)) != 2 or len(self.streams) != 2:
            raise ValueError(f"streams are two different ones, not {list(self.streams)}")
        if self.points < 1:
            raise ValueError(f"points counts from 1, not {self.points}")

    def build(self, context: merc.LossContext) -> nn.Module:
        """The loss as a module."""
        from merc_losses.contrastive_functions import TrajectoriesFunction

        return TrajectoriesFunction(context, self)
