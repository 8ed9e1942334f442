"""What this plugin registers; nothing heavy is imported here."""

from __future__ import annotations

import merc

MERC_PLUGIN_API = 2


@merc.hookimpl
def register_tunings(register):
    register("adapter", "merc_peft.bottleneck:BottleneckAdapter")
    register("bitfit", "merc_peft.partial:BitFit")
    register("ia3", "merc_peft.ia3:IA3")
    register("last-layers", "merc_peft.partial:LastLayers")
    register("p-tuning", "merc_peft.virtual:PTuning")
    register("prefix", "merc_peft.virtual:PrefixTuning")
    register("prompt", "merc_peft.virtual:PromptTuning")
    register("qlora", "merc_peft.qlora:QLoRA")
