"""The decoder ``late-fusion``: decisions of several prompts or runs, weighed by what they are worth on dev."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import merc
from merc_decoding.chances import chances_in
from merc_decoding.ensemble import probabilities_by_prompt, votes_of

if TYPE_CHECKING:
    from torch import Tensor

STEPS = 1000
"""At most so many steps of the fit; it stops where no weight moves."""


@dataclass(frozen=True, kw_only=True)
class LateFusion(merc.Decoder):
    """Decision-level fusion (equation 7 of the survey, late averaging): P(y | X) = Σ w_m P_m(y | X) over members m,
    where the weights are at least 0 and have the sum 1.

    Members are, in this order: the recipe's own prompter, other prompters, finished runs, whose models are loaded
    beside this one and predict with recipes of their own, and cues that hold probabilities, as the annotator
    ``class-chances`` writes them. An utterance without such a cue, or that a run leaves unanswered, as one whose prompt
    is too long for it, is decided by the others, and ``missing`` of its answer says so. Kept of each answer: ``votes``,
    the label by each member in their order, null for one that says nothing. Other runs are used in one process alone.
    Those that see or hear utterances read their files: a recording in memory and worse media (``evaluate.corrupt``) are
    refused with them.
    """

    gives: ClassVar[frozenset[str]] = frozenset({"probabilities"})
    prompters_: tuple[merc.Prompter, ...]
    """Other prompters, of which each may show another stream."""
    own: bool = True
    """Whether the recipe's own prompter is a member."""
    runs: tuple[merc.RunFolder, ...] = ()
    """The folders of finished runs, or names of runs that plugins bring."""
    cues: tuple[str, ...] = ()
    """The cues that hold probabilities of labels, ``joy 0.61, neutral 0.39``; the recipe's prompter has them made."""
    weights: tuple[float, ...] | None = None
    """A weight for each member; null takes those under which the labels of the dev split are likeliest together, and
    keeps them with the run."""
    normalize: Literal["none", "tokens"] = "none"
    """``tokens`` divides the log-probability of a word by its number of tokens."""

    def __post_init__(self) -> None:
        if self._members < 2:
            raise ValueError("prompters, own, runs and cues make one member or none; there is nothing to fuse")
        if self.weights is not None and len(self.weights) != self._members:
            raise ValueError(f"weights has one for each of {self._members} members, not {len(self.weights)}")
        if self.weights is not None and not (min(self.weights) >= 0 and abs(sum(self.weights) - 1) <= 1e-6):
            raise ValueError(f"weights are at least 0 and have the sum 1, not {list(self.weights)}")

    @property
    def _members(self) -> int:
        return self.own + len(self.prompters_) + len(self.runs) + len(self.cues)

    def prompters(self) -> Sequence[merc.Prompter]:
        """``prompters``."""
        return self.prompters_

    def cue_fields(self) -> Sequence[str]:
        """``cues``."""
        return self.cues

    def looks_ahead(self) -> int:
        """As far as any member looks."""
        return max([super().looks_ahead(), *(_session(run).looks_ahead for run in self.runs)])

    def reads_files(self) -> Sequence[Path]:
        """``runs``."""
        return self.runs

    def check(self, labels: merc.LabelSpace) -> None:
        """Raise MercError for a run that is not there, or has other labels."""
        for run in self.runs:
            _session_with(run, labels)

    def reads_media(self) -> Sequence[str]:
        """What sees or hears utterances in the runs."""
        return tuple(f"{name} of {run}" for run in self.runs for name in _session(run).media)

    def fits_on(self) -> Literal["train", "dev"] | None:
        """``dev``, where no weights are given."""
        return "dev" if self.weights is None else None

    def fit(self, model: merc.Model, queries: Sequence[merc.Query]) -> LateFusion:
        """The decoder with the weights that suit the labelled of ``queries``. Raises MercError where there are none."""
        labelled = [query for query in queries if query.target.label is not None]
        if not labelled:
            raise merc.MercError(
                "evaluate.decoder: late-fusion fits its weights on the dev split, which has no labels; give weights"
            )
        chances, _ = self._chances(model, labelled)
        right = [model.labels.index(str(query.target.label)) for query in labelled]
        by_member = chances[range(len(right)), :, right]
        whole = by_member[~by_member.isnan().any(1)]  # where a member is missing, nothing is learned of its weight
        if not len(whole):
            raise merc.MercError(
                "evaluate.decoder: late-fusion fits its weights on utterances that have all members' cues, and the dev "
                "split has none; give weights"
            )
        return replace(self, weights=likeliest_weights(whole))

    def decode(self, model: merc.Model, queries: Sequence[merc.Query]) -> Sequence[merc.Decoded]:
        """The label of each query that is likeliest over all members; equally weighed until weights are fitted."""
        chances, missing = self._chances(model, queries)
        weights = self.weights or (1 / self._members,) * self._members
        there = ~chances.isnan().any(-1)
        alone = [
            query.target.id for query, any_there in zip(queries, there.any(1).tolist(), strict=True) if not any_there
        ]
        if alone:
            raise merc.MercError(
                f"evaluate.decoder: late-fusion has no member that answers {merc.first_names(alone, 3)}, since cues "
                "are missing or runs leave it unanswered; set own=true"
            )
        shares = there * chances.new_tensor(weights).clamp(min=1e-12)
        fused = (chances.nan_to_num() * (shares / shares.sum(1, keepdim=True))[..., None]).sum(1)
        answers = merc.likeliest(queries, fused.log(), model.labels)
        every = zip(votes_of(model, chances.nan_to_num()), there.tolist(), strict=True)
        votes = [[vote if has else None for vote, has in zip(row, mask, strict=True)] for row, mask in every]
        return [
            replace(one, details={"votes": own}, missing=lacking)
            for one, own, lacking in zip(answers, votes, missing, strict=True)
        ]

    def _chances(self, model: merc.Model, queries: Sequence[merc.Query]) -> tuple[Tensor, list[dict[str, str]]]:
        """Probabilities ``[queries, members, labels]``, and for each query which cues it lacks and why runs did not see
        some of it."""
        import torch

        parts = []
        missing: list[dict[str, str]] = [{} for _ in queries]
        if self.own or self.prompters_:
            parts.append(probabilities_by_prompt(model, queries, self.prompters_, self.own, self.normalize))
        for run in self.runs:
            answers = _answers_of(run, model.labels, queries)
            parts.append(_of_run(run, answers, model, queries)[:, None])
            name = run.name if [one.name for one in self.runs].count(run.name) == 1 else str(run)
            for lacking, answer in zip(missing, answers, strict=True):
                lacking.update({f"{stream} of {name}": reason for stream, reason in answer.missing.items()})
                if answer.unanswered:
                    lacking[f"answer of {name}"] = answer.unanswered
        for cue in self.cues:
            parts.append(_of_cue(cue, model, queries)[:, None])
            for lacking, query in zip(missing, queries, strict=True):
                if cue not in query.target.cues:
                    lacking[f"cue {cue}"] = "the utterance has no such cue, so the other members decided"
        return torch.cat(parts, 1), missing


