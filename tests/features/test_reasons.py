from __future__ import annotations

from merc.components.reasons import count_reasons, say_missing

REASONS = [
    ("u1", "a.mp4 has no audio track"),
    ("u2", "my talk 2.MP4 has no audio track"),
    ("u3", "the utterance has no audio file"),
    ("u4", "a.wav: 1 of its 16000 samples is no number"),
    ("u5", "b.wav: 1 of its 8000 samples is no number"),
    ("u6", "c.wav has no audio track"),
    ("u7", "d.mp4: its decoder crashed (SIGSEGV)"),
]


def test_reasons_are_counted_whatever_file_they_name():
    assert [(one.text, one.names) for one in count_reasons(REASONS)] == [
        ("… has no audio track", ("u1", "u2", "u6")),
        ("…: … of its … samples is no number", ("u4", "u5")),
        ("the utterance has no audio file", ("u3",)),
        ("d.mp4: its decoder crashed (SIGSEGV)", ("u7",)),
    ]


def test_what_is_missing_is_said_as_so_many_of_so_many():
    said = say_missing("voice", 1_200, REASONS)
    assert said.startswith("voice: 7 of 1200 utterances have no features: 3 × … has no audio track; 2 × ")
    assert said.endswith("1 × the utterance has no audio file; and 1 other reason")
    assert say_missing("voice", 1, REASONS[:1]) == (
        "voice: 1 of 1 utterance has no features: 1 × a.mp4 has no audio track"
    )
