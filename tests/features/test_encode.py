from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from merc.components import Missing, TextClip
from merc.conversation import Conversation, Utterance
from merc.errors import MercError
from merc.features import FeatureStore, encode
from tests.features.parts import Brightness, Letters, Loudness, Wrong, clips_talk, lines, part, talk
from tests.media.clips import cut, write_clip
from tests.media.damage import endless_table, write_floats


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    return [write_clip(folder / f"u{i}.mp4", frames=20 + i, tone=300 + 20 * i) for i in range(5)]


@pytest.fixture
def store(tmp_path):
    return FeatureStore(tmp_path / "store")


def everything(trace):
    return {
        "seen": part(Brightness(trace=str(trace))),
        "heard": part(Loudness(trace=str(trace))),
        "said": part(Letters(trace=str(trace))),
    }


def test_a_pass_encodes_everything_and_a_second_one_nothing(store, films, tmp_path):
    trace = tmp_path / "trace"
    table = encode(store, everything(trace), clips_talk(films), seed=0)
    assert table.encoded == {"seen": 5, "heard": 5, "said": 5}
    assert not table.missing and not table.notes
    assert table.get("seen", "u3").shape == (4, 3) and table.get("seen", "u3").dtype == np.float32
    assert table.get("heard", "u3")[0, 0] == pytest.approx(0.5 / 2**0.5, abs=0.05)
    assert table.get("said", "u3")[0, ord("t") - 97] == 1
    # An encoder is loaded once, on the device that is asked for, and gets batches of its size.
    assert sorted(lines(trace, "load")) == ["load Brightness cpu", "load Letters cpu", "load Loudness cpu"]
    assert sorted(lines(trace, "batch")) == ["batch 1"] * 3 + ["batch 4"] * 3

    trace.unlink()
    again = encode(store, everything(trace), clips_talk(films), seed=0)
    assert again.encoded == {"seen": 0, "heard": 0, "said": 0}
    assert not trace.exists()
    for stream in ("seen", "heard", "said"):
        assert np.array_equal(again.get(stream, "u4"), table.get(stream, "u4"))


def test_only_what_is_lacking_is_encoded(store, films, tmp_path):
    trace = tmp_path / "trace"
    encode(store, everything(trace), clips_talk(films[:3]), seed=0)
    trace.unlink()
    table = encode(store, everything(trace), clips_talk(films), seed=0)
    assert table.encoded == {"seen": 2, "heard": 2, "said": 2}
    assert len(lines(trace, "clip")) == 6


@pytest.mark.parametrize(
    "change",
    [
        lambda p: replace(p, component=replace(p.component, frames=5)),
        lambda p: replace(p, name="another"),
        lambda p: replace(p, component=type("Later", (type(p.component),), {"version": "2"})()),
    ],
)
def test_a_changed_parameter_name_or_version_never_meets_an_old_feature(store, films, change):
    old = {"seen": part(Brightness())}
    encode(store, old, clips_talk(films), seed=0)
    assert encode(store, old, clips_talk(films), seed=0).encoded == {"seen": 0}
    assert encode(store, {"seen": change(old["seen"])}, clips_talk(films), seed=0).encoded == {"seen": 5}


def test_the_name_of_the_stream_and_of_the_plugin_do_not_matter(store, films):
    encode(store, {"seen": part(Brightness(), "bright")}, clips_talk(films), seed=0)
    renamed = {"picture": part(Brightness(), "merc-tests/bright")}
    assert encode(store, renamed, clips_talk(films), seed=0).encoded == {"picture": 0}


def test_features_follow_the_content_of_a_file_and_not_its_name(store, films, tmp_path):
    parts = {"seen": part(Brightness())}
    path = tmp_path / "film.mp4"
    shutil.copy(films[0], path)
    table = encode(store, parts, clips_talk([path]), seed=0)
    first = table.get("seen", "film")
    moved = path.rename(tmp_path / "other.mp4")
    assert encode(store, parts, clips_talk([moved]), seed=0).encoded == {"seen": 0}
    shutil.copy(films[4], path)
    changed = encode(store, parts, clips_talk([path]), seed=0)
    assert changed.encoded == {"seen": 1}
    assert not np.array_equal(changed.get("seen", "film"), first)


