"""The working parts of the contrastive losses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

import merc
from merc_losses.label_functions import OverLabels, counted, spread, whom

if TYPE_CHECKING:
    from merc_losses.contrastive import InfoNCE, Trajectories


def check_stream(context: merc.LossContext, loss: str, stream: str) -> None:
    """Raise MercError for a stream that no prompt can show."""
    if stream not in context.streams:
        raise merc.MercError(
            f"loss {loss!r} reads the stream {stream!r}, which has no connector; the recipe's connectors are: "
            f"{', '.join(context.streams) or 'none'}"
        )


class InfoNCEFunction(nn.Module):
    """A stream's summaries against the text anchors of a step."""

    def __init__(self, context: merc.LossContext, loss: InfoNCE) -> None:
        super().__init__()
        check_stream(context, "info-nce", loss.stream)
        self.loss, self.embed, self.say, self.labels = loss, context.embed, context.say, context.labels
        self.warned = False
        self.anchors: dict[str, int] = {}

    def text(self, query: merc.Query) -> str | None:
        """The text that anchors a query's target; None where it has none."""
        target, anchor = query.target, self.loss.anchor
        if anchor == "utterance":
            text = target.text
        elif anchor == "label":
            text = target.label and self.labels.words_of(target.label)[0]
        else:
            text = target.cues.get(anchor.removeprefix("cue:"))
        return text.strip() if text and text.strip() else None

    def pairs(self, batch: merc.Batch) -> list[tuple[int, str]]:
        """The prompts of a batch whose targets have both, and their anchors."""
        ids = batch.media_ids.get(self.loss.stream, frozenset())
        texts = [self.text(query) if query.target.id in ids else None for query in batch.queries]
        return [(place, text) for place, text in enumerate(texts) if text is not None]

    def begin(self, batches: Sequence[merc.Batch]) -> None:
        """Take the anchors of the whole step. Say once where a step has none to tell apart."""
        texts: list[str] = [text for batch in batches for _, text in self.pairs(batch)]
        if self.loss.anchor == "label":
            texts = [self.labels.words_of(label)[0] for label in self.labels.labels] if texts else []
        self.anchors = {text: number for number, text in enumerate(dict.fromkeys(texts))}
        if len(self.anchors) < 2 and not self.warned:
            self.warned = True
            self.say(
                f"loss 'info-nce': a step has {len(self.anchors)} different anchors ({self.loss.anchor}) of utterances "
                f"with the stream {self.loss.stream!r}, and one alone teaches nothing; raise batch_conversations, or "
                "look at the media and cues"
            )

    def counts(self, batch: merc.Batch) -> Tensor:
        """1 for an utterance that has the stream and an anchor, else 0 ``[prompts]``."""
        return counted(batch, (place for place, _ in self.pairs(batch)))

    def forward(self, outputs: merc.Outputs, batch: merc.Batch) -> Tensor:
        """Losses ``[prompts]``."""
        assert outputs.states is not None
        places, rows, own = [], [], []
        if pairs := self.pairs(batch):
            row = rows_of(outputs, self.loss.stream)
            places = [place for place, _ in pairs]
            rows = [row[batch.queries[place].target.id] for place in places]
            own = [self.anchors[text] for _, text in pairs]
        source, device = outputs.states.float(), outputs.states.device
        # Under ZeRO-3 embedding fetches weights from all processes, so each embeds, whatever its own pass shows.
        v = self.embed(list(self.anchors)) if self.anchors else source.new_zeros(0)
        if not places:
            return spread(batch, source.new_zeros(0), batch.path_prompt.new_zeros(0), source) + v.sum() * 0.0
        assert outputs.media is not None
        u = outputs.media[self.loss.stream][rows].float()
        if self.loss.normalize:
            u, v = normalize(u, dim=-1), normalize(v, dim=-1)
        losses = nn.functional.cross_entropy(
            u @ v.T / self.loss.tau, torch.tensor(own, device=device), reduction="none"
        )
        return spread(batch, losses, torch.tensor(places, device=device), source)