def likeliest_weights(right: Tensor) -> tuple[float, ...]:
    """The weights of a mixture under which what happened is likeliest, from the probability ``[queries, members]`` that
    each member gives to the right answer: from equal weights on, w_m becomes the mean over queries of w_m p_m / Σ w p
    (expectation maximisation; the likelihood has one maximum)."""
    weights = right.new_full((right.shape[1],), 1 / right.shape[1])
    for _ in range(STEPS):
        shares = weights * right.clamp(min=1e-12)
        mean_shares = (shares / shares.sum(1, keepdim=True)).mean(0)
        moved, weights = (mean_shares - weights).abs().max().item(), mean_shares
        if moved < 1e-9:
            break
    values = weights.tolist()
    return tuple(value / sum(values) for value in values)


def _of_cue(cue: str, model: merc.Model, queries: Sequence[merc.Query]) -> Tensor:
    """Probabilities ``[queries, labels]`` that a cue of the utterance holds; no numbers where it has none. Raises
    MercError for a cue that holds something else."""
    import torch

    rows = torch.full((len(queries), len(model.labels)), torch.nan, dtype=torch.float64)
    for row, query in zip(rows, queries, strict=True):
        if cue not in query.target.cues:
            continue
        chances = chances_in(query.target.cues[cue])
        if chances is None or not set(chances) <= set(model.labels.labels):
            raise merc.MercError(
                f"evaluate.decoder.cues: {cue} of {query.target.id!r} is {query.target.cues[cue]!r}; probabilities of "
                f"{', '.join(model.labels.labels)} were expected, such as 'joy 0.61, neutral 0.39'"
            )
        own = torch.tensor([chances.get(label, 0.0) for label in model.labels.labels], dtype=row.dtype)
        row[:] = own.clamp(min=1e-6) / own.clamp(min=1e-6).sum()
    return rows


@cache
def _session(run: Path) -> merc.Session:
    """A run's session, loaded once however many runs there are."""
    return merc.load(run)


def _session_with(run: Path, labels: merc.LabelSpace) -> merc.Session:
    """A run's session. Raises MercError for one with other labels."""
    session = _session(run)
    if sorted(session.labels.labels) != sorted(labels.labels):
        raise merc.MercError(
            f"evaluate.decoder.runs: {run} answers with other labels ({', '.join(session.labels.labels)}) than this "
            f"run ({', '.join(labels.labels)}); name runs with the same labels"
        )
    return session


def _answers_of(run: Path, labels: merc.LabelSpace, queries: Sequence[merc.Query]) -> list[merc.Prediction]:
    """What a finished run says to queries, whose conversations it sees whole."""
    session = _session_with(run, labels)
    talks = {query.segment: query.conversation for query in queries}
    known: Mapping[tuple[str, str, str], merc.Prediction] = {
        (*segment, one.id): one for segment, talk in talks.items() for one in session.predict(talk)
    }
    return [known[*query.segment, query.target.id] for query in queries]


def _of_run(run: Path, answers: Sequence[merc.Prediction], model: merc.Model, queries: Sequence[merc.Query]) -> Tensor:
    """Probabilities ``[queries, labels]`` that a run's answers hold; no numbers where it leaves a query unanswered.
    Raises MercError for one whose answers have none."""
    import torch

    rows = torch.zeros(len(queries), len(model.labels), dtype=torch.float64)
    for row, query, answer in zip(rows, queries, answers, strict=True):
        if answer.unanswered:
            row[:] = torch.nan
            continue
        chances = answer.probabilities
        if chances is None:
            raise merc.MercError(
                f"evaluate.decoder.runs: {run} gives no probabilities for {query.target.id!r}; name runs whose decoder "
                "scores labels"
            )
        total = sum(chances[label] for label in query.labels.labels)
        for label in query.labels.labels:
            row[model.labels.index(label)] = chances[label] / total
    return rows
