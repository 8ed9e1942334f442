"""Every fuser against its equations, written out for one utterance, one step and one number at a time."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import pytest
import torch
from merc_fusion.conversation import ConversationLstm, ModalityGraph, SegmentMemory, StateSpace
from merc_fusion.fusers import Cnn, CrossModalAttention, FeatureLevel, ModalityExperts, MultimodalLstm, TimeWarp
from torch import Tensor, nn

from merc import FeatureSpec, Fuser, Stream

from .written_out import (
    COUNTS,
    DIMS,
    SPEAKERS,
    affine,
    attention,
    batch,
    fused,
    gelu,
    maps_of,
    norm,
    place,
    pooled,
    random_module,
    rows,
    sigmoid,
    weighted,
)

SPECS = {name: FeatureSpec(dim) for name, dim in DIMS.items()}
PRESENT = range(4)


def given(fuser: Fuser) -> tuple[nn.Module, Tensor]:
    """The module, and what it gives of the batch: ``[rows, tokens, dim]``."""
    module = random_module(lambda: fuser.build(SPECS))
    out = module(batch(), torch.tensor(SPEAKERS)) if fuser.context == "past" else module(batch())
    assert [bool(row.all()) for row in out.mask] == [True] * 4 + [False]
    return module, out.values


def means(row: int) -> list[Tensor | None]:
    return [x.mean(0) if len(x) else None for x in rows(batch(), row).values()]


def check(out: Tensor, wanted: Sequence[Tensor] | Tensor) -> None:
    wanted = wanted if isinstance(wanted, Tensor) else torch.stack(list(wanted))
    torch.testing.assert_close(out, wanted)


@pytest.mark.parametrize("operator", ["concat", "bilinear", "tensor"])
def test_equations_7_and_10(operator: str) -> None:
    module, out = given(FeatureLevel(width=3, out=4, operator=operator))
    for row in PRESENT:
        parts = [
            None if x is None else affine(x, layer)
            for x, layer in zip(means(row), module.streams.values(), strict=True)
        ]
        check(out[row, 0], fused(module.fusion, parts))


@pytest.mark.parametrize(("kernel", "channels"), [((3, 3), 1), ((2, 1), 3)])
def test_equations_8_to_10(kernel: tuple[int, int], channels: int) -> None:
    module, out = given(Cnn(length=4, kernel=kernel, channels=channels, width=3, out=4))
    for row in PRESENT:
        parts: list[Tensor | None] = []
        for name, x in rows(batch(), row).items():
            if not len(x):
                parts.append(None)
                continue
            features = torch.stack(pooled(x, 4))
            responses = []
            for channel in range(channels):
                k = module.convolutions[name].weight[channel, 0]
                for i in range(4 - kernel[0] + 1):
                    for j in range(DIMS[name] - kernel[1] + 1):
                        total = module.convolutions[name].bias[channel]
                        for p in range(kernel[0]):
                            for q in range(kernel[1]):
                                total = total + k[p, q] * features[i + p, j + q]
                        responses.append(total.clamp(min=0))
            parts.append(module.projections[name].weight @ torch.stack(responses))
        check(out[row, 0], fused(module.fusion, parts))


class Lstm:
    """Equations 11 to 14, a step at a time."""

    def __init__(self, cell: nn.Module, width: int) -> None:
        self.cell, self.width = cell, width
        self.h = torch.zeros(width, dtype=torch.double)
        self.c = dict.fromkeys(DIMS, self.h)

    def step(self, xs: Mapping[str, Tensor | None]) -> Tensor:
        outputs: dict[str, Tensor] = {}
        for name, x in xs.items():
            if x is None:
                continue
            own = self.cell.modalities[name]
            i, f, o = (
                sigmoid(w @ x + u @ self.h + b)
                for w, u, b in zip(own.gates.weight.chunk(3), own.gates_before.weight.chunk(3),
                                   own.gates.bias.chunk(3), strict=True)
            )  # fmt: skip
            candidate = torch.tanh(own.candidate.weight @ x + own.candidate_before.weight @ self.h)
            self.c[name] = f * self.c[name] + i * candidate
            outputs[name] = o
        if not outputs:
            return self.h
        scores = []
        for m, (name, x) in enumerate(xs.items()):
            if name in outputs:
                score = self.cell.weight[m]
                scores.append(score + (self.cell.scores[name].weight @ x)[0] if hasattr(self.cell, "scores") else score)
        c = weighted(scores, [self.c[name] for name in outputs])
        self.h = fused(self.cell.fusion, [outputs[name] * torch.tanh(c) if name in outputs else None for name in xs])
        return self.h


@pytest.mark.parametrize("weights", ["learned", "attention"])
@pytest.mark.parametrize("operator", ["concat", "tensor"])
def test_equations_11_to_14_within_an_utterance(weights: str, operator: str) -> None:
    module, out = given(MultimodalLstm(tokens_=3, width=2, weights=weights, operator=operator))
    for row in PRESENT:
        lstm = Lstm(module.cell, 2)
        features = {name: pooled(x, 3) if len(x) else [None] * 3 for name, x in rows(batch(), row).items()}
        check(out[row], [lstm.step({name: x[t] for name, x in features.items()}) for t in range(3)])


@pytest.mark.parametrize("weights", ["learned", "attention"])
def test_equations_11_to_14_over_a_conversation(weights: str) -> None:
    module, out = given(ConversationLstm(width=3, weights=weights))
    lstm = Lstm(module.cell, 3)
    check(out[:, 0], [lstm.step(dict(zip(DIMS, means(row), strict=True))) for row in range(5)])


def within(module: nn.Module, name: str, tokens: Sequence[Tensor]) -> list[Tensor]:
    """Equation 16 within a modality."""
    values = [affine(token, module.streams[name]) for token in tokens]
    places = [value + place(i, len(value)) for i, value in enumerate(values)]
    looked = attention(places, places, maps_of(module.within[name]), 2)
    return [value + more for value, more in zip(values, looked, strict=True)]


def test_equations_15_to_18() -> None:
    module, out = given(CrossModalAttention(tokens_=3, width=4, out=5, heads=2))
    for row in PRESENT:
        tokens = {n: within(module, n, pooled(x, 3)) for n, x in rows(batch(), row).items() if len(x)}
        for t in range(3):
            parts: list[Tensor | None] = []
            for i in DIMS:
                if i not in tokens:
                    parts.append(None)
                    continue
                q = affine(tokens[i][t], module.queries[i])
                scores = [q @ affine(tokens[j][t], module.keys[j]) for j in tokens]
                parts.append(weighted(scores, [affine(tokens[j][t], module.values[j]) for j in tokens]))
            check(out[row, t], fused(module.fusion, parts))


def test_equations_16_to_18_over_all_tokens() -> None:
    module, out = given(CrossModalAttention(tokens_=3, width=4, out=5, heads=2, over="tokens"))
    for row in PRESENT:
        tokens = {n: within(module, n, list(x)) for n, x in rows(batch(), row).items() if len(x)}
        keys = [affine(token, module.keys[name]) for name, some in tokens.items() for token in some]
        values = [affine(token, module.values[name]) for name, some in tokens.items() for token in some]
        for t in range(3):
            parts: list[Tensor | None] = []
            for i in DIMS:
                if i not in tokens:
                    parts.append(None)
                    continue
                q = affine(pooled(torch.stack(tokens[i]), 3)[t], module.queries[i])
                parts.append(weighted([q @ k / math.sqrt(4) for k in keys], values))
            check(out[row, t], fused(module.fusion, parts))


@pytest.mark.parametrize("window", [1, None])
def test_equations_19_and_20(window: int | None) -> None:
    module, out = given(ModalityGraph(width=3, out=4, layers=2, window=window))
    nodes: dict[tuple[int, int], Tensor] = {}
    for v in range(5):
        nodes.update({(v, m): x for m, x in enumerate(means(v)) if x is not None})
    for layer in module.layers:
        new = {}
        for (v, m), h_v in nodes.items():
            own = layer[m]
            scores, messages = [], []
            for (u, n), h_u in nodes.items():
                if u > v or (window is not None and u < v - window):
                    continue
                moved = own.layers[n].weight @ h_u
                relation = 2 if -1 in (SPEAKERS[u], SPEAKERS[v]) else int(SPEAKERS[u] != SPEAKERS[v])
                relation = 3 if u == v else relation
                score = own.receives.weight[0] @ (own.layers[m].weight @ h_v) + own.sends[n].weight[0] @ moved
                score = score + own.relation[relation]
                scores.append(score if score > 0 else 0.2 * score)
                messages.append(moved)
            new[v, m] = weighted(scores, messages).clamp(min=0)
        nodes = new
    check(out[:4, 0], [fused(module.fusion, [nodes.get((v, m)) for m in range(3)]) for v in PRESENT])


def test_an_utterance_of_a_graph_begins_as_itself() -> None:
    """Before anything is learned, what an utterance says weighs more than all that eight others said before it."""
    torch.manual_seed(0)
    module = ModalityGraph(inputs=("audio", "video")).build({"audio": FeatureSpec(6), "video": FeatureSpec(5)})
    values = {name: torch.randn(9, 1, dim, requires_grad=True) for name, dim in (("audio", 6), ("video", 5))}
    streams = {name: Stream(x, torch.ones(9, 1, dtype=torch.bool)) for name, x in values.items()}
    out = module(streams, torch.arange(9) % 2).values
    for direction in torch.randn(5, out.shape[-1]):
        slopes = torch.autograd.grad(out[8, 0] @ direction, list(values.values()), retain_graph=True)
        by_utterance = torch.cat([slope.flatten(1) for slope in slopes], 1).norm(dim=1)
        assert by_utterance[8] > by_utterance[:8].sum()


def test_time_warping() -> None:
    module, out = given(TimeWarp(tokens_=3, width=2, out=4))
    for row in PRESENT:
        for t in range(3):
            parts: list[Tensor | None] = []
            for name, x in rows(batch(), row).items():
                if not len(x):
                    parts.append(None)
                    continue
                warp = module.warps[name]
                lasts = [torch.log1p(affine(token, warp.rate)[0].exp()) for token in x]
                ends = [sum(lasts[: i + 1]) for i in range(len(x))]
                times = [(end - last / 2) / ends[-1] for end, last in zip(ends, lasts, strict=True)]
                assert all(a < b for a, b in itertools.pairwise(times)), "time goes on"
                away = [((t + 0.5) / 3 - time) / warp.log_width.exp() for time in times]
                parts.append(affine(weighted([-(a**2) / 2 for a in away], list(x)), module.streams[name]))
            check(out[row, t], fused(module.fusion, parts))


def test_time_is_not_warped_at_first() -> None:
    module = TimeWarp(tokens_=4).build(SPECS)
    times = module.warps["audio"].times(batch()["audio"]._replace(values=batch()["audio"].values.float()))
    torch.testing.assert_close(times[0, :5], torch.tensor([0.1, 0.3, 0.5, 0.7, 0.9]))


@pytest.mark.parametrize("top", [1, 2, 3, 9])
def test_a_mixture_of_experts(top: int) -> None:
    module, out = given(ModalityExperts(width=3, out=4, top=top))
    for row in PRESENT:
        xs = means(row)
        joined = torch.cat([
            torch.zeros(dim, dtype=torch.double) if x is None else x for x, dim in zip(xs, DIMS.values(), strict=True)
        ])  # fmt: skip
        shares = affine(joined, module.router).detach().exp()
        there = [m for m, x in enumerate(xs) if x is not None]
        fused = torch.zeros(4, dtype=torch.double)
        for m in sorted(there, key=lambda m: -float(shares[m]))[:top]:
            first, _, second = module.experts[list(DIMS)[m]]
            fused += shares[m] / sum(shares[one] for one in there) * affine(gelu(affine(xs[m], first)), second)
        check(out[row, 0], fused)


def test_a_router_learns_from_the_one_expert_that_it_chooses() -> None:
    module = random_module(lambda: ModalityExperts(width=3, out=4, top=1).build(SPECS))
    module(batch()).zeroed().square().sum().backward()
    assert bool((module.router.weight.grad.abs().sum(1) > 1e-3).all()), "what it does not choose is compared, too"


def test_an_expert_that_is_not_asked_is_not_computed() -> None:
    module = random_module(lambda: ModalityExperts(width=3, out=4, top=1).build(SPECS))
    asked = dict.fromkeys(DIMS, 0)
    for name, expert in module.experts.items():
        expert.register_forward_pre_hook(lambda _, args, name=name: asked.update({name: len(args[0])}))
    module(batch())
    assert sum(asked.values()) == 4, "one for each of the utterances that have anything"


def heard(module: nn.Module, row: int) -> Tensor:
    """u of an utterance: the means of its streams through their layers, averaged, and where the speaker changes."""
    parts = [affine(x, layer) for x, layer in zip(means(row), module.layers.values(), strict=True) if x is not None]
    u = sum(parts) / len(parts) if parts else torch.zeros(len(module.changed), dtype=torch.double)
    return u + module.changed if row and SPEAKERS[row] != SPEAKERS[row - 1] else u  # type: ignore[no-any-return]


def test_a_state_space() -> None:
    """The differential equation itself, in a great many small steps."""
    module, out = given(StateSpace(width=2, states=3))
    rate = -module.log_decay.exp()
    state = torch.zeros(2, 3, dtype=torch.double)
    for row in range(5):
        u = heard(module.heard, row) if row < 4 else torch.zeros(2, dtype=torch.double)
        lasts = torch.log1p(affine(u, module.step).exp())
        steps = 4000
        for _ in range(steps):  # the midpoint rule: an error of the square of the step
            half = state + (rate * state + module.enter * u[:, None]) * (lasts / steps / 2)[:, None]
            state = state + (rate * half + module.enter * u[:, None]) * (lasts / steps)[:, None]
        torch.testing.assert_close(
            out[row, 0], (module.leave * state).sum(1) + module.through * u, rtol=1e-5, atol=1e-5
        )


def test_emotion_decays_while_nothing_is_heard() -> None:
    module = StateSpace(width=2, states=3).build(SPECS).double()
    with torch.no_grad():
        module.leave.fill_(1.0)
        module.step.weight.zero_()
    out = module(batch(dict.fromkeys(DIMS, (2, 0, 0, 0))), torch.zeros(4, dtype=torch.long)).values[:, 0]
    assert bool((out[1:].abs().diff(dim=0) < 0).all()) and bool((out[1:].abs() > 0).all())


def test_a_memory_of_segments() -> None:
    module, out = given(SegmentMemory(width=4, heads=2, segment=2, slots=3))
    memory = list(module.memory)
    for first in (0, 2, 4):
        states = []
        inputs = [heard(module.heard, row) + place(row - first, 4) for row in range(first, min(first + 2, 5))]
        for i, now in enumerate(inputs):
            seen = [*memory, *(one for j, one in enumerate(inputs[: i + 1]) if first + j < 4)]
            (read,) = attention([now], seen, maps_of(module.reads), 2)
            state = norm(now + read, module.norm)
            inner, _, outer = module.feed_forward
            states.append(norm(state + affine(gelu(affine(state, inner)), outer), module.last))
        for i, state in enumerate(states):
            if first + i < 4:
                check(out[first + i, 0], state)
        if first < 4:
            new = []
            for m, w in zip(memory, attention(memory, states, maps_of(module.writes), 2), strict=True):
                keep = sigmoid(affine(torch.cat([m, w]), module.keeps))
                new.append(keep * m + (1 - keep) * w)
            memory = new


def test_a_segment_in_which_nothing_is_there_leaves_the_memory() -> None:
    module = random_module(lambda: SegmentMemory(width=4, heads=2, segment=2, slots=3).build(SPECS))
    streams = batch(dict.fromkeys(DIMS, (2, 1, 0, 0, 3, 1)))
    speakers = torch.zeros(6, dtype=torch.long)
    without = {name: Stream(*(torch.cat([part[:2], part[4:]]) for part in one)) for name, one in streams.items()}
    torch.testing.assert_close(module(streams, speakers).values[4:], module(without, speakers[:4]).values[2:])


def test_counts_hold_every_case() -> None:
    assert {sum(COUNTS[name][row] > 0 for name in DIMS) for row in range(5)} == {0, 2, 3}
