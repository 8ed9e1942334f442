import pytest
from merc_corpora.importers.mafw import MafwCorpus

LISTS = "Train & Test Set/{}/{}/set_1/{}.txt"


@pytest.fixture
def mafw(layout):
    captions = "00001.mp4\thappiness\t一个女人\tA woman talks.\n00004.mp4\tsadness\t瞪眼\tWide eyes.\n"
    return layout.write({
        LISTS.format("single", "no_caption", "train"): "00001.mp4 happiness\n00002.mp4 neutral\n",
        LISTS.format("single", "no_caption", "test"): "00003.mp4 anger\n00004.mp4 sadness\n",
        LISTS.format("compound", "no_caption", "train"): "00001.mp4 happiness\n00004.mp4 sadness\n",
        LISTS.format("compound", "no_caption", "test"): "00003.mp4 anger_disgust\n00005.mp4 fear_surprise_anxiety\n",
        LISTS.format("single", "with_caption", "train"): captions.encode("gb18030"),
    }).clips(*(f"data/clips/0000{number}.mp4" for number in range(1, 6)))  # fmt: skip


def test_single_and_compound_emotions(mafw):
    read = mafw.read(MafwCorpus)
    assert read.splits == {"00001": "train", "00002": "train", "00003": "test", "00004": "test", "00005": "test"}
    assert [one.label for one in read.said.values()] == ["happiness", "neutral", "anger", "sadness", None]
    assert {name: one.extra.get("labels") for name, one in read.said.items() if "labels" in one.extra} == {
        "00003": ["anger", "disgust"], "00005": ["fear", "surprise", "anxiety"],
    }  # fmt: skip
    assert read.said["00001"].cues == {"description": "A woman talks."}
    assert read.said["00001"].extra == {"description_zh": "一个女人"}
    assert "clips that the compound lists put into another split than the single ones: 1 (00004)" in read.notes
    assert read.counts == {
        "clips": (5, 10045), "test clips of the single list": (2, 1839),
        "test clips of the single list that have several labels": (1, 580),
    }  # fmt: skip


@pytest.mark.parametrize(("line", "told"), [
    ("00009.mp4\n", "test.txt, line 1: a clip and its emotion are expected, not '00009.mp4'"),
    ("00009.mp4 joy\n", "test.txt, line 1: 'joy' is no emotion of MAFW: anger, disgust"),
])  # fmt: skip
def test_faults(mafw, line, told):
    mafw.write({LISTS.format("single", "no_caption", "test"): line})
    assert told in mafw.fault(MafwCorpus)


def test_a_line_that_repeats_a_clip_is_named_and_the_rest_is_read(mafw):
    mafw.write({LISTS.format("single", "no_caption", "test"): "00009.mp4 anger\n\n00009.mp4 fear\n00010.mp4 fear\n"})
    read = mafw.read(MafwCorpus)
    assert (read.said["00009"].label, read.said["00010"].label) == ("anger", "fear")
    assert any("00009 in " in note and "test.txt, line 3; the first in " in note for note in read.notes)


def test_a_list_that_is_not_there(mafw):
    (mafw.root / LISTS.format("compound", "no_caption", "train")).unlink()
    assert "lacks Train & Test Set/compound/no_caption/set_1/train.txt" in mafw.fault(MafwCorpus)
