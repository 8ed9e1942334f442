"""FARCER's loss keeps the contract of losses."""

from __future__ import annotations

from merc_farcer.loss import FarcerNLL

import merc.testing


class TestFarcerNLL(merc.testing.LossContract):
    component = FarcerNLL()
    name = "farcer-nll"


class TestFarcerNLLByUtterances(merc.testing.LossContract):
    component = FarcerNLL(token_weights="none", answers_read="teacher-forced", average="utterances")
