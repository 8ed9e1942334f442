"""What merc-emotion-llama brings to merc; nothing heavy is imported here."""

from __future__ import annotations

import merc

MERC_PLUGIN_API = 2


@merc.hookimpl
def register_metrics(register):
    register("mer-unibench-hit-rate", "merc_emotion_llama.wheel_metrics:HitRateMetric")
    register("mer-unibench-wheel-f", "merc_emotion_llama.wheel_metrics:WheelFMetric")
    register("mer-unibench-sentiment-f1", "merc_emotion_llama.sentiment:SentimentF1")
    register("mosi-sentiment-score", "merc_emotion_llama.sentiment:SentimentScore")
    register("multi-label", "merc_emotion_llama.multi_label:MultiLabel")
    register("mmeverse-recognition", "merc_emotion_llama.recognition:Recognition")
    register("dfew-recall", "merc_emotion_llama.recognition:Recalls")
    register(
        "emer-overlap",
        "merc_emotion_llama.judge:EmerOverlap",
        needs=["merc_bemerc", "openai"],
        extra="merc-emotion-llama[judge]",
    )


@merc.hookimpl
def register_benchmarks(register):
    register("mmeverse", "merc_emotion_llama.benchmarks:Mmeverse")
    register("mer-unibench", "merc_emotion_llama.benchmarks:MerUniBench")
    register("dfew", "merc_emotion_llama.benchmarks:Dfew")


@merc.hookimpl
def register_fusers(register):
    register("conv-attention", "merc_emotion_llama.fusers:ConvAttention")
    register("attention", "merc_emotion_llama.fusers:Attention")
    register("conv", "merc_emotion_llama.fusers:Conv")
    register("q-former", "merc_emotion_llama.fusers:QFormer")
    register("affectgpt-attention", "merc_emotion_llama.fusers:AffectGPTAttention")


@merc.hookimpl
def register_rewards(register):
    register("wheel-hit", "merc_emotion_llama.rewards:WheelHit")


@merc.hookimpl
def register_prompters(register):
    register("emotion-llama", "merc_emotion_llama.prompters:EmotionLlama")
