import pytest
from merc_corpora.importers.bold import LABELS, BoldCorpus


def line(video: str, person: int = 0, **scores: float) -> str:
    emotions = [str(scores.get(label, 0.1)) for label in LABELS]
    return ",".join([video, str(person), "3", "98", *emotions, "4.5", "6", "5", "1", "2", "0", "0.75"]) + "\n"


@pytest.fixture
def bold(layout):
    return layout.write({
        "annotations/train.csv": line("003/Izv.mp4/0114.mp4", anger=0.6, fear=0.9) + line("003/Izv.mp4/0114.mp4", 1),
        "annotations/val.csv": line("004/x-Y_.mp4/0002.mp4", peace=0.5) + line("004/x-Y_.mp4/0002.mp4", pain=0.5),
    }).clips("videos/003/Izv.mp4/0114.mp4", "videos/004/x-Y_.mp4/0002.mp4")  # fmt: skip


def test_people_in_clips_with_several_emotions(bold):
    read = bold.read(BoldCorpus)
    assert read.splits == {"Izv_0114_0": "train", "Izv_0114_1": "train", "x-Y__0002_0": "dev", "x-Y__0002_0_2": "dev"}
    one = read.said["Izv_0114_0"]
    assert (one.label, one.extra["labels"], one.valence) == ("fear", ["anger", "fear"], 4.5)
    assert one.video == bold.root / "videos" / "003" / "Izv.mp4" / "0114.mp4"
    assert one.extra["scores"]["anger"] == 0.6 and len(one.extra["scores"]) == 26
    assert (one.extra["arousal"], one.extra["person_id"], one.extra["max_frame"]) == (6.0, "0", "98")
    assert "labels" not in read.said["Izv_0114_1"].extra
    assert read.notes[0] == "no emotion of at least 0.5: 1 clips have no labels"
    assert read.notes[1] == "1 clips show a person who is annotated in them before; their ids end in _2 and so on"
    assert read.counts == {"clips": (4, 10072), "clips of the dev split": (2, 1116)}
    assert bold.read(BoldCorpus, threshold=0.7).said["Izv_0114_0"].extra["labels"] == ["fear"]


def test_faults(bold):
    bold.write({"annotations/val.csv": "003/Izv.mp4/0114.mp4,0,1\n"})
    assert bold.fault(BoldCorpus) == "annotations/val.csv, line 1: 3 cells for 37 columns"
    bold.write({"annotations/val.csv": line("003/Izv.mp4/0114.mp4").replace(",4.5,", ",high,")})
    assert bold.fault(BoldCorpus) == "annotations/val.csv, line 1: valence must be a number, not 'high'"
    with pytest.raises(ValueError, match="threshold is more than 0 and at most 1, not 2"):
        BoldCorpus(root=bold.root, threshold=2)
