"""Cues that a loss reads are requested by a prompter of its stage, or the recipe is wrong."""

from __future__ import annotations

import pytest

import merc

RECIPE = "survey/loss-info-nce"
ANCHOR = "stages.0.trainer.losses.1.anchor=cue:{}"


def test_a_cue_that_no_prompter_requests() -> None:
    said = (
        r"the loss 'info-nce' reads the cue 'fcae', which stages\.0\.prompter does not request, so it would not be "
        r"there\. Did you mean 'face'\? It requests: face"
    )
    with pytest.raises(merc.MercError, match=said):
        merc.load_recipe(RECIPE, [ANCHOR.format("fcae"), "stages.0.prompter.cues=[face]"])
    with pytest.raises(merc.MercError, match=r"reads the cue 'face', .* It requests: none"):
        merc.load_recipe(RECIPE, [ANCHOR.format("face")])
    merc.load_recipe(RECIPE, [ANCHOR.format("face"), "stages.0.prompter.cues=[face]"])
