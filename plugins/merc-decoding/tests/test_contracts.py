"""Every component keeps the contract of its kind."""

from __future__ import annotations

from merc_decoding.calibrated import Calibrated
from merc_decoding.ensemble import Ensemble
from merc_decoding.rationale import RationaleThenVerbalizer, SelfConsistency

import merc.testing
from merc.builtin.prompters import ConversationPrompter

VARIANTS = (ConversationPrompter(question="{speaker} sounds"), ConversationPrompter(instruction="Which one: {labels}?"))


class TestEnsemble(merc.testing.DecoderContract):
    component = Ensemble(prompters_=VARIANTS)
    name = "ensemble"


class TestMajority(merc.testing.DecoderContract):
    component = Ensemble(prompters_=VARIANTS, own=False, vote="majority", normalize="tokens")


class TestSelfConsistency(merc.testing.DecoderContract):
    component = SelfConsistency(count=3, max_new_tokens=4, incomplete="use")
    name = "self-consistency"


class TestRationaleThenVerbalizer(merc.testing.DecoderContract):
    component = RationaleThenVerbalizer(explain=" because", max_new_tokens=4, incomplete="use")
    name = "rationale-then-verbalizer"


class TestCalibrated(merc.testing.DecoderContract):
    component = Calibrated()
    name = "calibrated"
