from merc_corpora.importers.films import CaerCorpus, DfewCorpus


def test_caer(layout):
    layout.clips("train/Anger/0001.avi", "validation/Happy/0002.avi", "test/anger/0001.avi", "test/Fear/notes.txt")
    read = layout.read(CaerCorpus)
    assert read.splits == {"train_Anger_0001": "train", "validation_Happy_0002": "dev", "test_anger_0001": "test"}
    one = read.said["train_Anger_0001"]
    assert (one.label, one.text, one.video) == ("anger", "", layout.root / "train" / "Anger" / "0001.avi")
    assert read.counts == {"clips": (3, 13175), "clips of the dev and test splits": (2, 3953)}
    assert read.notes[0].startswith("clips without a subtitle: 3 of 3 (")
    layout.clips("test/Furry/0001.avi")
    assert layout.fault(CaerCorpus).startswith("test/Furry: no emotion of CAER; its folders are anger, disgust")


def test_caer_without_a_split(layout):
    layout.clips("train/Anger/0001.avi")
    assert "lacks validation, test; 'root' of the corpus caer should be" in layout.fault(CaerCorpus)


def test_dfew(layout):
    for split, rows in (("train", "00007,1\n16372,7\n"), ("test", "12,3\n")):
        for fold in (1, 3):
            layout.write({f"EmoLabel_DataSplit/{split}(single-labeled)/set_{fold}.csv": "video_name,label\n" + rows})
    layout.clips("Clip/original/7.mp4", "Clip/original/00012.avi")
    read = layout.read(DfewCorpus)
    assert read.splits == {"00007": "train", "16372": "train", "00012": "test"}
    assert {name: one.label for name, one in read.said.items()} == {
        "00007": "happy",
        "16372": "fear",
        "00012": "neutral",
    }
    assert read.said["00007"].video.name == "7.mp4" and read.said["00012"].video.name == "00012.avi"
    assert "clips that are not there: 1 of 3 (16372)" in read.notes
    assert read.counts == {"clips": (3, 11697), "clips of the test split": (1, 2341)}
    assert layout.read(DfewCorpus, fold=3).counts == {"clips": (3, 11697)}
    layout.write({"EmoLabel_DataSplit/test(single-labeled)/set_1.csv": "video_name,label\n12.0,3.0\n"})
    assert layout.read(DfewCorpus).said["00012"].label == "neutral"
    layout.write({"EmoLabel_DataSplit/test(single-labeled)/set_1.csv": "video_name,label\n12,0\n"})
    assert "set_1.csv, line 2: label is '0'; it should be one of 1, 2, 3" in layout.fault(DfewCorpus)
