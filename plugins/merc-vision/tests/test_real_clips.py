"""Every encoder on the real clips, with small random weights: shapes, finite numbers, no clip left out."""

import numpy as np
import pytest
from merc_vision.images import Clip, Eva, Mae
from merc_vision.videomae import VideoMae
from merc_vision.vit_cls import ViTCls

from merc import Conversation, Utterance
from merc.features import FeatureStore, encode
from merc.recipe import ComponentRef


@pytest.mark.data
def test_every_encoder_sees_every_clip(clips_folder, models, tmp_path):
    films = sorted(clips_folder.glob("*.mp4"))
    assert len(films) == 9
    talks = [Conversation(id="c", utterances=tuple(Utterance(id=f.stem, text="x", video=f) for f in films))]
    path = {name: str(folder) for name, folder in models.items()}
    encoders = {
        "vit": ViTCls(path=path["vit-cls"], size=16),
        "image": Eva(path=path["eva"], size=32),
        "cls": Eva(path=path["eva"], size=32, view="cls"),
        "video": Eva(path=path["eva"], size=16, view="temporal"),
        "clip": Clip(path=path["clip"], size=16, view="temporal"),
        "mae": Mae(path=path["mae"], size=16),
        "videomae": VideoMae(path=path["videomae"], size=16, frames=4),
    }
    parts = {name: ComponentRef(name=name, params={}, component=encoder) for name, encoder in encoders.items()}
    table = encode(FeatureStore(tmp_path), parts, talks, seed=0)
    assert not table.missing
    shapes = {
        "vit": (1, 8), "image": (16, 32), "cls": (1, 8), "video": (64, 8), "clip": (64, 8), "mae": (4, 32),
        "videomae": (8, 8),
    }  # fmt: skip
    for name, expected in shapes.items():
        found = [table.get(name, film.stem) for film in films]
        assert {tokens.shape for tokens in found} == {expected}
        assert len({np.asarray(tokens).tobytes() for tokens in found}) == 9  # each clip is another one
