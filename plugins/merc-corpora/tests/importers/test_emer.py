from merc_corpora.importers.emer import EmerCorpus

SECOND = "name,chinese,english\nsample_1,她笑了。,She smiles.\nsample_2,,He frowns.\n"
FIRST = "names,emotions,subtitles,reasons\nsample_1,{},{},{}\n"


def test_the_second_version(layout):
    layout.write({
        "final-EMER-reason.csv": SECOND,
        "transcription-engchi-polish.csv": "name,chinese,english\nsample_1,好。,Well.\n",
    }).clips("video/sample_1.mp4", "test1/sample_2.avi")  # fmt: skip
    read = layout.read(EmerCorpus)
    one, two = read.said["sample_1"], read.said["sample_2"]
    assert (one.text, one.extra) == ("Well.", {"description": "She smiles.", "description_zh": "她笑了。"})
    assert one.cues == {} and one.label is None and two.extra == {"description": "He frowns."}
    assert (one.video.name, two.video.name) == ("sample_1.mp4", "sample_2.avi")
    assert set(read.splits.values()) == {"test"} and read.counts == {"clips": (2, 332)}
    assert "final-EMER-reason.csv, line 3: chinese is empty" in layout.fault(EmerCorpus, language="chinese")


def test_the_first_version_has_labels_and_words(layout):
    layout.write({
        "gt-eng.csv": FIRST.format("happy", "Thanks.", "She smiles."),
        "gt-chi.csv": FIRST.format("高兴", "谢谢。", "她笑了。"),
    })  # fmt: skip
    (one,) = layout.read(EmerCorpus).said.values()
    assert (one.text, one.open_labels) == ("Thanks.", ("happy",))
    assert one.extra == {"description": "She smiles.", "description_zh": "她笑了。"}
    read = layout.read(EmerCorpus, language="chinese")
    (other,) = read.said.values()
    assert (other.text, other.open_labels) == ("谢谢。", ("高兴",)) and read.counts == {"clips": (1, 100)}
    assert other.extra == {"description": "她笑了。", "description_en": "She smiles."}


def test_a_folder_without_a_table_and_a_table_without_a_column(layout):
    assert "lacks final-EMER-reason.csv; 'root' of the corpus emer should be the folder with" in layout.fault(
        EmerCorpus
    )
    layout.write({"gt-chi.csv": FIRST.format("高兴", "谢谢。", "她笑了。")})
    assert "lacks gt-eng.csv" in layout.fault(EmerCorpus)
    layout.write({"final-EMER-reason.csv": "name,chinese\na,b\n"})
    assert layout.fault(EmerCorpus) == "final-EMER-reason.csv lacks the column english; its columns are name, chinese"