class SupervisedContrastiveFunction(OverLabels):
    """States of one label against those of the others in a pass."""

    def __init__(self, context: merc.LossContext, tau: float) -> None:
        super().__init__(context, "supervised-contrastive")
        self.tau = tau

    def counts(self, batch: merc.Batch) -> Tensor:
        """1 for an utterance whose label another one of the pass has, else 0 ``[prompts]``."""
        return self.same(batch).any(1).float()

    def same(self, batch: merc.Batch) -> Tensor:
        """Which prompts about other utterances have the same right label ``[prompts, prompts]``."""
        truth = batch.truth
        return (truth[:, None] == truth) & self.compared(batch)

    def compared(self, batch: merc.Batch) -> Tensor:
        """Which prompts are about two utterances and ask both for a label ``[prompts, prompts]``."""
        targets = [whom(query) for query in batch.queries]
        number_of = {target: number for number, target in enumerate(dict.fromkeys(targets))}
        numbers = torch.tensor([number_of[target] for target in targets], device=batch.path_prompt.device)
        labelled = batch.truth >= 0
        return (numbers[:, None] != numbers) & labelled[:, None] & labelled

    def forward(self, outputs: merc.Outputs, batch: merc.Batch) -> Tensor:
        """Losses ``[prompts]``."""
        assert outputs.states is not None
        z, same = normalize(outputs.states.float(), dim=-1), self.same(batch)
        # The lowest number, not minus infinity: a prompt that is alone has nothing to be distinguished from.
        lowest = torch.finfo(z.dtype).min
        log_probs = (z @ z.T / self.tau).masked_fill(~self.compared(batch), lowest).log_softmax(-1)
        return -log_probs.masked_fill(~same, 0.0).sum(-1) / same.sum(-1).clamp(min=1)


class TrajectoriesFunction(nn.Module):
    """Whole conversations in one stream against those in another."""

    def __init__(self, context: merc.LossContext, loss: Trajectories) -> None:
        super().__init__()
        for stream in loss.streams:
            check_stream(context, "trajectories", stream)
        self.loss, self.say, self.warned = loss, context.say, False

    def talks(self, batch: merc.Batch) -> list[tuple[int, list[list[str]]]]:
        """The conversations of a pass: the first prompt of each, and its utterances in order by stream. None where
        there are fewer than two."""
        ids_of = [batch.media_ids.get(stream, frozenset()) for stream in self.loss.streams]
        complete: dict[tuple[str, str], tuple[int, list[list[str]]]] = {}
        for place, query in enumerate(batch.queries):
            ids = [[u.id for u in query.conversation.utterances if u.id in those] for those in ids_of]
            if all(ids):
                complete.setdefault(query.segment, (place, ids))
        return list(complete.values()) if len(complete) > 1 else []

    def begin(self, batches: Sequence[merc.Batch]) -> None:
        """Say once where no pass of a step has two conversations to tell apart."""
        if not self.warned and not any(self.talks(batch) for batch in batches):
            self.warned = True
            self.say(
                "loss 'trajectories': no pass of a step has two conversations with "
                f"{' and '.join(self.loss.streams)}, so nothing is compared; raise batch_conversations and batch_tokens"
            )

    def counts(self, batch: merc.Batch) -> Tensor:
        """1 for the first prompt of each conversation that is compared, else 0 ``[prompts]``."""
        return counted(batch, (place for place, _ in self.talks(batch)))

    def forward(self, outputs: merc.Outputs, batch: merc.Batch) -> Tensor:
        """Losses ``[prompts]``."""
        assert outputs.states is not None
        source, talks = outputs.states.float(), self.talks(batch)
        places = torch.tensor([place for place, _ in talks], dtype=torch.long, device=source.device)
        if not talks:
            return spread(batch, source.new_zeros(0), places, source)
        a, b = (
            self.trajectories(outputs, stream, [ids[number] for _, ids in talks])
            for number, stream in enumerate(self.loss.streams)
        )
        similar = torch.einsum("cpw,dpw->cd", a, b) / self.loss.points / self.loss.tau
        own = torch.arange(len(talks), device=source.device)
        cross_entropy = nn.functional.cross_entropy
        losses = (cross_entropy(similar, own, reduction="none") + cross_entropy(similar.T, own, reduction="none")) / 2
        return spread(batch, losses, places, source)

    def trajectories(self, outputs: merc.Outputs, stream: str, talks: Sequence[Sequence[str]]) -> Tensor:
        """Conversations in a stream ``[conversations, points, width]``, each place of length 1."""
        assert outputs.media is not None
        row, means = rows_of(outputs, stream), outputs.media[stream]
        return torch.stack([self.trajectory(means[[row[one] for one in ids]]) for ids in talks])

    def trajectory(self, means: Tensor) -> Tensor:
        """The means of one conversation's utterances ``[utterances, width]``, drawn at evenly spaced points."""
        path = normalize(means.float(), dim=-1)
        drawn = nn.functional.interpolate(path.T[None], size=self.loss.points, mode="linear", align_corners=True)
        return normalize(drawn[0].T, dim=-1)


def rows_of(outputs: merc.Outputs, stream: str) -> dict[str, int]:
    """The row of each utterance among a stream's summaries; of one that is there with several pasts the last."""
    assert outputs.media_ids is not None
    return {utterance: row for row, utterance in enumerate(outputs.media_ids[stream])}