def test_a_file_that_is_replaced_after_its_hash_was_remembered_is_noticed(store, films, tmp_path):
    parts = {"seen": part(Brightness())}
    path = tmp_path / "film.mp4"
    shutil.copy(films[0], path)
    os.utime(path, (1e9, 1e9))
    encode(store, parts, clips_talk([path]), seed=0)
    shutil.copy(films[4], path)
    os.utime(path, (1e9, 1e9))
    assert encode(store, parts, clips_talk([path]), seed=0).encoded == {"seen": 1}


def test_the_same_content_is_encoded_once(store, films, tmp_path):
    trace = tmp_path / "trace"
    copy = tmp_path / "copy.mp4"
    shutil.copy(films[0], copy)
    said = [Utterance(id=f"v{i}", text="Same.", video=path) for i, path in enumerate([films[0], films[0], copy])]
    table = encode(store, everything(trace), talk(*said), seed=0)
    assert table.encoded == {"seen": 1, "heard": 1, "said": 1}
    assert np.array_equal(table.get("seen", "v0"), table.get("seen", "v2"))


def test_spans_of_one_file_are_features_of_their_own(store, tmp_path):
    path = write_clip(tmp_path / "talk.mp4", frames=200)
    spans = [Utterance(id=f"s{i}", text="x", video=path, start=i / 5, end=(i + 2) / 5) for i in range(38)]
    table = encode(store, {"seen": part(Brightness()), "heard": part(Loudness())}, talk(*spans), seed=0)
    assert table.encoded == {"seen": 38, "heard": 38}
    assert not table.missing
    assert len({table.get("seen", u.id).tobytes() for u in spans}) == 38


def test_the_seed_counts_only_for_random_frames(store, films):
    uniform, random = {"seen": part(Brightness())}, {"seen": part(Brightness(sampling_="random"))}
    for parts, encoded in ((uniform, 0), (random, 5)):
        encode(store, parts, clips_talk(films), seed=0)
        assert encode(store, parts, clips_talk(films), seed=1).encoded == {"seen": encoded}
        assert encode(store, parts, clips_talk(films), seed=1).encoded == {"seen": 0}


def test_a_region_and_a_cut_file_are_told_apart(store, films):
    whole = Utterance(id="a", text="x", video=films[0], start=0.2, end=0.6)
    left = replace(whole, id="b", region=(0.0, 0.0, 0.5, 1.0))
    uncut = replace(whole, id="c", cut=("video",))
    table = encode(store, {"seen": part(Brightness())}, talk(whole, left, uncut), seed=0)
    assert table.encoded == {"seen": 3}
    assert len({table.get("seen", u).tobytes() for u in "abc"}) == 3
    again = encode(store, {"heard": part(Loudness())}, talk(whole, left, uncut), seed=0)
    assert again.encoded == {"heard": 2}  # the region is of the picture


@dataclass(frozen=True, kw_only=True)
class Weighted(Letters):
    weights: Path
    batch: int = 4


def test_a_file_counts_by_its_content_and_the_batch_for_nothing(store, tmp_path):
    one, moved, other = (tmp_path / name for name in ("one", "moved", "other"))
    one.write_text("1")
    moved.write_text("1")
    other.write_text("2")
    said = talk(Utterance(id="u", text="Hi."))
    counts = [
        encode(store, {"said": part(Weighted(weights=path, batch=batch))}, said, seed=0).encoded["said"]
        for path, batch in ((one, 4), (moved, 4), (one, 9), (other, 4), (one, 4))
    ]
    assert counts == [1, 0, 0, 1, 0]
    with pytest.raises(MercError, match=r"weights: the file .*gone cannot be read: No such file"):
        encode(store, {"said": part(Weighted(weights=tmp_path / "gone"))}, said, seed=0)


def test_other_weights_in_the_same_folder_give_new_features(store, films):
    @dataclass(frozen=True, kw_only=True)
    class ByPath(Brightness):
        holds: ClassVar[str] = "old weights"

        def identity(self):
            return {"files": {"model.safetensors": self.holds}}

    assert encode(store, {"v": part(ByPath())}, clips_talk(films[:1]), seed=0).encoded == {"v": 1}
    assert encode(store, {"v": part(ByPath())}, clips_talk(films[:1]), seed=0).encoded == {"v": 0}
    ByPath.holds = "new weights"
    assert encode(store, {"v": part(ByPath())}, clips_talk(films[:1]), seed=0).encoded == {"v": 1}


