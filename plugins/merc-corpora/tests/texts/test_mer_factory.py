import json
from pathlib import Path

import pytest
from merc_corpora.importers.described import MerrCorpus
from merc_corpora.importers.emer import EmerCorpus
from merc_corpora.importers.release import MmeverseCorpus
from merc_corpora.texts.mer_factory import MerFactoryCorpus

from merc import MercError


def write(root: Path, name: str, **fields: object) -> None:
    record = {
        "chronological_emotion_peaks": ["Peak at 1.00s: sad (slight)", "Peak at 2.88s: angry (slight), fear (slight)"],
        "overall_peak_frame_info": {"frame_number": 72, "timestamp": 2.88},
        "coarse_descriptions_at_peak": {"visual_expression": "Brows lowered.", "audio_analysis": "N/A"},
        "final_summary": "He is angry.",
        **fields,
    }
    (root / name).mkdir(parents=True)
    (root / name / f"{name}_merr_data.json").write_text(json.dumps(record))


def test_what_mer_factory_wrote_comes_in(tmp_path: Path) -> None:
    film = tmp_path / "films" / "a.mp4"
    film.parent.mkdir()
    film.touch()
    out = tmp_path / "output"
    write(out, "a", source_path=str(film))
    write(out, "b", chronological_emotion_peaks=[])
    (out / "b" / "b.mp4").touch()
    (out / "c").mkdir()
    recognised = MerFactoryCorpus.recognise(out)
    assert recognised is not None and recognised.what == "descriptions of 2 clips by MER-Factory"
    data = MerFactoryCorpus(root=out).load()
    first, second = (talk.utterances[0] for talk in data.conversations)
    assert (first.id, first.label, first.video) == ("mer-factory/a", "angry", film)
    assert dict(first.cues) == {"visual_expression": "Brows lowered.", "multimodal": "He is angry."}
    assert (second.label, second.video) == (None, out / "b" / "b.mp4")
    assert "clips whose strongest moment names no emotion: 1 of 2 (b)" in data.notes
    assert MerFactoryCorpus(root=out, labels=False).load().conversations[0].utterances[0].label is None
    assert MerFactoryCorpus.recognise(tmp_path / "films") is None and MerFactoryCorpus.recognise(film) is None
    with pytest.raises(MercError, match=r"holds no <name>/<name>_merr_data\.json; 'root' of the corpus mer-factory"):
        MerFactoryCorpus(root=film.parent).load()
    (out / "a" / "a_merr_data.json").write_text("[")
    with pytest.raises(MercError, match=r"a_merr_data\.json: not JSON"):
        MerFactoryCorpus(root=out).load()


def test_folders_of_published_sets_are_recognised_by_their_files(tmp_path: Path) -> None:
    for name in ("merr/MERR_fine_grained.txt", "merr/MERR_fine_grained.json", "emer/gt-eng.csv",
                 "mmeverse/CAER/CAER_merged.csv", "other/talk.csv"):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    merr = MerrCorpus.recognise(tmp_path / "merr")
    assert merr is not None and merr.parameters == {"root": str(tmp_path / "merr"), "grain": "fine"}
    emer = EmerCorpus.recognise(tmp_path / "emer")
    assert emer is not None and emer.what == "clips whose emotions EMER explains"
    for folder in (tmp_path / "mmeverse", tmp_path / "mmeverse" / "CAER"):
        sets = MmeverseCorpus.recognise(folder)
        assert sets is not None and sets.what.startswith("1 of the ") and sets.what.endswith("sets of MMEVerse: caer")
    for corpus in (MerrCorpus, EmerCorpus, MmeverseCorpus, MerFactoryCorpus):
        assert corpus.recognise(tmp_path / "other") is None
