import pytest
from merc_corpora.importers.release import E3Corpus, McEiuCorpus, MmeverseCorpus
from merc_corpora.importers.release_sets import FURTHER, SETS


def test_e3(layout):
    layout.write({
        "E3_merged.csv": "video_id,emotion,conversation,person,mode,response_Qwen2Audio,response_Qwen25vl_72B\n"
        "v1_2,Sarcastic,Great.,wearer,train,A flat voice.,A kitchen.\nv1_3,happy,,wearer,val,,\n",
    }).clips("video/v1_2.mp4")  # fmt: skip
    read = layout.read(E3Corpus)
    assert read.splits == {"v1_2": "train", "v1_3": "dev"}
    one = read.said["v1_2"]
    assert (one.label, one.text, one.extra) == ("sarcastic", "Great.", {"person": "wearer", "part": "train"})
    assert one.cues == {"audio_tone": "A flat voice.", "visual_objective": "A kitchen."}
    assert read.counts == {"clips": (2, 16320), "clips of the dev and test splits": (1, 3288)}
    assert read.notes == ("clips that are not there: 1 of 2 (v1_3)", "clips without a subtitle: 1 of 2 (v1_3)")


def test_mc_eiu_has_intentions(layout):
    head = "video_id,emotion,intent,Subtitle,mode,gpt-4o-mini_intent\n"
    layout.write({"MC-EIU_merged.csv": head + "dia_622_utt_8_ch,happy,Agreeing,好,validation,She agrees.\n"})
    (one,) = layout.read(McEiuCorpus).said.values()
    assert (one.label, one.extra["intention"], one.cues) == ("happy", "agreeing", {"multimodal": "She agrees."})
    layout.write({"MC-EIU_merged.csv": head + "a,happy,agreing,好,test,\n"})
    assert "MC-EIU_merged.csv, line 2: 'agreing' is no intention of mc-eiu: acknowledging" in layout.fault(McEiuCorpus)


@pytest.mark.parametrize("name", SETS)
def test_every_set_of_the_release_has_its_columns(layout, name):
    columns = SETS[name]
    split = {"iemocap": "Session5"}.get(name, "train")
    cells = {"video_id": "7", columns.text: "Hi.", columns.split: split, columns.several: columns.labels[2]}
    cells |= {columns.label: columns.labels[1].upper(), **dict.fromkeys(columns.more.values(), "neutral")}
    cells.pop(None, None)
    folder = columns.names[0]
    layout.write({f"{folder}/{folder}_merged.csv": ",".join(cells) + "\n" + ",".join(cells.values()) + "\n"})
    layout.clips(f"{folder}/video/00007.mp4")
    read = layout.read(MmeverseCorpus, sets=(name,))
    ((key, one),) = read.said.items()
    assert key == ("00007" if name in ("dfew", "mafw") else "7")
    assert one.label == (columns.labels[1] if columns.label else None) and one.text == "Hi." and one.video is not None
    assert one.extra.get("labels") == ([columns.labels[2]] if columns.several else None)
    assert read.data.labels.labels == columns.labels and read.data.spaces == {} and read.notes == ()


CAER = "video_id,emotion_label,text_whisper,mode\n"
DFEW = "video_id,label,sentence,mode\n"
BOLD = "video_id,Emotion_label,text_whisper,mode\n"


def test_sets_together_keep_their_labels_and_names(layout):
    layout.write({
        "CAER/CAER_merged.csv": CAER + "train_Anger_0001,anger,Hm.,train\n",
        "DFEW/DFEW_merged.csv": DFEW + "1,angry,Hm.,test\n",
        "BOLD/BOLD_merged.csv": BOLD + "b_1,Fear,Hm.,val\n",
    }).clips("CAER/video/train_Anger_0001.mp4", "DFEW/video/00001.mp4")  # fmt: skip
    data = layout.read(MmeverseCorpus).data
    assert [(talk.dataset, talk.id, talk.split) for talk in data.conversations] == [
        ("caer", "caer/train_Anger_0001", "train"), ("dfew", "dfew/00001", "test"), ("bold", "bold/b_1", "dev"),
    ]  # fmt: skip
    assert data.labels is None and {name: space.labels for name, space in data.spaces.items()} == {
        name: SETS[name].labels for name in ("caer", "dfew", "bold")
    }
    assert data.notes[0].startswith("sets that are not there: mer2023, mer2024, meld, iemocap, e3, mafw, mc-eiu")
    assert data.notes[1] == "bold: clips that are not there: 1 of 1 (b_1)"
    assert [str(count) for count in data.counts if count.what.startswith("caer")] == [
        "caer: clips: 1; MMEVerse, Table 1 states 13,175",
        "caer: clips of the dev and test splits: 0; MMEVerse, Table 2 states 3,953",
    ]
    layout.write({"DFEW/DFEW_merged.csv": DFEW + "1,anger,Hm.,test\n"})
    told = layout.fault(MmeverseCorpus)
    assert "utterance 'dfew/00001' has the label 'anger', which dfew does not have. Did you mean 'angry'?" in told