def test_draws_are_taken_in_turn(store, films):
    parts = {"seen": part(Brightness(sampling_="random", draws=3))}
    table = encode(store, parts, clips_talk(films), seed=0)
    assert table.encoded == {"seen": 15}
    drawn = [table.get("seen", "u0", draw).tobytes() for draw in range(6)]
    assert len(set(drawn)) == 3 and drawn[:3] == drawn[3:]


def test_what_cannot_be_encoded_is_listed_with_its_reason(store, films, tmp_path):
    deaf = write_clip(tmp_path / "deaf.mp4", audio=None)
    text = tmp_path / "text.mp4"
    text.write_text("no film\n" * 99)
    said = [
        Utterance(id="fine", text="Fine.", video=films[0]),
        Utterance(id="deaf", text="x", video=deaf),
        Utterance(id="text", text="x", video=text),
        Utterance(id="gone", text="x", video=tmp_path / "gone.mp4"),
        Utterance(id="none", text="  "),
        Utterance(id="told", text="x", video=films[1], missing={"video": "broken in MELD", "audio": "broken too"}),
    ]
    for _ in range(2):  # a warm store says the same
        table = encode(store, everything(tmp_path / "trace"), talk(*said), seed=0)
        assert {where: reason for where, reason in table.missing.items() if where[1] != "text"} == {
            ("seen", "gone"): f"{tmp_path}/gone.mp4 does not exist",
            ("seen", "none"): "the utterance has no video file",
            ("seen", "told"): "broken in MELD",
            ("heard", "deaf"): "deaf.mp4 has no audio track",
            ("heard", "gone"): f"{tmp_path}/gone.mp4 does not exist",
            ("heard", "none"): "the utterance has no audio file",
            ("heard", "told"): "broken too",
            ("said", "none"): "the utterance has no words",
        }
        assert table.missing["seen", "text"].startswith("text.mp4 cannot be read as video or audio")
        assert table.get("heard", "deaf") == Missing("deaf.mp4 has no audio track")


def test_an_encoders_own_reason_is_kept_and_needs_no_weights_again(store, films, tmp_path):
    trace = tmp_path / "trace"
    parts = {"face": part(Brightness(reject=True, trace=str(trace)))}
    for loads in (1, 1):
        table = encode(store, parts, clips_talk(films[:1]), seed=0)
        assert table.missing == {("face", "u0"): "no face in any of the frames"}
        assert table.get("face", "u0") == Missing("no face in any of the frames")
        assert table.encoded == {"face": 0}
        assert len(lines(trace, "load")) == loads


def test_clips_with_too_few_frames_are_counted(store, films):
    parts = {"seen": part(Brightness(frames=22))}
    for _ in range(2):
        table = encode(store, parts, clips_talk(films), seed=0)
        assert table.notes == ["seen: 2 of 5 clips have fewer than 22 frames: u0 (20), u1 (21)"]
        assert len(table.get("seen", "u0")) == 20
    assert encode(store, parts, clips_talk(films[:1]), seed=0).notes == [
        "seen: 1 of 1 clip has fewer than 22 frames: u0 (20)"
    ]


def test_remarks_on_single_clips_are_passed_on(store, tmp_path):
    path = write_clip(tmp_path / "a.mp4", frames=50, seconds=4.0)
    said = talk(Utterance(id="u", text="x", video=path, start=0.0, end=4.0))
    for _ in range(2):
        assert encode(store, {"seen": part(Brightness())}, said, seed=0).notes == [
            "seen: 1 of 1 clip: its video ends 2.0 s before the utterance does (u)"
        ]


def test_an_encoders_own_remarks_are_kept_and_told_once_with_their_clips(store, films):
    parts = {"seen": part(Brightness(frames=4, telling="four"))}
    named = [f"u{number}" for number in range(len(films))]
    for _ in range(2):
        (note,) = encode(store, parts, clips_talk(films), seed=0).notes
        assert note == f"seen: 5 of 5 clips: 4 of four ({', '.join(named)})"
    assert encode(store, {"seen": part(Brightness(frames=4))}, clips_talk(films), seed=0).notes == []


