"""Pictures and sound as towers are given them: against transformers' own processors where these need neither
torchvision, and against tensors made by the published arithmetic where only a video processor has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from merc_omni.encoders import OmniAudio, OmniImage, OmniVideo
from merc_omni.models import Model
from merc_omni.pictures import BICUBIC, LANCZOS, cropped, normalised, resized, shortest_to

import merc
from tests.native import clip
from tests.omni.checkpoints import SMALL, save
from tests.omni.reference import sound

KINDS = ("qwen2-vl", "qwen2-audio", "qwen2.5-omni", "qwen3-omni")
GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: save(name, tmp_path_factory.mktemp(name)) for name in KINDS}


def gradient(height: int, width: int, frames: int = 1) -> np.ndarray[Any, Any]:
    """Pictures with edges and slopes, ``[frames, height, width, 3]``: noise alone would hide how a filter behaves."""
    y, x = np.mgrid[0:height, 0:width]
    base = 127 + 80 * np.sin(x / 3) + 40 * np.cos(y / 5) + 60 * ((x // 7 + y // 5) % 2)
    made = np.stack([np.stack([base + 20 * c + 5 * n for c in range(3)], -1) for n in range(frames)])
    return made.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("size", [(20, 28), (40, 24), (61, 83)])
def test_pictures_of_qwen_are_those_of_transformers_without_torchvision(folders: dict[str, Path], size: Any) -> None:
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    folder = folders["qwen2-vl"]
    frames = gradient(*size)
    expected = Qwen2VLImageProcessorPil.from_pretrained(folder)(images=list(frames), return_tensors="np")
    (mine,) = OmniImage(path=str(folder)).prepare()([merc.VideoClip(frames=frames, times=np.zeros(1))])
    np.testing.assert_allclose(mine[:, :-3], expected["pixel_values"], rtol=0, atol=2e-6)
    grid = expected["image_grid_thw"][0]
    assert (mine[:, -2:].max(0) + 1).tolist() == [grid[1] // 2, grid[2] // 2]


def test_a_video_of_qwen_is_its_frames_two_by_two(folders: dict[str, Path]) -> None:
    """The patches of a frame shown twice are those of its picture; three frames make two steps of time."""
    folder = str(folders["qwen2-vl"])
    frames = gradient(24, 32, frames=3)
    video = merc.VideoClip(frames=frames, times=np.array([0.0, 0.5, 1.0]))
    (rows,) = OmniVideo(path=folder).prepare()([video])
    pictures = [
        OmniImage(path=folder).prepare()([merc.VideoClip(frames=f[None], times=np.zeros(1))])[0] for f in frames
    ]
    last = rows[rows[:, -4] == 1]
    np.testing.assert_array_equal(last[:, :-4], pictures[2][:, :-3])
    first = rows[rows[:, -4] == 0, :-4].reshape(-1, 3, 2, 16)
    halves = [one[:, :-3].reshape(-1, 3, 2, 16)[:, :, 0] for one in pictures[:2]]
    np.testing.assert_array_equal(first, np.stack(halves, axis=2))
    assert set(rows[:, -1]) == {1.0}  # a step of two frames lasts a second


def spectrum_by_transformers(folder: Path, clip: merc.AudioClip) -> Any:
    from transformers import WhisperFeatureExtractor

    make = WhisperFeatureExtractor.from_pretrained(folder)
    return make(
        clip.samples, sampling_rate=16_000, padding="max_length", return_attention_mask=True, return_tensors="np"
    )


@pytest.mark.parametrize("name", ["qwen2.5-omni", "qwen2-audio"])
def test_sound_is_that_of_transformers_padded_to_its_whole_length(folders: dict[str, Path], name: str) -> None:
    """merc pads no further than a window reaches, and the numbers are the same."""
    heard = sound(1, 0.73)
    expected = spectrum_by_transformers(folders[name], heard)
    columns = int(expected["attention_mask"].sum())
    (mine,) = OmniAudio(path=str(folders[name])).prepare()([heard])
    mels = mine[:, :16]
    np.testing.assert_allclose(mels[:columns], expected["input_features"][0, :, :columns].T, rtol=0, atol=1e-6)


@pytest.mark.parametrize("seconds", [0.37, 1.604])
def test_sound_of_qwen3_omni_is_that_of_its_processor_with_nothing_behind_it(
    folders: dict[str, Path], seconds: float
) -> None:
    """All of it, though its settings name a second, and as many tokens as the processor puts into a prompt."""
    from transformers import Qwen3OmniMoeProcessor, WhisperFeatureExtractor
    from transformers.models.qwen3_omni_moe.processing_qwen3_omni_moe import _get_feat_extract_output_lengths

    folder, heard = folders["qwen3-omni"], sound(1, seconds)
    make = WhisperFeatureExtractor.from_pretrained(folder)
    expected = make(heard.samples, return_tensors="np", **Qwen3OmniMoeProcessor.audio_kwargs)["input_features"][0].T
    ear = OmniAudio(path=str(folder))
    (mine,) = ear.prepare()([heard])
    np.testing.assert_allclose(mine, expected, rtol=0, atol=1e-6)
    assert ear.remark(heard, mine) is None
    for columns in (*range(3, 320), 3000):
        places = ear.places(np.zeros((columns, 16), np.float32))
        assert len(places) == _get_feat_extract_output_lengths(columns)


@pytest.mark.parametrize(("lasts", "steps"), [(0.01, 1), (0.25, 3), (0.5, 6), (2.0, 26)])
def test_a_step_of_a_video_of_qwen3_omni_lasts_whole_positions(
    folders: dict[str, Path], lasts: float, steps: int
) -> None:
    video = merc.VideoClip(frames=gradient(24, 32, frames=6), times=np.linspace(0, 2.5 * lasts, 6))
    tower = OmniVideo(path=str(folders["qwen3-omni"]))
    (rows,) = tower.prepare()([video])
    np.testing.assert_allclose(rows[:, -1], steps / 13, rtol=1e-6)
    times = tower.family().times(tower.places(rows))  # type: ignore[attr-defined]
    assert sorted({*times.tolist()}) == [0, steps, 2 * steps]


def test_sound_that_is_too_short_is_missing_and_too_long_is_remarked(folders: dict[str, Path]) -> None:
    ear = OmniAudio(path=str(folders["qwen2-audio"]))
    (short,) = ear.prepare()([sound(0, 0.01)])
    assert isinstance(short, merc.Missing) and "too short" in short.reason
    long = sound(0, 3.0)
    assert "longer than the 2 s that the model hears" in str(ear.remark(long, np.zeros((1, 32), "float32")))
    assert ear.remark(sound(0, 1.0), np.zeros((1, 32), "float32")) is None


# What torchvision's resize computes on bytes, which the video processors use: torch's own interpolation.
def by_torch(frames: np.ndarray[Any, Any], height: int, width: int) -> np.ndarray[Any, Any]:
    pictures = torch.from_numpy(frames).permute(0, 3, 1, 2)
    made = torch.nn.functional.interpolate(pictures, size=(height, width), mode="bicubic", antialias=True)
    return made.permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize(
    ("size", "to", "most"), [((60, 80), (28, 56), 1), ((97, 131), (32, 32), 1), ((48, 64), (56, 84), 2)]
)
def test_resizing_by_pillow_is_that_of_the_video_processors_to_a_level(size: Any, to: Any, most: int) -> None:
    """The difference that is named in the README: one of 256 levels, and two where a frame is made larger."""
    frames = gradient(*size, frames=2)
    mine, other = resized(frames, *to, BICUBIC).astype(int), by_torch(frames, *to).astype(int)
    assert np.abs(mine - other).max() <= most
    assert (mine != other).mean() < 0.02


@pytest.mark.parametrize(("file", "resample"), [("bicubic", BICUBIC), ("lanczos", LANCZOS)])
def test_resizing_is_the_published_arithmetic(file: str, resample: int) -> None:
    """Golden tensors of the filters written out plainly in float64 (golden/make.py)."""
    kept = np.load(GOLDEN / f"{file}.npz")
    mine = resized(kept["frames"], *kept["resized"].shape[1:3], resample).astype(int)
    assert np.abs(mine - kept["resized"].astype(int)).max() <= 1


def test_a_video_of_llava_is_the_published_arithmetic() -> None:
    """Shorter side to 16, the middle 16 x 16, normalised by CLIP's mean and deviation."""
    kept = np.load(GOLDEN / "llava.npz")
    frames = cropped(shortest_to(kept["frames"], 16, BICUBIC), 16, 16)
    mine = normalised(frames, [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711])
    level = 1 / 255 / 0.26
    np.testing.assert_allclose(mine, kept["pixels"], rtol=0, atol=level * 1.01)


