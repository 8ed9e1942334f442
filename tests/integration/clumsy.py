"""A plugin whose components each fail in code of their own. Installed, it has ``tests.letters`` before it."""

PLUGIN = """\
import merc

def hook(name, kind, *classes):
    def register_all(register):
        for one in classes:
            register(one.lower(), f"merc_clumsy.parts:{one}")
    register_all.__name__ = name
    return merc.hookimpl(register_all)

register_encoders = hook("register_encoders", "encoder", "Letters", "BadEncoder", "BadNetwork")
register_connectors = hook("register_connectors", "connector", "BadConnector", "BadBuild")
register_fusers = hook("register_fusers", "fuser", "BadFuser")
register_heads = hook("register_heads", "head", "BadHead")
register_tunings = hook("register_tunings", "tuning", "BadTuning")
register_losses = hook("register_losses", "loss", "BadLoss", "Unasked", "Asserting")
register_decoders = hook("register_decoders", "decoder", "BadDecoder")
register_selectors = hook("register_selectors", "selector", "BadSelector")
register_prompters = hook("register_prompters", "prompter", "BadPrompter")
register_annotators = hook("register_annotators", "annotator", "BadAnnotator")
register_metrics = hook("register_metrics", "metric", "BadMetric")
register_rewards = hook("register_rewards", "reward", "BadReward")
register_trainers = hook("register_trainers", "trainer", "BadTrainer", "Judged")
register_corpora = hook("register_corpora", "corpus", "BadCorpus", "Complaining")
"""

PARTS = """

import torch
from torch import nn


def stumble():
    return [][1]


class Stumbling(nn.Module):
    def forward(self, *given):
        return stumble()


@dataclass(frozen=True, kw_only=True)
class BadEncoder(Letters):
    def load(self, device):
        return lambda clips: stumble()


@dataclass(frozen=True, kw_only=True)
class BadNetwork(Letters):
    def prepare(self):
        return self.load("cpu")

    def build(self):
        network = Stumbling()
        network.weight = nn.Parameter(torch.zeros(1))
        return network


@dataclass(frozen=True, kw_only=True)
class BadConnector(merc.Connector):
    def tokens(self, count):
        return count

    def build(self, spec, hidden):
        return Stumbling()


@dataclass(frozen=True, kw_only=True)
class BadBuild(BadConnector):
    def build(self, spec, hidden):
        return stumble()


@dataclass(frozen=True, kw_only=True)
class BadFuser(merc.Fuser):
    def spec(self, inputs):
        return merc.FeatureSpec(dim=2, tokens=1)

    def tokens(self, counts):
        return 1

    def build(self, inputs):
        return Stumbling()


@dataclass(frozen=True, kw_only=True)
class BadHead(merc.Head):
    def fields(self):
        return ("valence",)

    def build(self, width):
        return Stumbling()

    def target(self, utterance):
        return (0.0,)

    def losses(self, outputs, targets):
        return outputs

    def values(self, row):
        return {"valence": row[0]}


@dataclass(frozen=True, kw_only=True)
class BadTuning(merc.Tuning):
    def apply(self, llm):
        stumble()


@dataclass(frozen=True, kw_only=True)
class BadLoss(merc.Loss):
    def build(self, context):
        return Stumbling()


@dataclass(frozen=True, kw_only=True)
class Unasked(merc.Loss):
    def build(self, context):
        class Function(nn.Module):
            def forward(self, outputs, batch):
                return outputs.states.sum(-1)

        return Function()


@dataclass(frozen=True, kw_only=True)
class Asserting(merc.Loss):
    def build(self, context):
        class Function(nn.Module):
            def forward(self, outputs, batch):
                batch.at_right_answer(None)

        return Function()


@dataclass(frozen=True, kw_only=True)
class BadDecoder(merc.Decoder):
    def decode(self, model, queries):
        model.score(queries)
        return stumble()


@dataclass(frozen=True, kw_only=True)
class BadSelector(merc.Selector):
    def load(self, pool):
        return lambda queries, vectors, draw: stumble()


@dataclass(frozen=True, kw_only=True)
class BadPrompter(merc.Prompter):
    def prompt(self, query):
        return stumble()


@dataclass(frozen=True, kw_only=True)
class BadAnnotator(merc.Annotator):
    def fields(self):
        return ("mood",)

    def load(self, device):
        def annotate(observations):
            for one in observations:
                yield stumble()

        return annotate


@dataclass(frozen=True, kw_only=True)
class BadMetric(merc.Metric):
    def compute(self, predictions, labels):
        return stumble()


@dataclass(frozen=True, kw_only=True)
class BadReward(merc.Reward):
    def scores(self, query, answers):
        return stumble()


@dataclass(frozen=True, kw_only=True)
class BadTrainer(merc.training.Settings, merc.Trainer):
    def train(self, context):
        return stumble()


@dataclass(frozen=True, kw_only=True)
class Judged(merc.training.Settings, merc.Trainer):
    reward: merc.Reward

    def train(self, context):
        self.reward.scores(None, [])


@dataclass(frozen=True, kw_only=True)
class BadCorpus(merc.Corpus):
    def load(self):
        return stumble()


@dataclass(frozen=True, kw_only=True)
class Complaining(merc.Corpus):
    def load(self):
        raise merc.MercError("talks.tab is not there; ask the authors for it")
"""