def test_a_torn_file_of_the_store_is_told_and_encoded_again(store, films):
    parts = {"seen": part(Brightness())}
    whole = encode(store, parts, clips_talk(films), seed=0).get("seen", "u2")
    kept = sorted(store.root.glob("*/*.safetensors"))
    cut(kept[0], kept[0], 0.7)
    kept[1].write_bytes(b"")
    kept[2].write_bytes(b"\xff" * 300)
    table = encode(store, parts, clips_talk(films), seed=0)
    assert table.encoded == {"seen": 3}
    assert table.notes[0].startswith("3 feature files were damaged and encoded again: ")
    assert all(str(path) in table.notes[0] for path in kept[:3])
    assert np.array_equal(table.get("seen", "u2"), whole)
    assert encode(store, parts, clips_talk(films), seed=0).notes == []


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("list", "it gave a list; a numpy array or Missing is wanted"),
        ("float64", "its features are float64; float32 is wanted"),
        ("dim", "its features are of shape [1, 5]; [tokens, 2] is wanted"),
        ("flat", "its features are of shape [2]; [tokens, 2] is wanted"),
        ("empty", "it gave no token; it should give Missing with the reason instead"),
        ("long", "it gave 9 tokens; its spec says at most 3"),
        ("nan", "1 of the 2 numbers that encoder 'odd' makes of it is not finite"),
    ],
)
def test_an_encoder_that_breaks_its_contract_is_named(store, how, message):
    with pytest.raises(MercError) as error:
        encode(store, {"said": part(Wrong(how=how), "odd")}, talk(Utterance(id="u7", text="Hi.")), seed=0)
    assert str(error.value).startswith("encoder 'odd' (stream 'said'), utterance 'u7': " + message)
    assert not list(store.root.glob("*/*.safetensors"))


def test_an_encoder_that_gives_too_few_answers_is_named(store):
    with pytest.raises(MercError, match=r"encoder 'odd' \(stream 'said'\) gave 0 answers for 1 clips, .* 'u7'"):
        encode(store, {"said": part(Wrong(how="fewer"), "odd")}, talk(Utterance(id="u7", text="Hi.")), seed=0)


def test_an_encoder_that_raises_keeps_its_exception_and_says_where(store):
    with pytest.raises(ZeroDivisionError) as error:
        encode(store, {"said": part(Wrong(how="raises"), "odd")}, talk(Utterance(id="u7", text="Hi.")), seed=0)
    (note,) = error.value.__notes__
    assert "encoder 'odd' (stream 'said') encoded u7" in note and "1 of 1 clips" in note


def test_two_utterances_of_one_id(store):
    twice = talk(Utterance(id="u", text="One."), Utterance(id="u", text="Two."))
    with pytest.raises(MercError, match="two utterances have the id 'u' and are not the same"):
        encode(store, {"said": part(Letters())}, twice, seed=0)


def test_a_component_that_is_no_encoder(store):
    from merc.builtin.connectors import Linear
    from merc.recipe import ComponentRef

    with pytest.raises(MercError, match=r"encoders\.seen: 'linear' is a connector, not an encoder"):
        encode(store, {"seen": ComponentRef(name="linear", params={}, component=Linear())}, talk(), seed=0)


def test_progress_goes_from_nothing_to_all(store, films, tmp_path):
    told = []
    encode(store, everything(tmp_path / "t"), clips_talk(films), seed=0, progress=lambda *what: told.append(what))
    shares = [share for share, _ in told]
    assert shares == sorted(shares) and shares[0] == 0.0 and shares[-1] == 1.0
    assert any("u3" in what for _, what in told) and any("loading letters" in what for _, what in told)


def test_nothing_to_encode(store):
    table = encode(store, {}, talk(Utterance(id="u", text="x")), seed=0)
    assert table.encoded == {} and not table.missing


def test_a_clip_whose_decoder_crashes_lacks_its_modality_and_the_rest_is_encoded(tmp_path):
    whole = write_clip(tmp_path / "whole.mp4", frames=5)
    damaged = endless_table(whole, tmp_path / "damaged.mp4")
    talk = Conversation(
        id="c",
        utterances=tuple(
            Utterance(id=path.stem, text="x", video=path)
            for path in (damaged, whole, write_clip(tmp_path / "after.mp4", frames=6))
        ),
    )
    store = FeatureStore(tmp_path / "store")
    for encoded in (2, 0):  # the same command again goes past it, too
        table = encode(store, {"seen": part(Brightness())}, [talk], seed=0)
        assert table.encoded == {"seen": encoded}
        assert list(table.missing) == [("seen", "damaged")]
        assert table.missing["seen", "damaged"].startswith("damaged.mp4: its decoder crashed")