def test_settings_of_the_more_particular_file_count(folders: dict[str, Path], tmp_path: Path) -> None:
    from merc_omni.pictures import settings

    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "processor_config.json").write_text('{"video_processor": {"patch_size": 3}, "image_processor": {}}')
    pretrained = merc.Pretrained(str(tmp_path), "path")
    assert settings(pretrained, "video", {"patch_size": 1, "merge_size": 2}) == {"patch_size": 3, "merge_size": 2}
    assert settings(pretrained, "audio", {"feature_size": 80}) == {"feature_size": 80}


def test_a_picture_that_is_no_picture_is_said() -> None:
    from merc_omni.qwen_vision import fitting

    with pytest.raises(ValueError, match="pictures of 3000 x 2 pixels do not fit"):
        fitting((2, 3000), 28, 3136, 100_352)


@pytest.mark.slow
def test_every_model_has_the_place_of_its_tokens_before_it_computes(tmp_path: Path) -> None:
    """What ``places`` says is what the tower gives, for each medium of each family."""
    from tests.omni.reference import ENCODERS, clips_of

    for name in SMALL:
        folder = save(name, tmp_path / name)
        for medium in SMALL[name].media:
            tower = ENCODERS[medium](path=str(folder))
            one = next(iter(clips_of(name)[medium].values()))
            rows, network = tower.prepare()([one])[0], tower.build()
            with torch.no_grad():
                (tokens,) = network([torch.from_numpy(rows)])
            assert tokens.shape == (len(tower.places(rows)), tower.spec().dim), (name, medium)
    assert Model(str(tmp_path / "qwen2-vl"), "path").family().media == ("image", "video")
    assert clip(0).frames.shape == (4, 16, 24, 3)