def test_sets_that_are_asked_for_must_be_there(layout):
    layout.write({"CAER/CAER_merged.csv": CAER + "a,sad,,test\n"})
    assert "lacks BOLD/BOLD_merged.csv; 'root' of the corpus mmeverse should be the folder of MMEVerse's sets" in (
        layout.fault(MmeverseCorpus, sets=("caer", "bold"))
    )
    (layout.root / "CAER" / "CAER_merged.csv").unlink()
    assert "lacks MER2023/MER2023_merged.csv, MER2024/MER2024_merged.csv, MELD/" in layout.fault(MmeverseCorpus)
    assert "lacks E3/E3_merged.csv; 'root' of the corpus e3 should be" in layout.fault(E3Corpus)


def test_clips_of_a_second_table_and_descriptions_of_a_third(layout):
    layout.write({
        "CAER/CAER_merged.csv": CAER + "a,sad,Hm.,train\n",
        "CAER/CAER_label.csv": CAER + "a,happy,,train\nb,fear,,test\n",
        "AU_gpt/CAER_AU_gpt.csv": "video_id,gpt-4o-mini_Emotion\nb,He shivers.\n",
    }).clips("CAER/video/a.mp4", "CAER/video/b.mp4")  # fmt: skip
    for root in (layout, type(layout)(layout.root / "CAER")):
        read = root.read(MmeverseCorpus, sets=("caer",))
        assert {name: one.label for name, one in read.said.items()} == {"a": "sad", "b": "fear"}
        assert read.said["b"].cues == {"multimodal": "He shivers."} and read.said["a"].cues == {}
        assert "clips that are in CAER_label.csv and not in CAER_merged.csv: 1" in read.notes


def test_a_table_of_two_sets(layout):
    head = "video_id,emotion_label,english,MER2023_mode,MER2024_mode\n"
    rows = "a,sad,Hm.,train,\nb,happy,Hm.,test1,\nc,angry,Hm.,test3,train\nd,worried,Hm.,,test_semi\n"
    layout.write({"MER2024/MER2024_merged.csv": head + rows}).clips(*(f"MER2024/video/{one}.mp4" for one in "abcd"))
    read = layout.read(MmeverseCorpus, sets=("mer2023",))
    assert read.splits == {"a": "train", "b": "test", "c": "test"}
    assert read.notes == ("rows that are of another set: 1",)
    assert read.counts == {"clips of train and test1": (2, 3784), "clips of test1": (1, 411)}
    assert layout.read(MmeverseCorpus, sets=("mer2024",)).splits == {"c": "train", "d": "test"}


def test_what_is_counted_of_iemocap_and_mafw(layout):
    rows = "".join(f"{i},{label},Hm.,Session5\n" for i, label in enumerate(["excited", "anger", "fear", "xxx"]))
    layout.write({"IEMOCAP_merged.csv": "video_id,official_label,text,session\n" + rows + "9,neutral,Hm.,Session1\n"})
    read = layout.read(MmeverseCorpus, sets=("iemocap",))
    assert read.counts == {"clips": (5, 10039), "clips of the test split in four classes, with excited": (2, 1241)}
    assert "clips without a label: 1 of 5 (3)" in read.notes and read.said["3"].label is None
    rows = '7,anger,,Hm.,test\n8,fear,"fear,anxiety",Hm.,test\n9,unknown,,Hm.,train\n'
    layout.write({"MAFW_merged.csv": "video_id,single_label,multi_label,text_whisper,mode\n" + rows})
    assert layout.read(MmeverseCorpus, sets=("mafw",)).counts == {
        "clips": (3, 10045), "clips of the test split": (2, 1839),
        "clips of the test split with several labels": (1, 580),
    }  # fmt: skip


