"""What merc-hub registers."""

import merc

MERC_PLUGIN_API = 2


@merc.hookimpl
def register_backbones(register):
    register("int8", "merc_hub.int8:Int8")


@merc.hookimpl
def register_commands(register):
    register("push", "merc_hub.push:command", help="Put a trained run on the model hub, or into a folder.")
    register("pull", "merc_hub.pull:command", help="Get a trained run from the model hub, or from a folder.")
    register("quantize", "merc_hub.quantize:command", help="Make a copy of a run whose language model has eight bits.")
    register("onnx", "merc_hub.onnx:command", help="Write a run's connectors, fusers and encoders as ONNX.",
             needs=["onnx", "onnxscript", "onnxruntime"], extra="merc-hub[onnx]")  # fmt: skip
    register("space", "merc_hub.space:command", help="Write a folder with a Dockerfile that serves a run's page.")
