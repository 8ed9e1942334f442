"""Every component keeps the contract of its kind."""

from __future__ import annotations

from merc_decoding.calibrated import Calibrated
from merc_decoding.dynamic import DynamicVerbalizer
from merc_decoding.ensemble import Ensemble
from merc_decoding.evidence import Evidence
from merc_decoding.late_fusion import LateFusion
from merc_decoding.rationale import RationaleThenVerbalizer, SelfConsistency
from merc_decoding.selectors import Determinantal, MaxMin

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


class TestDynamicVerbalizer(merc.testing.DecoderContract):
    component = DynamicVerbalizer(propose="model", samples=2)
    name = "dynamic-verbalizer"


class TestTableOfWords(merc.testing.DecoderContract):
    component = DynamicVerbalizer(words={"anger": ("fury", "rage")}, aggregate="mean")


class TestLateFusion(merc.testing.DecoderContract):
    component = LateFusion(prompters_=VARIANTS)
    name = "late-fusion"


class TestCalibrated(merc.testing.DecoderContract):
    component = Calibrated()
    name = "calibrated"


class TestDeterminantal(merc.testing.SelectorContract):
    component = Determinantal(embedder="minilm", k=3)
    name = "determinantal"


class TestDeterminantalOfUtterances(merc.testing.SelectorContract):
    component = Determinantal(embedder="minilm", k=3, distinct="utterances", candidates=5, order="chosen")


class TestMaxMin(merc.testing.SelectorContract):
    component = MaxMin(embedder="minilm", k=3)
    name = "max-min"


class TestEvidence(merc.testing.PrompterContract):
    component = Evidence()
    name = "evidence"


class TestEvidenceWithRationales(merc.testing.PrompterContract):
    component = Evidence(rationale="body", cues_of="target", history=1)
