from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from merc.components import AudioClip, Frames, Missing, VideoClip, Waveform
from merc.media import Want, decode_file
from merc.media.container import opened
from merc.media.video import open_track
from tests.media.clips import cut, numbered, numbers_of, turn, write_clip

CODECS = [
    ("mp4", "libx264", "aac"),
    ("mov", "libx264", "aac"),
    ("mkv", "libx264", "flac"),
    ("avi", "mpeg4", "libmp3lame"),
    ("webm", "libvpx-vp9", "libopus"),
    ("mp4", "libsvtav1", "aac"),
    ("mp4", "libx265", "aac"),
]


def frames_of(path: Path, *wants: Want) -> list[VideoClip]:
    clips = [decoded.clip for decoded in decode_file(path, wants, seed=0, content="c")]
    assert all(isinstance(clip, VideoClip) for clip in clips), clips
    return clips


def needs(codec: str) -> None:
    if codec not in av.codecs_available:
        pytest.skip(f"PyAV was built without {codec}")


@pytest.mark.parametrize(("container", "video", "audio"), CODECS)
def test_every_container_gives_the_right_frames_and_sound(tmp_path, container, video, audio):
    needs(video)
    path = write_clip(tmp_path / f"a.{container}", video=video, audio=audio, rate=48_000)
    seen, heard = (d.clip for d in decode_file(path, [Want(Frames(count=5)), Want(Waveform())], seed=0))
    assert isinstance(seen, VideoClip) and isinstance(heard, AudioClip)
    # AVI delays the frames that follow the first by those that the codec reorders.
    late = 1 if container == "avi" else 0
    assert numbers_of(seen.frames) == [5 - late, 15 - late, 25 - late, 35 - late, 45 - late]
    assert np.allclose(seen.times, [0.2, 0.6, 1.0, 1.4, 1.8], atol=0.05)
    assert seen.frames.dtype == np.uint8 and seen.frames.shape == (5, 48, 64, 3)
    assert heard.seconds == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize(
    ("container", "video", "options"),
    [
        ("mp4", "libx264", {}),
        ("mkv", "libx264", {"x264-params": "bframes=3"}),
        ("mov", "libx264", {"x264-params": "colormatrix=bt709:colorprim=bt709:transfer=bt709"}),
        ("webm", "libvpx-vp9", {}),
        ("mp4", "libx265", {"x265-params": "open-gop=0:log-level=none"}),
    ],
)
def test_decord_and_pyav_give_the_same_pictures_at_the_same_times(tmp_path, container, video, options):
    needs(video)
    pytest.importorskip("decord")
    path = write_clip(tmp_path / f"a.{container}", video=video, audio=None, frames=60, options=options)
    wanted = np.array([2, 3, 31, 59])
    with opened(path) as media:
        tracks = [open_track(media, backend) for backend in ("decord", "pyav")]
    assert np.allclose(tracks[0].times, tracks[1].times, atol=1e-6)
    assert tracks[0].end == pytest.approx(tracks[1].end, abs=1e-3)
    first, second = ([(index, picture) for index, picture in track.read(wanted)] for track in tracks)
    assert [index for index, _ in first] == [index for index, _ in second] == wanted.tolist()
    for (_, one), (_, other) in zip(first, second, strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize(
    ("video", "options"),
    [
        ("libx264", {"x264-params": "open-gop=1:bframes=3:keyint=10:min-keyint=10"}),
        ("libx265", {"x265-params": "open-gop=1:log-level=none"}),
    ],
)
def test_open_groups_of_pictures_give_the_right_pictures(tmp_path, video, options):
    # decord gives wrong ones here, without an error.
    needs(video)
    path = write_clip(tmp_path / "a.mp4", video=video, audio=None, frames=120, options=options)
    clip = frames_of(path, Want(Frames(count=7)))[0]
    assert numbers_of(clip.frames) == np.round(clip.times * 25).astype(int).tolist()


def test_decord_is_used_where_it_can_be_and_pyav_where_it_cannot(tmp_path):
    pytest.importorskip("decord")
    needs("libsvtav1")
    with opened(write_clip(tmp_path / "a.mp4", audio=None, frames=5)) as media:
        assert open_track(media).backend == "decord"
    with opened(write_clip(tmp_path / "b.mp4", video="libsvtav1", audio=None, frames=5)) as media:
        assert open_track(media).backend == "pyav"


def test_pyav_seeks_over_what_nobody_wants_and_finds_the_same_frames(tmp_path):
    path = write_clip(tmp_path / "a.mkv", frames=250, audio=None)
    with opened(path) as media:
        track = open_track(media, "pyav")
    assert [index for index, _ in track.read(np.array([3, 120, 121, 249]))] == [3, 120, 121, 249]
    assert numbers_of(np.stack([picture for _, picture in track.read(np.array([3, 120, 121, 249]))])) == [
        3,
        120,
        121,
        249,
    ]


def test_a_span_is_taken_by_its_times(tmp_path):
    path = write_clip(tmp_path / "a.mp4", frames=200)
    one, two = frames_of(path, Want(Frames(count=4), 2.0, 4.0), Want(Frames(count=99), 4.0, 4.4))
    assert numbers_of(one.frames) == [56, 68, 81, 93] or numbers_of(one.frames) == [56, 68, 80, 93]
    assert np.allclose(one.times, [0.24, 0.72, 1.24, 1.72], atol=0.041)
    assert numbers_of(two.frames) == list(range(100, 110))


def test_a_span_is_counted_from_the_start_of_the_file_wherever_its_clock_stands(tmp_path):
    times = [5 + i / 25 for i in range(50)]
    for name in ("a.mkv", "a.mp4"):
        path = write_clip(tmp_path / name, times=times, audio=None)
        clip = frames_of(path, Want(Frames(count=99), 1.0, 1.2))[0]
        assert numbers_of(clip.frames) == [25, 26, 27, 28, 29]


def test_a_variable_frame_rate_is_handled_by_time_stamps(tmp_path):
    times = [*range(8), *(8 + i / 50 for i in range(50))]
    path = write_clip(tmp_path / "a.mkv", times=times, audio=None)
    clip = frames_of(path, Want(Frames(count=9)))[0]
    assert numbers_of(clip.frames)[:8] == list(range(8))
    assert clip.times[-1] == pytest.approx(8.5, abs=0.05)


def test_a_span_between_two_frames_gives_the_frame_that_is_on_show(tmp_path):
    path = write_clip(tmp_path / "a.mkv", times=[0.0, 4.0, 8.0], audio=None)
    clip = frames_of(path, Want(Frames(count=3), 5.0, 6.0))[0]
    assert numbers_of(clip.frames) == [1]
    assert clip.times.tolist() == [0.0]


def test_a_video_of_one_frame(tmp_path):
    path = write_clip(tmp_path / "a.mp4", frames=1, seconds=1.0)
    seen, heard = (d.clip for d in decode_file(path, [Want(Frames(count=64)), Want(Waveform())], seed=0))
    assert numbers_of(seen.frames) == [0]
    assert heard.seconds == pytest.approx(1.0, abs=0.1)


def test_a_short_clip_gives_every_frame_that_it_has(tmp_path):
    clip = frames_of(write_clip(tmp_path / "a.mp4", frames=7), Want(Frames(count=64)))[0]
    assert numbers_of(clip.frames) == list(range(7))


def test_sizes_come_from_one_decode_and_do_not_change_which_frames_are_drawn(tmp_path):
    path = write_clip(tmp_path / "a.mp4")
    sizes = [(24, 32), (96, 128), None]
    clips = frames_of(path, *(Want(Frames(count=6, strategy="random", size=size)) for size in sizes))
    assert [clip.frames.shape[1:3] for clip in clips] == [(24, 32), (96, 128), (48, 64)]
    assert numbers_of(clips[0].frames) == numbers_of(clips[1].frames) == numbers_of(clips[2].frames)
    alone = frames_of(path, Want(Frames(count=6, strategy="random", size=(24, 32))))[0]
    assert np.array_equal(alone.frames, clips[0].frames)


def test_resizing_averages_over_what_a_pixel_covers(tmp_path):
    path = write_clip(tmp_path / "a.mp4", size=(480, 640), frames=256 - 85, audio=None)
    clip = frames_of(path, Want(Frames(count=400, size=(4, 4))))[0]
    stripes = clip.frames[0b10101010].astype(int)  # one column in two is white, two columns a pixel
    assert 100 < stripes.mean() < 156 and stripes.std() < 40


def test_random_frames_differ_by_draw_content_and_seed(tmp_path):
    path = write_clip(tmp_path / "a.mp4")

    def drawn(draw: int, content: str, seed: int) -> list[int]:
        want = Want(Frames(count=8, strategy="random", draws=2), draw=draw)
        return numbers_of(decode_file(path, [want], seed, content)[0].clip.frames)

    assert drawn(0, "a", 0) == drawn(0, "a", 0)
    assert len({tuple(drawn(*how)) for how in [(0, "a", 0), (1, "a", 0), (0, "b", 0), (0, "a", 1)]}) == 4


@pytest.mark.parametrize("backend", ["decord", "pyav"])
def test_a_phone_video_is_turned_upright(tmp_path, backend):
    if backend == "decord":
        pytest.importorskip("decord")
    path = turn(write_clip(tmp_path / "a.mp4", audio=None, frames=3), tmp_path / "b.mp4")
    with opened(path) as media:
        pictures = [picture for _, picture in open_track(media, backend).read(np.arange(3))]
    assert pictures[1].shape == (64, 48, 3)
    assert np.abs(pictures[1].astype(int) - np.rot90(numbered(1), -1)).mean() < 12


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi"])
def test_a_video_that_is_cut_short_is_reported_and_its_whole_spans_are_not(tmp_path, name):
    video = "mpeg4" if name.endswith("avi") else "libx264"
    whole = write_clip(
        tmp_path / name, frames=200, video=video, audio=None, size=(120, 160),
        container={"movflags": "faststart"} if name.endswith("mp4") else None,
    )  # fmt: skip
    path = cut(whole, tmp_path / f"cut_{name}", 0.6)
    all_of_it, span = (d.clip for d in decode_file(path, [Want(Frames(count=4)), Want(Frames(count=4), 0.5, 1.0)], 0))
    assert isinstance(all_of_it, Missing)
    assert all_of_it.reason.startswith(f"cut_{name} is cut short or damaged: ")
    assert isinstance(span, VideoClip) and len(span.frames) == 4


def test_a_video_that_is_damaged_in_the_middle_loses_no_more_than_is_damaged(tmp_path):
    options = {"threads": "2"}  # what stands in the middle of the file depends on it
    whole = write_clip(tmp_path / "a.mkv", frames=100, audio=None, size=(240, 320), gop=10, options=options)
    data = bytearray(whole.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 1500] = b"\x00" * 1500
    path = tmp_path / "b.mkv"
    path.write_bytes(data)
    decoded = decode_file(path, [Want(Frames(count=100))], seed=0)[0]
    assert isinstance(decoded.clip, VideoClip)
    numbers = numbers_of(decoded.clip.frames)
    assert 40 < len(numbers) < 100
    assert numbers[:20] == list(range(20)) and numbers[-1] == 99
    assert numbers == np.round(decoded.clip.times * 25).astype(int).tolist()


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_pictures_that_stand_in_another_order_in_an_avi(tmp_path, codec):
    """AVI stores no times of show, and of H.264 with B frames the times that FFmpeg gives are in disorder."""
    options = {"bf": "2"} if codec == "mpeg4" else {}
    path = write_clip(tmp_path / "a.avi", frames=60, video=codec, audio=None, options=options)
    every, few, span = decode_file(
        path, [Want(Frames(count=60)), Want(Frames(count=3)), Want(Frames(count=5), 1.0, 1.2)], seed=0
    )  # fmt: skip
    assert numbers_of(every.clip.frames) == list(range(60))
    assert every.clip.times == pytest.approx(np.arange(60) / 25, abs=0.045)
    assert numbers_of(few.clip.frames) == [10, 30, 50]
    assert numbers_of(span.clip.frames) == pytest.approx(range(25, 30), abs=1)


def test_a_span_outside_the_video_is_missing(tmp_path):
    path = write_clip(tmp_path / "a.mp4")
    clip = decode_file(path, [Want(Frames(count=4), 3.0, 4.0)], seed=0)[0].clip
    assert clip == Missing("a.mp4: no frame within 3.00-4.00 s; it has 2.00 s")


def test_a_span_that_outlasts_the_video_gives_its_frames_and_says_so(tmp_path):
    path = write_clip(tmp_path / "a.mp4", seconds=4.0)
    decoded = decode_file(path, [Want(Frames(count=64), 1.0, 4.0)], seed=0)[0]
    assert isinstance(decoded.clip, VideoClip)
    assert numbers_of(decoded.clip.frames) == list(range(25, 50))
    assert decoded.remarks == ("its video ends 2.0 s before the utterance does",)


def test_a_cover_picture_is_no_video(tmp_path):
    path = tmp_path / "a.mp3"
    with av.open(str(path), "w") as out:
        sound = out.add_stream("libmp3lame", rate=44_100, layout="mono")
        cover = out.add_stream("mjpeg", rate=25)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        out.mux(cover.encode(av.VideoFrame.from_ndarray(numbered(3), format="rgb24")))
        out.mux(cover.encode())
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1152), "float32"), format="fltp", layout="mono")
        frame.rate = 44_100
        out.mux(sound.encode(frame))
        out.mux(sound.encode())
    assert decode_file(path, [Want(Frames(count=1))], seed=0)[0].clip == Missing("a.mp3 has no video track")
