"""Training curves from a log, resumed and broken ones included."""

from __future__ import annotations

from typing import Any

import pytest

from merc.evaluation.curves import MOST_POINTS, stage_curves


def step(number: int, loss: float | None, stage: str = "s", **more: Any) -> dict[str, Any]:
    return {"event": "step", "stage": stage, "step": number, "loss": loss, "lr": 1e-4, **more}


def dev(number: int, **metrics: Any) -> dict[str, Any]:
    return {"event": "dev", "stage": "s", "step": number, "metrics": metrics}


def drawn(svg: str) -> int:
    return svg.count("<circle")


def test_a_stage_has_its_charts_in_order() -> None:
    log = [step(1, 2.0, "first"), step(1, 2.0), step(2, 1.0), dev(2, weighted_f1=0.5, n=7, unparsed_rate=0.0)]
    first, second = stage_curves(log)
    assert (first.stage, [c.title for c in first.charts]) == ("first", ["Training loss", "Learning rate"])
    assert (second.stage, [c.title for c in second.charts]) == ("s", ["Training loss", "Learning rate", "Dev split"])
    assert "weighted F1 0.5 at step 2" in second.charts[2].svg


def test_each_of_several_losses_has_a_chart() -> None:
    log = [
        step(1, 2.5, losses={"token-nll": 2.0, "focal": 0.5}),
        step(2, 1.5, losses={"token-nll": 1.25, "focal": 0.25}),
    ]
    (stage,) = stage_curves(log)
    assert [c.title for c in stage.charts] == [
        "Training loss", "Loss token-nll, times its weight", "Loss focal, times its weight", "Learning rate"
    ]  # fmt: skip
    assert "0.5 at first, 0.25 at last" in stage.charts[2].svg
    (one,) = stage_curves([step(1, 2.0, losses={"token-nll": 2.0})])
    assert [c.title for c in one.charts] == ["Training loss", "Learning rate"]


def test_what_losses_measure_and_what_rewards_say_has_charts() -> None:
    log = [step(n, 1.0, measures={"reference-kl": {"kl": n / 10}, "clipped-policy": {"ratio": 1.0}}) for n in (1, 2)]
    for n in (1, 2):
        rewards = {"reward": 0.5 * n, "rewards": {"format": 0.1 * n, "wheel-hit": 0.4}, "alike": 0.25}
        texts = {"length": 7.0, "ended": 1.0, "entropy": None if n == 1 else 2.5}
        log.append({"event": "rollout", "stage": "s", "step": n, **rewards, **texts})
    (stage,) = stage_curves(log)
    charts = {c.title: c for c in stage.charts}
    assert list(charts) == [
        "Training loss", "reference-kl: kl", "clipped-policy: ratio", "Reward of what was written",
        "Groups whose answers are all rewarded alike", "Tokens of what was written",
        "Texts that the model ended itself", "Entropy of a token that was written", "Learning rate",
    ]  # fmt: skip
    assert "0.1 at first, 0.2 at last" in charts["reference-kl: kl"].svg
    assert charts["Reward of what was written"].legend == ["all", "format", "wheel-hit"]
    assert stage_curves([step(1, 1.0, measures=None), {"event": "rollout", "stage": "s", "step": 1, "rewards": 3}])


def test_the_sizes_of_a_split_are_no_curve() -> None:
    (stage,) = stage_curves([dev(1, weighted_f1=0.5, accuracy=0.6, n=7, unlabelled=2, unparsed_rate=0.0)])
    assert stage.charts[0].legend == ["weighted F1", "accuracy"]


@pytest.mark.parametrize("metrics", [{"loss_ratio": 0.3}, {"dev": {"loss_ratio": 0.3, "n": 3}}])
def test_metrics_of_others_and_metrics_by_split_are_drawn(metrics: dict[str, Any]) -> None:
    (stage,) = stage_curves([dev(1, **metrics)])
    assert "loss ratio 0.3 at step 1" in stage.charts[0].svg


def test_a_step_that_was_run_again_after_a_resume_counts_once_as_it_was_last() -> None:
    (stage,) = stage_curves([step(1, 3.0), step(2, 9.0), step(2, 1.0)])
    assert "each step: 3 at first, 1 at last" in stage.charts[0].svg


def test_values_that_are_no_numbers_are_counted_not_drawn() -> None:
    (stage,) = stage_curves([step(1, 2.0), step(2, float("nan")), step(3, float("inf")), step(4, 1.0)])
    assert stage.not_finite == 2
    assert "nan" not in stage.charts[0].svg.lower()


def test_a_long_stage_is_thinned_and_keeps_its_ends() -> None:
    (stage,) = stage_curves([step(i, 1 / i) for i in range(1, 5001)])
    points = [part.split('"')[0].split() for part in stage.charts[0].svg.split('points="')[1:]]
    assert [len(line) for line in points] == [MOST_POINTS + 1] * 2
    assert points[1][-1].startswith("426.0,")


def test_one_step_and_an_even_loss_are_drawn() -> None:
    (stage,) = stage_curves([step(5, 0.7)])
    assert drawn(stage.charts[0].svg) == 1
    assert stage_curves([step(1, 0.7), step(2, 0.7)])[0].charts[0].svg


def test_the_summary_says_how_long_it_took_or_that_it_did_not_end() -> None:
    log = [step(7, 1.0, utterances_per_second=20.5)]
    assert (
        stage_curves(log)[0].summary == "7 steps, the log has no end of this stage, 20.5 utterances a second (median)"
    )
    log.append({"event": "stage", "stage": "s", "seconds": 90, "steps": 7})
    assert stage_curves(log)[0].summary == "7 steps, 1 min 30 s, 20.5 utterances a second (median)"


def test_names_from_a_log_are_escaped() -> None:
    (stage,) = stage_curves([dev(1, **{"<b>x": 0.5})])
    assert "<b>" not in stage.charts[0].svg
    assert "&lt;b&gt;x" in stage.charts[0].svg
