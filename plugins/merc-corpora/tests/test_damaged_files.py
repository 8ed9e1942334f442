"""Files of people's own, damaged at random: each is read, or refused in a few lines, and nothing else happens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from merc_corpora.meld import MeldCorpus
from merc_corpora.subtitles.corpus import SubtitlesCorpus
from merc_corpora.table.corpus import TableCorpus
from merc_corpora.texts.clip_list import ClipListCorpus
from merc_corpora.texts.emorynlp import EmoryNlpCorpus
from merc_corpora.texts.iemocap_table import IemocapTableCorpus
from merc_corpora.texts.sharegpt import ShareGptCorpus

from merc import MercError

CORPORA: list[Any] = [
    TableCorpus, SubtitlesCorpus, ShareGptCorpus, ClipListCorpus, IemocapTableCorpus, EmoryNlpCorpus, MeldCorpus,
]  # fmt: skip
SRT = "1\n00:00:01,000 --> 00:00:02,500\nAna: You came!\n\n2\n00:00:02.600 --> 00:00:04.000\n[Ben] Of course.\n"
TABLE = 'd,turn,who,text,emotion,v\n0,1,Ben,Of course.,neutral,0.5\n0,0,Ana,"You, came!",joy,\n'
CHATS = [
    {"messages": [{"role": "user", "content": "<video>Hi."}, {"role": "assistant", "content": "joy"}], "videos": ["a"]}
]
FILES = {
    "a.srt": SRT.encode(),
    "a.vtt": b"WEBVTT\n\nNOTE x\n\nintro\n00:01.000 --> 00:02.500\n<v Ana>You <b>came</b>!\n",
    "a.ass": b"[Events]\nFormat: Start, End, Name, Text\nDialogue: 0:00:02.60,0:00:04.00,Ben,Of course,\\Nand more.\n",
    "a.eaf": b'<?xml version="1.0" encoding="UTF-8"?><A><TIME_ORDER>'
    b'<TIME_SLOT TIME_SLOT_ID="1" TIME_VALUE="9"/>'
    b'<TIME_SLOT TIME_SLOT_ID="2" TIME_VALUE="99"/></TIME_ORDER><TIER TIER_ID="Ana"><ALIGNABLE_ANNOTATION '
    b'ANNOTATION_ID="a" TIME_SLOT_REF1="1" TIME_SLOT_REF2="2"><ANNOTATION_VALUE>Hi.</ANNOTATION_VALUE>'
    b"</ALIGNABLE_ANNOTATION></TIER></A>",
    "a.TextGrid": b'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n4\n<exists>\n1\n"IntervalTier"\n"Ana"\n'
    b'0\n4\n1\n1\n2.5\n"Hi."\n',
    "a.csv": TABLE.encode(),
    "b.csv": TABLE.encode("utf-16"),
    "c.csv": TABLE.replace("You", "你好").encode("gbk"),
    "a.json": json.dumps([{"text": "Hi.", "label": 3, "more": [1, {"a": None}]}]).encode(),
    "b.json": json.dumps(CHATS).encode(),
    "a.txt": b"new3_62 125 sad -10\nnew3_181 205 Angry -2.5\n",
    "emorynlp_dev_final.csv": b"Utterance,Speaker,Emotion,Scene_ID,Utterance_ID,Season,Episode\n"
    b"Hi.,['A'],Mad,1,1,1,1\n",
    "dev_sent_emo.csv": b"Utterance,Speaker,Emotion,Dialogue_ID,Utterance_ID\nHi.,Joey,joy,0,0\n",
    "iemocap.csv": b"wav_file,emotion,val\nSes01F_impro01_F000,neu,2.5\n",
}
PIECES: list[bytes] = [
    b'"',
    b"\n",
    b",",
    b"{",
    b"]",
    b"null",
    b"-->",
    b"\0",
    b"<",
    b"1e999",
    b"\xff",
    b": ",
    b"99999999999999999999",
    b"",
]


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=25, deadline=None)
@given(changes=st.lists(st.tuples(st.integers(0, 999), st.integers(0, 30), st.sampled_from(PIECES)), max_size=5))
def test_a_damaged_file_is_read_or_refused_in_a_few_lines(
    name: str, changes: list[tuple[int, int, bytes]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = FILES[name]
    for place, length, piece in changes:
        at = place % (len(content) + 1)
        content = content[:at] + piece + content[at + length :]
    path = Path(tmp_path_factory.mktemp("damaged")) / name
    path.write_bytes(content)
    for corpus in CORPORA:
        found = corpus.recognise(path)
        if found is None:
            continue
        try:
            corpus(**found.parameters).load()
        except MercError as error:
            assert len(str(error).splitlines()) <= 7, error
        except ValueError as error:  # a guessed mapping that lacks the words
            assert corpus is TableCorpus and "'text' is lacking" in str(error), error


@pytest.mark.parametrize("name", FILES)
def test_undamaged_each_of_these_files_is_read(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(FILES[name])
    readers = [(corpus, found) for corpus in CORPORA if (found := corpus.recognise(tmp_path / name))]
    assert readers
    for corpus, found in readers:
        assert corpus(**found.parameters).load().conversations