@dataclass(frozen=True, kw_only=True)
class Delicate(Letters):
    """Cannot digest a text that holds ``!``, nor any once ``ends_after`` clips went by."""

    how: str = "raises"
    ends_after: int = 1000

    def load(self, device):
        given = 0

        def encode(clips):
            nonlocal given
            given += len(clips)
            if given > self.ends_after:
                raise RuntimeError("the device is gone")
            found = [self.one(clip) for clip in clips]
            for clip, value in zip(clips, found, strict=True):
                if "!" in clip.text:
                    if self.how == "raises":
                        raise ValueError("an exclamation\nmark")
                    value[:, 3] = np.inf
                    if len(clips) > 1:  # as a network may whose clips share something
                        found[0][:] = np.nan
            return found

        return encode


def said(*texts):
    return talk(*(Utterance(id=f"u{at}", text=text) for at, text in enumerate(texts)))


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("raises", "encoder 'delicate' fails on it (ValueError: an exclamation)"),
        ("infinite", "1 of the 26 numbers that encoder 'delicate' makes of it is not finite"),
    ],
)
def test_a_clip_that_an_encoder_cannot_digest_is_left_out_alone(store, how, reason):
    talks = said("One.", "Two!", "Three.", "Four.", "Five!")
    parts = {"said": part(Delicate(how=how), "delicate")}
    table = encode(store, parts, talks, seed=0)
    assert table.missing == {("said", "u1"): reason, ("said", "u4"): reason}
    assert table.encoded == {"said": 3}
    for at, text in ((0, "One."), (2, "Three."), (3, "Four.")):
        assert table.get("said", f"u{at}").tolist() == Letters().one(TextClip(text=text)).tolist()
    # The same command again: what was encoded is kept, and what was not is no reason to stop.
    again = encode(store, parts, talks, seed=0)
    assert again.missing == table.missing and again.encoded == {"said": 0}


def test_an_encoder_that_stops_working_is_no_clip_s_fault(store):
    texts = [f"Number {at}." for at in range(12)]
    with pytest.raises(RuntimeError, match="the device is gone") as error:
        encode(store, {"said": part(Delicate(ends_after=8), "delicate")}, said(*texts), seed=0)
    assert "encoder 'delicate' (stream 'said')" in error.value.__notes__[0]
    assert "stopped working, first on u8" in error.value.__notes__[0]


def test_an_encoder_that_fails_on_every_clip_stops_before_all_are_tried(store, tmp_path):
    texts = [f"Number {at}!" for at in range(40)]
    with pytest.raises(ValueError, match="an exclamation") as error:
        encode(store, {"said": part(Delicate(), "delicate")}, said(*texts), seed=0)
    assert "encoder 'delicate' (stream 'said') encoded u0" in error.value.__notes__[0]
    assert "16 of 16 clips" in error.value.__notes__[0]
    with pytest.raises(MercError, match=r"encoder 'delicate' \(stream 'said'\), utterance 'u0': 1 of the 26 numbers"):
        encode(store, {"said": part(Delicate(how="infinite"), "delicate")}, said(*texts), seed=0)


def test_a_sound_with_a_sample_that_is_no_number_is_missing(store, tmp_path):
    clips = []
    for name, strange in (("nan", np.nan), ("inf", -np.inf), ("whole", 0.5)):
        samples = np.full(8_000, 0.25, "float32")
        samples[77] = strange
        clips.append(tmp_path / f"{name}.wav")
        write_floats(clips[-1], samples, 16_000)
    talks = talk(*(Utterance(id=path.stem, text="x", audio=path) for path in clips))
    table = encode(store, {"heard": part(Loudness())}, talks, seed=0)
    assert table.missing == {
        ("heard", name): f"{name}.wav: 1 of its 8000 samples is no number" for name in ("nan", "inf")
    }
    assert table.encoded == {"heard": 1}
