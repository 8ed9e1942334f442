"""What merc-benchmarks brings to merc; nothing heavy is imported here."""

from __future__ import annotations

import merc

MERC_PLUGIN_API = 2


@merc.hookimpl
def register_benchmarks(register):
    register("emobench-m", "merc_benchmarks.emobench_m:EmoBenchM")
    register("mme-emotion", "merc_benchmarks.mme_emotion:MmeEmotion")
    register("mosabench", "merc_benchmarks.mosabench:MosaBench")
    register("emobench", "merc_benchmarks.emobench:EmoBench")


@merc.hookimpl
def register_metrics(register):
    register("one-of-labels", "merc_benchmarks.labels:OneOfLabels")
    register("emotion-and-intent", "merc_benchmarks.labels:EmotionAndIntent")
    register("text-overlap", "merc_benchmarks.overlap:TextOverlap")
    register("bert-score", "merc_benchmarks.bert_score:BertScore")
    register("laughter-judge", "merc_benchmarks.laughter:LaughterJudge")
    register("mme-emotion-judge", "merc_benchmarks.steps:StepJudge")
    register("labels-read", "merc_benchmarks.labels:LabelsRead")
    register("object-sentiments", "merc_benchmarks.objects:ObjectSentiments")
    register("choices", "merc_benchmarks.choices:Choices")


@merc.hookimpl
def register_prompters(register):
    register("question", "merc_benchmarks.prompter:Question")


@merc.hookimpl
def register_commands(register):
    register("lmms-tasks", "merc_benchmarks.lmms:command", help="Write a benchmark's questions as tasks of lmms-eval.")
