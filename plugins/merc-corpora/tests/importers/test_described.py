from merc_corpora.importers.described import MERR_LABELS, MerCaptionPlusCorpus, MerrCorpus


def merr(layout):
    return layout.write({
        "MERR_coarse_grained.txt": "sample_1 25 happy\n\nsample_2 30 Doubt\n",
        "MERR_coarse_grained.json": '{"sample_1": {"caption": " She smiles. ", "peak_index": "3"}, "other": {}}',
        "MERR_fine_grained.txt": "sample_2 30 doubt\n",
        "MERR_fine_grained.json": '{"sample_2": {"smp_reason_caption": "He frowns, for he doubts it."}}',
        "transcription_en_all.csv": "name,sentence\nsample_1,Well done.\n",
    }).clips("test3/sample_1.avi", "video/sample_2.mp4")  # fmt: skip


def test_merr_coarse(layout):
    read = merr(layout).read(MerrCorpus)
    one, two = read.said["sample_1"], read.said["sample_2"]
    assert (one.text, one.label, one.cues) == ("Well done.", "happy", {"multimodal": "She smiles."})
    assert (two.text, two.label, two.cues) == ("", "doubt", {})
    assert (one.video, two.video) == (layout.root / "test3/sample_1.avi", layout.root / "video/sample_2.mp4")
    assert set(read.splits.values()) == {"train"} and read.data.labels.labels == MERR_LABELS
    assert read.counts == {"clips": (2, 28618)}
    assert "clips without a description: 1 of 2 (sample_2)" in read.notes


def test_merr_fine(layout):
    read = merr(layout).read(MerrCorpus, grain="fine")
    assert list(read.said) == ["sample_2"] and read.counts == {"clips": (1, 4487)}
    assert read.said["sample_2"].cues == {"multimodal": "He frowns, for he doubts it."}
    assert not any("description" in note for note in read.notes)


def test_merr_faults(layout):
    assert "lacks MERR_fine_grained.txt, MERR_fine_grained.json; 'root' of the corpus merr should be" in layout.fault(
        MerrCorpus, grain="fine"
    )
    for name, content, fault in (
        ("MERR_coarse_grained.txt", "a 1 happy\nb sad\n", "coarse_grained.txt, line 2: 2 words; a name, a number"),
        ("MERR_coarse_grained.txt", "a 1 hapy\n", "coarse_grained.txt, line 1: label is 'hapy'; it should be one of"),
        ("MERR_coarse_grained.txt", "\n", "MERR_coarse_grained.txt holds no rows"),
        ("MERR_coarse_grained.json", "{", "MERR_coarse_grained.json: not JSON"),
        ("MERR_coarse_grained.json", "[]", "an object by the names of clips is expected, not a list"),
        ("MERR_coarse_grained.json", '{"a": {"caption": 1}}', "'a' should be an object in which 'caption' is a text"),
        ("MERR_coarse_grained.json", '{"a": {"text": "b"}}', "0 of 1 clips have the key 'caption'"),
    ):
        assert fault in merr(layout).write({name: content}).fault(MerrCorpus)


def captions(layout):
    return layout.write({
        "track2_train_mercaptionplus.csv": "name,openset\nsample_1,\"['worried', 'at a loss']\"\nsample_2,[]\n",
        "track3_train_mercaptionplus.csv": "name,reason\nsample_1,She looks away.\n",
        "subtitle_chieng.csv": "name,chinese,english\nsample_1,糟了。,Oh no.\n",
    }).clips("video/sample_1.mp4", "video/sample_2.mp4")  # fmt: skip


def test_mer_caption_plus(layout):
    read = captions(layout).read(MerCaptionPlusCorpus)
    one, two = read.said["sample_1"], read.said["sample_2"]
    assert (one.text, one.open_labels, one.label) == ("Oh no.", ("worried", "at a loss"), None)
    assert one.cues == {"multimodal": "She looks away."} and two.cues == {} and two.open_labels == ()
    assert set(read.splits.values()) == {"train"} and read.data.labels is None
    assert read.counts == {"clips": (2, 31327)}
    assert "clips without a description: 1 of 2 (sample_2)" in read.notes
    assert "clips without a label: 1 of 2 (sample_2)" in read.notes
    other = captions(layout).read(MerCaptionPlusCorpus, empty="neutral", language="chinese")
    assert other.said["sample_2"].open_labels == ("neutral",) and other.said["sample_1"].text == "糟了。"
    layout.write({"track3_train_mercaptionplus.csv": "name,text\na,b\n"})
    assert "track3_train_mercaptionplus.csv lacks the column reason" in layout.fault(MerCaptionPlusCorpus)
