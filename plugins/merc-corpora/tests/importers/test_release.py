import pytest
from merc_corpora.importers.release import SETS, E3Corpus, McEiuCorpus, MmeverseCorpus


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
    assert read.notes == ("clips that are not there: 1 (v1_3)", "clips without a subtitle: 1 (v1_3)")


def test_mc_eiu_has_intentions(layout):
    head = "video_id,emotion,intent,Subtitle,mode,gpt-4o-mini_intent\n"
    layout.write({"MC-EIU_merged.csv": head + "dia_622_utt_8_ch,happy,Agreeing,好,validation,She agrees.\n"})
    (one,) = layout.read(McEiuCorpus).said.values()
    assert (one.label, one.extra["intention"], one.cues) == ("happy", "agreeing", {"multimodal": "She agrees."})
    layout.write({"MC-EIU_merged.csv": head + "a,happy,agreing,好,test,\n"})
    assert "MC-EIU_merged.csv, line 2: 'agreing' is no intention of MC-EIU: acknowledging" in layout.fault(McEiuCorpus)


@pytest.mark.parametrize("name", SETS)
def test_every_set_of_the_release_has_its_columns(layout, name):
    columns = SETS[name]
    split = {"iemocap": "Session5"}.get(name, "train")
    cells = {"video_id": "a", columns.text: "Hi.", columns.split: split, columns.several: columns.labels[2]}
    cells |= {columns.label: columns.labels[1].upper(), **dict.fromkeys(columns.more.values(), "neutral")}
    cells.pop(None, None)
    layout.write({f"{columns.table}_merged.csv": ",".join(cells) + "\n" + ",".join(cells.values()) + "\n"})
    layout.clips("video/0000a.mp4")
    (one,) = layout.read(MmeverseCorpus, set=name).said.values()
    assert one.label == (columns.labels[1] if columns.label else None) and one.text == "Hi." and one.video is not None
    assert one.extra.get("labels") == ([columns.labels[2]] if columns.several else None)


def test_several_labels_are_read_in_the_sets_own_spelling(layout):
    layout.write({"BOLD_merged.csv": 'video_id,Emotion_label,text_whisper,mode\nb_1,"anger, Disconnection",Hm.,val\n'})
    assert layout.read(MmeverseCorpus, set="bold").said["b_1"].extra["labels"] == ["Anger", "Disconnect"]
    layout.write({"BOLD_merged.csv": "video_id,Emotion_label,text_whisper,mode\nb_1,rage,Hm.,val\n"})
    assert "BOLD_merged.csv, line 2: 'rage' is none of the labels Peace" in layout.fault(MmeverseCorpus, set="bold")


def test_another_name_of_the_table(layout):
    layout.write({"my.csv": "video_id,emotion_label,text_whisper,mode\na,sad,,test\n"})
    assert layout.read(MmeverseCorpus, set="caer", table="my.csv").said["a"].label == "sad"
    assert "lacks CAER_merged.csv; 'root' of the corpus mmeverse should be" in layout.fault(MmeverseCorpus, set="caer")
