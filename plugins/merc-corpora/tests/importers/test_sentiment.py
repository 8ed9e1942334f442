import pytest
from merc_corpora.importers.sentiment import ChSimsCorpus, ChSimsV2Corpus, CmuMoseiCorpus, CmuMosiCorpus

HEAD = "video_id,clip_id,text,label,label_T,label_A,label_V,annotation,mode\n"


def test_cmu_mosi(layout):
    rows = (
        '03b,1,"ANYHOW, HI",-2.4,,,,Negative,train',
        "03b,10,YES,1.0,,,,Positive,valid",
        "x-Y_z,2,WELL,0,,,,Neutral,test",
    )
    layout.write({"label.csv": HEAD + "\n".join(rows)}).clips("Raw/03b/1.mp4", "Raw/03b/10.mp4")
    read = layout.read(CmuMosiCorpus)
    assert read.splits == {"03b_1": "train", "03b_10": "dev", "x-Y_z_2": "test"}
    one = read.said["03b_1"]
    assert (one.text, one.label, one.valence, one.extra) == ("ANYHOW, HI", "negative", -2.4, {"sentiment": "negative"})
    assert one.video == layout.root / "Raw" / "03b" / "1.mp4"
    assert read.notes == ("clips that are not there: 1 of 3 (x-Y_z_2)",)
    assert read.counts == {"clips": (3, 2199), "clips of the test split": (1, 686)}


@pytest.mark.parametrize(("corpus", "table", "reported"), [
    (ChSimsCorpus, "label.csv", {"clips": (1, 2281), "clips of the test split": (1, 457)}),
    (ChSimsV2Corpus, "meta.csv", {"clips": (1, 4403), "clips of the test split": (1, 1034)}),
])  # fmt: skip
def test_ch_sims_has_scores_by_modality_and_clips_with_zeros(layout, corpus, table, reported):
    layout.write({table: HEAD + "video_0001,0001,我不想嫁给李茶,-1.0,-0.4,-0.6,0.2,Negative,test\n"})
    read = layout.clips("Raw/video_0001/0001.mp4").read(corpus)
    (one,) = read.said.values()
    assert one.id.endswith("/video_0001_0001") and one.video is not None and one.valence == -1.0
    assert one.extra == {"sentiment": "negative", "label_T": -0.4, "label_A": -0.6, "label_V": 0.2}
    assert read.counts == reported and read.notes == ()


def test_numbers_that_lost_their_zeros_are_found(layout):
    layout.write({"meta.csv": HEAD + "aqgy3_0001,3,好,0.2,,,,Positive,train\n"}).clips("Raw/aqgy3_0001/00003.mp4")
    assert layout.read(ChSimsV2Corpus).said["aqgy3_0001_3"].video.name == "00003.mp4"


@pytest.mark.parametrize(("row", "told"), [
    ("a,1,HI,4,,,,Positive,train\n", "label.csv, line 2: label is 4; scores lie from -3 to 3"),
    ("a,1,HI,high,,,,Positive,train\n", "label.csv, line 2: label must be a number, not 'high'"),
    ("a,1,HI,1,,,,Positive,tran\n", "label.csv, line 2: mode is 'tran'; it should be one of train, dev, val"),
    ("a,,HI,1,,,,Positive,train\n", "label.csv, line 2: clip_id is empty"),
    ("a,1,HI,1,,,,Glad,train\n", "utterance 'cmu-mosei/a_1' has the label 'glad'"),
])  # fmt: skip
def test_faults(layout, row, told):
    layout.write({"label.csv": HEAD + row, "Raw/a.txt": ""})
    assert told in layout.fault(CmuMoseiCorpus)


def test_scores_beyond_the_scale_by_rounding_and_numbers_with_a_point(layout):
    rows = "a,1.0,HI,3.0000001,,,,Positive,train\na,2.0,HO,-3.0000002,,,,Negative,test\n"
    layout.write({"label.csv": HEAD + rows}).clips("Raw/a/1.mp4", "Raw/a/2.mp4")
    read = layout.read(CmuMosiCorpus)
    assert {name: one.valence for name, one in read.said.items()} == {"a_1": 3.0, "a_2": -3.0}
    assert all(one.video is not None for one in read.said.values())


def test_a_row_that_repeats_a_clip_is_named_and_the_rest_is_read(layout):
    rows = "a,1,HI,1,,,,Positive,train\na,1,HI,2,,,,Positive,train\na,2,HO,-1,,,,Negative,test\n"
    layout.write({"label.csv": HEAD + rows, "Raw/a.txt": ""})
    read = layout.read(CmuMoseiCorpus)
    assert (read.said["a_1"].valence, read.said["a_2"].valence) == (1.0, -1.0)
    (note,) = [note for note in read.notes if "repeat a clip" in note]
    assert "1 of 3 (a_1 in " in note and "label.csv, line 3; the first in " in note


def test_a_clip_without_a_score_is_none(layout):
    layout.write({"label.csv": HEAD + "a,1,HI,,,,,,train\n"}).clips("Raw/a/1.mp4")
    assert layout.read(CmuMoseiCorpus).said["a_1"].valence is None
    assert layout.read(CmuMoseiCorpus).said["a_1"].label is None
