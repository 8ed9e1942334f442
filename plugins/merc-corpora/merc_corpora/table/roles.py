"""Roles of columns: which there are, and what columns seem to be by their names and what they hold."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import merc
from merc_corpora.subtitles.cues import seconds
from merc_corpora.table.sheets import Sheet, text_of

ROLES = (
    "conversation", "id", "turn", "speaker", "text", "label", "split", "dataset", "start", "end", "video", "audio",
    "sentiment", "intention",
)  # fmt: skip
SPLITS = {"train": "train", "training": "train", "dev": "dev", "val": "dev", "valid": "dev", "validation": "dev",
          "develop": "dev", "development": "dev", "test": "test", "testing": "test"}  # fmt: skip
"""The words of a column of splits, in any capitals."""
_NAMES = {
    "conversation": "conversation conversationid conv convid dialogue dialogueid dialog dialogid dialogno scene "
                    "sceneid talk talkid session sessionid chat chatid thread threadid 对话 对话id 对话编号",
    "turn": "turn turnid turnno utteranceid uttid uttno utteranceno utteranceindex order position lineno seq 轮次 序号",
    "id": "id uid uuid sampleid utterancename segmentid 编号",
    "speaker": "speaker speakerid speakername name character who author user actor role from 说话人 说话者 角色 人物",
    "text": "text utterance sentence transcript transcription content words message subtitle caption utt line body "
            "文本 内容 句子 台词 话语",
    "label": "emotion label emo emotions labels emotionlabel class category target feeling mood majoremotion "
             "情绪 情感 情绪标签 情感标签 标签",
    "split": "split set partition subset datasplit mode 划分 集合",
    "start": "start starttime begin begintime onset startseconds starts tstart 开始 开始时间 起始时间",
    "end": "end endtime ending stop stoptime offset endseconds ends tend 结束 结束时间",
    "video": "video videopath videofile videoname clip clippath film mp4 path file filename filepath 视频 视频路径",
    "audio": "audio audiopath audiofile audioname wav wavpath wavfile sound path file filename filepath 音频 音频路径",
    "sentiment": "sentiment polarity 情感极性",
    "intention": "intention intent",
}  # fmt: skip
VALUES = ("valence", "arousal", "dominance", "activation", "intensity", "val", "act", "dom", "aro")
EMPTY = frozenset({"", "nan", "na", "n/a", "none", "null", "-"})
"""What programs write, in any capitals, where a number or a time is not known."""
_MOST_LABELS = 40


def guessed(sheet: Sheet) -> tuple[dict[str, str], dict[str, str]]:
    """The columns that seem to have each role, and those that seem to hold numbers that are true of utterances, by
    name. Names count first, then what cells hold; a role for which nothing speaks is left out.

    >>> from merc_corpora.table.sheets import Row
    >>> rows = (Row("line 2", {"Dialog": "0", "Line": "Hi.", "Emotion": "joy"}),)
    >>> guessed(Sheet(Path("a.csv"), "", ("Dialog", "Line", "Emotion"), rows))[0]
    {'conversation': 'Dialog', 'text': 'Line', 'label': 'Emotion'}
    """
    cells = {name: [text_of(row.cells.get(name)) for row in sheet.rows] for name in sheet.columns}
    filled = {name: [cell for cell in some if cell] for name, some in cells.items()}
    known = {name: [cell for cell in some if cell.casefold() not in EMPTY] for name, some in cells.items()}
    roles: dict[str, str] = {}
    for role, names in _NAMES.items():
        for usual in names.split():
            free = [name for name in sheet.columns if name not in roles.values() and _bare(name) == usual]
            some = known if role in ("turn", "start", "end") else filled
            fits = [name for name in free if some[name] and _fits(role, some[name], len(sheet.rows))]
            if fits:
                roles[role] = fits[0]
                break
    _by_content(roles, filled, len(sheet.rows))
    if not {"video", "audio"} & set(roles):
        # Times without a file to be in are those of a whole episode, and mean nothing for a clip of each utterance.
        roles.pop("start", None)
        roles.pop("end", None)
    elif "start" not in roles:
        roles.pop("end", None)
    if "conversation" not in roles:
        roles.pop("turn", None)
    values = {
        _bare(name): name
        for name in sheet.columns
        if name not in roles.values() and _bare(name) in VALUES and known[name] and all(map(is_number, known[name]))
    }
    return {role: roles[role] for role in ROLES if role in roles}, values


def name_means_time(name: str) -> bool:
    """Whether a column is called as one of beginnings or ends would be."""
    return _bare(name) in (*_NAMES["start"].split(), *_NAMES["end"].split())


def _bare(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()


def _fits(role: str, cells: Sequence[str], rows: int) -> bool:
    """Whether what a column holds may have a role that its name suggests."""
    checks: dict[str, Callable[[], bool]] = {
        "turn": lambda: all(map(is_number, cells)),
        "id": lambda: len(set(cells)) == rows,
        "start": lambda: all(time_of(cell) is not None for cell in cells),
        "end": lambda: all(time_of(cell) is not None for cell in cells),
        "video": lambda: Path(cells[0]).suffix.lower() in merc.VIDEO_ENDINGS,
        "audio": lambda: Path(cells[0]).suffix.lower() in merc.AUDIO_ENDINGS,
        "split": lambda: all(cell.casefold() in SPLITS for cell in cells),
        "label": lambda: len(set(cells)) <= max(_MOST_LABELS, 2) and not all(map(is_fraction, cells)),
        "text": lambda: not all(map(is_number, cells)),
    }
    return checks.get(role, lambda: True)()


def _by_content(roles: dict[str, str], filled: Mapping[str, Sequence[str]], rows: int) -> None:
    """Give roles that no name suggested to columns by what they hold: media, the longest texts, splits."""
    for role, suffixes in (("video", merc.VIDEO_ENDINGS), ("audio", merc.AUDIO_ENDINGS)):
        for name, cells in filled.items():
            named = name not in roles.values() and role not in roles
            if named and cells and all(Path(cell).suffix.lower() in suffixes for cell in cells[:100]):
                roles[role] = name
    texts = {
        name: sum(map(len, cells)) / len(cells)
        for name, cells in filled.items()
        if cells and name not in roles.values() and not all(map(is_number, cells)) and len(set(cells)) > rows / 3
    }
    if "text" not in roles and texts:
        roles["text"] = max(texts, key=lambda name: texts[name])


def is_number(text: str) -> bool:
    """Whether a text is a finite number."""
    return bool(re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d{1,2})?", text))


def is_fraction(text: str) -> bool:
    """Whether a text is a number with something after its point, as no class has."""
    return is_number(text) and not re.fullmatch(r"[-+]?\d+(\.0+)?", text)


def time_of(text: Any) -> float | None:
    """Seconds, or hours, minutes and seconds with colons; a comma may stand for the point. ``None`` for what is no
    time.

    >>> time_of("61,5"), time_of("00:01:01.5"), time_of("later")
    (61.5, 61.5, None)
    """
    plain = text_of(text)
    if ":" in plain:
        return seconds(plain)
    plain = plain.replace(",", ".", 1)
    return float(plain) if is_number(plain) else None
