from merc_corpora.importers.mer import LABELS, Mer2023Corpus, Mer2024Corpus, OvMerdPlusCorpus

WORDS = "name,chinese,english\nsample_1,糟了,Oh no.\nsample_9,好,\n"


def test_mer2023(layout):
    layout.write({
        "train-label.csv": "name,discrete,valence\nsample_1,worried,-2.25\nsample_2,happy,3\n",
        "test1-label.csv": "name,discrete,valence\nsample_9,neutral,0\n",
        "test3-label.csv": "name,discrete\nsample_7,sad\n",
        "transcription-engchi-polish.csv": WORDS,
    }).clips("train/sample_1.avi", "test1/sample_9.mp4", "test3/sample_7.mp4")  # fmt: skip
    read = layout.read(Mer2023Corpus)
    assert read.splits == {"sample_1": "train", "sample_2": "train", "sample_9": "test"}
    one = read.said["sample_1"]
    assert (one.text, one.label, one.valence, one.video) == (
        "Oh no.", "worried", -2.25, layout.root / "train" / "sample_1.avi",
    )  # fmt: skip
    assert one.extra == {"text_zh": "糟了", "part": "train"}
    assert read.said["sample_2"].missing["audio"] == f"no clip train/sample_2.mp4 in {layout.root}"
    assert read.data.labels.labels == LABELS
    assert read.counts == {"clips": (3, 3784), "clips of MER-MULTI": (1, 411)}
    assert read.notes == (
        "clips that are not there: 1 of 3 (sample_2)",
        "clips without a subtitle: 2 of 3 (sample_2, sample_9)",
    )

    other = layout.read(Mer2023Corpus, test="test3", language="chinese")
    assert other.said["sample_7"].valence is None and other.said["sample_7"].extra == {"part": "test3"}
    assert other.said["sample_1"].text == "糟了" and other.said["sample_1"].extra["text_en"] == "Oh no."
    assert other.counts == {}


def test_mer2023_faults(layout):
    assert "lacks train-label.csv, test1-label.csv; 'root' of the corpus mer2023 should be" in layout.fault(
        Mer2023Corpus
    )
    layout.write({"test1-label.csv": "name,discrete\na,sad\n", "train-label.csv": "name,discrete,valence\nb,angre,1\n"})
    assert (
        "train-label.csv, line 2: utterance 'mer2023/b' has the label 'angre'. Did you mean 'angry'?"
        in layout.fault(Mer2023Corpus)
    )
    layout.write({"train-label.csv": "name,discrete,valence\nb,sad,low\n"})
    assert layout.fault(Mer2023Corpus) == "train-label.csv, line 2: valence must be a number, not 'low'"


def test_mer2024(layout):
    layout.write(
        {"label-disdim.csv": "name,discrete,valence\nsample_1,angry,-1\n", "semi.csv": "name,discrete\nsample_9,sad\n"}
    )
    layout.clips("video-labeled/sample_1.mp4", "video-unlabeled-with-test2noise/sample_9.mp4")
    alone = layout.read(Mer2024Corpus)
    assert alone.splits == {"sample_1": "train"} and "no test split: the labels of MER-SEMI" in alone.notes[0]
    read = layout.read(Mer2024Corpus, answers=layout.root / "semi.csv")
    assert read.splits == {"sample_1": "train", "sample_9": "test"}
    assert read.said["sample_9"].video.parent.name == "video-unlabeled-with-test2noise"
    assert read.counts == {"clips of MER-SEMI": (1, 1169)}


def test_ov_merd_plus(layout):
    layout.write({
        "ovlabel.csv": "name,openset\nsample_1,\"['worried', 'at a loss']\"\nsample_2,[]\n",
        "subtitle_eng.csv": "name,english\nsample_1,Oh no.\n",
    }).clips("video/sample_1.mp4", "video/sample_2.mp4")  # fmt: skip
    read = layout.read(OvMerdPlusCorpus)
    assert set(read.splits.values()) == {"test"} and read.data.labels is None
    assert read.said["sample_1"].open_labels == ("worried", "at a loss") and read.said["sample_1"].text == "Oh no."
    assert read.said["sample_2"].open_labels == ()
    assert read.counts == {"clips": (2, 532)}
    layout.write({"ovlabel.csv": "name,labels\na,b\n"})
    assert layout.fault(OvMerdPlusCorpus) == "ovlabel.csv lacks the column openset; its columns are name, labels"