def test_several_labels_are_read_in_the_sets_own_spelling(layout):
    layout.write({"BOLD_merged.csv": BOLD + 'b_1,"anger, Disconnection",Hm.,val\n'})
    assert layout.read(MmeverseCorpus, sets=("bold",)).said["b_1"].extra["labels"] == ["anger", "disconnect"]
    layout.write({"BOLD_merged.csv": BOLD + "b_1,rage,Hm.,val\n"})
    assert "BOLD_merged.csv, line 2: 'rage' is none of the labels peace" in layout.fault(MmeverseCorpus, sets=("bold",))


def test_an_unknown_sentiment(layout):
    layout.write({"E3_merged.csv": "video_id,emotion,conversation,person,mode,sentiment\na,happy,,wearer,val,glad\n"})
    assert "E3_merged.csv, line 2: 'glad' is no sentiment of e3: negative, neutral, positive" in layout.fault(E3Corpus)


# What Table 1 of the paper states under "# Labels"; of MAFW the single ones.
NUMBERS = {"mer2023": 6, "meld": 7, "caer": 7, "e3": 8, "dfew": 7, "mafw": 11, "mc-eiu": 7, "bold": 26}


def test_labels_are_as_many_as_the_paper_states():
    assert {name: len(SETS[name].labels) for name in NUMBERS} == NUMBERS
    assert len(FURTHER["intention"]) == 9 and len(FURTHER["sentiment"]) == 3


def test_words_in_english_and_chinese(layout):
    head = "video_id,emotion_label,english,chinese,MER2023_mode,MER2024_mode\n"
    layout.write({"MER2024/MER2024_merged.csv": head + "a,sad,Well.,好吧。,train,\nb,sad,,走。,train,\n"})
    english = layout.read(MmeverseCorpus, sets=("mer2023",)).said
    assert [(one.text, one.extra["text_zh"]) for one in english.values()] == [("Well.", "好吧。"), ("", "走。")]
    chinese = layout.read(MmeverseCorpus, sets=("mer2023",), language="chinese").said
    assert [(one.text, one.extra.get("text_en")) for one in chinese.values()] == [("好吧。", "Well."), ("走。", None)]


def test_a_table_without_words(layout):
    layout.write({"CAER_merged.csv": "video_id,emotion_label,mode\na,sad,train\n"})
    read = layout.read(MmeverseCorpus, sets=("caer",))
    assert (
        read.said["a"].text == ""
        and "CAER_merged.csv has no column text_whisper: its clips have no words" in read.notes
    )


def test_cmu_mosi_under_the_name_that_the_authors_read(layout):
    """Their configuration has CMU-MOSI/CMU-MOSEI_merged.csv."""
    head = "video_id,sentiment_label,text,mode\n"
    layout.write({"CMU-MOSI/CMU-MOSEI_merged.csv": head + "i_1,Positive,Hm.,train\n"})
    for root in (layout, type(layout)(layout.root / "CMU-MOSI")):
        data = root.read(MmeverseCorpus).data
        assert [talk.id for talk in data.conversations] == ["cmu-mosi/i_1"]
    layout.write({"CMU-MOSEI/CMU-MOSEI_merged.csv": head + "e_1,Negative,Hm.,test\n"})
    data = layout.read(MmeverseCorpus).data
    assert [talk.id for talk in data.conversations] == ["cmu-mosi/i_1", "cmu-mosei/e_1"]


def test_a_clip_that_comes_twice_does_not_stop_the_rest(layout):
    layout.write({"CAER_merged.csv": CAER + "a,sad,Hm.,train\na,happy,Hm.,test\nb,fear,Hm.,test\n"})
    read = layout.read(MmeverseCorpus, sets=("caer",))
    assert {name: one.label for name, one in read.said.items()} == {"a": "sad", "b": "fear"}
    assert any("repeat a clip, left out: 1 of 3 (a in " in note for note in read.notes)


def test_sessions_and_clips_that_a_program_made_into_numbers(layout):
    layout.write({"IEMOCAP_merged.csv": "video_id,official_label,text,session\na,anger,Hm.,5.0\nb,anger,Hm.,1.0\n"})
    assert layout.read(MmeverseCorpus, sets=("iemocap",)).splits == {"a": "test", "b": "train"}
    layout.write({"DFEW_merged.csv": DFEW + "7.0,angry,Hm.,test\n"})
    assert list(layout.read(MmeverseCorpus, sets=("dfew",)).said) == ["00007"]
