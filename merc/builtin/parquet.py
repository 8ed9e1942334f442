"""The corpus ``parquet``: the conversations of ``jsonl`` as a table of utterances, and the writer of such tables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from merc.builtin.file_kinds import seems
from merc.builtin.plain_values import Problem, load_json
from merc.builtin.records import (
    Paths,
    Records,
    check_paths,
    files_of,
    is_space,
    lacking,
    space_record,
    utterance_record,
)
from merc.components.corpus import Corpus, CorpusData, Recognised
from merc.conversation import Conversation, LabelSpace
from merc.errors import MercError
from merc.files import whole_file

_TEXTS = (
    "conversation",
    "split",
    "dataset",
    "id",
    "speaker",
    "text",
    "label",
    "sentiment",
    "intention",
    "video",
    "audio",
)
_NUMBERS = ("start", "end", "valence")
_LISTS = ("labels", "open_labels", "cut")
_MAPS = ("cues", "missing")
_JSON = ("values",)
_OWN = ("extra", "conversation_extra")
_SPACES = "merc.labels"
_ROWS = 4096

Row = tuple[int, dict[str, Any]]
"""A row of a table, and its number from 1."""


@dataclass(frozen=True, kw_only=True)
class ParquetCorpus(Corpus):
    """Conversations from Parquet: one utterance a row, those of a conversation in the order of the file.

    The columns are an utterance's fields, as of ``jsonl``. ``conversation`` names the conversation of a row (without it
    every row is one), ``split`` its split, ``dataset`` its set. ``cues`` and ``missing`` are maps of texts; ``values``,
    and ``extra`` and ``conversation_extra`` of what else is known, hold JSON objects as texts. A column that merc does
    not know is kept in ``extra`` and counted in a note, unless it looks like a misspelled one. Only ``text`` and one of
    ``id`` and ``conversation`` are required. The schema's metadata ``merc.labels`` is a JSON list of the label spaces
    that lines of ``jsonl`` declare.

    All faults come in one MercError, each with its file and row; the first row is row 1.
    """

    path: Paths
    """A file, a list of files, or a mapping from a split to a file or files."""

    def __post_init__(self) -> None:
        check_paths(self.path)

    @classmethod
    def recognise(cls, path: Path) -> Recognised | None:
        """A table with the columns that ``write_parquet`` gives one."""
        try:
            with path.open("rb") as file:
                if file.read(4) != b"PAR1":
                    return None
            import pyarrow.parquet as pq

            schema = pq.read_schema(path)
        except Exception:  # no Parquet, or no pyarrow
            return None
        own = {"conversation", "id", "text", "missing", "cues"}
        if not own <= set(schema.names) and _SPACES.encode() not in (schema.metadata or {}):
            return None
        return Recognised(what="conversations in merc's own form, as Parquet", parameters={"path": str(path)})

    def load(self) -> CorpusData:
        """Read every file. Raises MercError with each fault's file and row."""
        reading = Records()
        for file, split in files_of(self.path):
            for record in _spaces(file):
                reading.add(record, file, f"{file}, merc.labels")
            conversations, apart = _conversations(_rows(file))
            if not conversations:
                raise MercError(f"{file} is empty: it should hold conversations, one utterance a row")
            for numbered in conversations:
                places = [f"{file}, row {number}" for number, _ in numbered]
                rows = tuple(row for _, row in numbered)
                reading.add(partial(_record, rows), file, places[0], split, places)
            if apart:
                reading.more.append(
                    f"{file}: the rows of {apart} of {len(conversations)} conversations do not all stand one below the "
                    "other; they were put together in the order of the file"
                )
        return reading.data()


def write_parquet(
    path: Path, conversations: Iterable[Conversation], spaces: Mapping[str | None, LabelSpace] | None = None
) -> None:
    """Write conversations so that ``ParquetCorpus`` reads the same ones; the file is written whole or not at all.

    ``spaces`` are label spaces by dataset, that of conversations without one by ``None``.
    Media below the file's folder get relative paths, others absolute ones.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    home = path.resolve().parent
    texts = pa.map_(pa.string(), pa.string())
    columns = [pa.field(name, pa.string()) for name in (*_TEXTS, *_JSON, *_OWN)]
    columns += [pa.field(name, pa.float64()) for name in _NUMBERS]
    columns += [pa.field(name, pa.list_(pa.string())) for name in _LISTS]
    columns += [pa.field("region", pa.list_(pa.float64())), *(pa.field(name, texts) for name in _MAPS)]
    declared = [space_record(dataset, space) for dataset, space in (spaces or {}).items()]
    schema = pa.schema(columns, metadata={_SPACES: json.dumps(declared, ensure_ascii=False)} if declared else None)
    rows = (row for conversation in conversations for row in _rows_of(conversation, home))
    with whole_file(path) as temporary, pq.ParquetWriter(temporary, schema) as writer:
        while some := list(islice(rows, _ROWS)):
            writer.write_table(pa.Table.from_pylist(some, schema=schema))


def _rows_of(conversation: Conversation, home: Path) -> Iterator[dict[str, Any]]:
    if not conversation.utterances:
        raise MercError(f"conversation {conversation.id!r} has no utterance, and so no row; leave it out")
    first = {"conversation_extra": _json(conversation.extra)} if conversation.extra else {}
    for utterance in conversation.utterances:
        record = utterance_record(utterance, home)
        named = {name for name in record if name in utterance.extra}
        typed = {"labels", "sentiment", "intention"}
        rest = {name: record.pop(name) for name in list(record) if name in named - typed}
        if rest:
            record["extra"] = _json(rest)
        maps = {name: list(record[name].items()) for name in _MAPS if name in record}
        whose = {"conversation": conversation.id, "split": conversation.split, "dataset": conversation.dataset}
        objects = {name: _json(record[name]) for name in _JSON if name in record}
        yield {**whose, **record, **maps, **objects, **first}
        first = {}


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(dict(value), ensure_ascii=False, allow_nan=False)


def _spaces(file: Path) -> list[Mapping[str, Any]]:
    """The label spaces that a table declares."""
    import pyarrow.parquet as pq

    try:
        declared = (pq.read_schema(file).metadata or {}).get(_SPACES.encode())
    except Exception:
        return []  # reading the rows says what is wrong
    try:
        spaces = load_json(declared.decode("utf-8")) if declared else []
    except (Problem, UnicodeDecodeError):
        spaces = None
    if not isinstance(spaces, list) or not all(isinstance(one, dict) and is_space(one) for one in spaces):
        raise MercError(f"{file}: the metadata {_SPACES} must be a JSON list of objects with 'labels'")
    return spaces


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    """The rows of a table as plain values."""
    import pyarrow.parquet as pq

    try:
        there = file.is_file()
    except OSError as error:
        raise MercError(f"{file} cannot be read: {error.strerror or error}") from None
    if not there:
        raise lacking(file, "Parquet file")
    try:
        with pq.ParquetFile(file) as table:
            names = table.schema_arrow.names
            for name in names:
                if not _plain(table.schema_arrow.field(name).type):
                    raise MercError(
                        f"{file}: the column {name!r} holds {table.schema_arrow.field(name).type}; texts, numbers, "
                        "booleans, lists, structs and maps of them are read"
                    )
            if "text" not in names or not {"id", "conversation"} & set(names):
                raise MercError(
                    f"{file} lacks the column {'text' if 'text' not in names else 'id'!r}; its columns are "
                    f"{', '.join(names)}; run merc corpus look {file} to see how another table comes in"
                )
            for batch in table.iter_batches(batch_size=_ROWS):
                yield from batch.to_pylist(maps_as_pydicts="strict")
    except MercError:
        raise
    except Exception as error:  # of a damaged table Arrow, and Python for its values, raise what they like
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise MercError(f"{file} cannot be read as Parquet: {reason}{_instead(file)}") from None


def _instead(file: Path) -> str:
    """What a file that is no Parquet seems to be, where that is known."""
    try:
        with file.open("rb") as opened:
            content = opened.read(1 << 20)
    except OSError:
        return ""
    if content.startswith(b"PAR1"):
        return "; the file is damaged: get it anew"
    if content.lstrip().startswith(b"{"):
        return "; it seems to be JSON Lines: name the corpus jsonl"
    what = seems(content)
    return f"; it {what}; run merc corpus look {file} to see how it comes in" if what else ""


def _plain(kind: Any) -> bool:
    """Whether the values of a column are such as JSON has."""
    from pyarrow import types

    if types.is_dictionary(kind) or types.is_list(kind) or types.is_large_list(kind):
        return _plain(kind.value_type)
    if types.is_map(kind):
        return bool(types.is_string(kind.key_type)) and _plain(kind.item_type)
    if types.is_struct(kind):
        return all(_plain(kind.field(i).type) for i in range(kind.num_fields))
    texts = types.is_string(kind) or types.is_large_string(kind)
    numbers = types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind)
    return bool(texts or numbers or types.is_null(kind))


def _conversations(rows: Iterable[dict[str, Any]]) -> tuple[list[list[Row]], int]:
    """The rows of each conversation, each with its number from 1, and of how many they do not stand together.

    Rows that stand together are of one conversation if they name it alike. Apart from each other they are if their
    split is the same, too: ids may begin anew in each split. A row that names none is a conversation.
    """
    runs: list[list[Row]] = []
    conversations: dict[tuple[Any, Any], list[Row]] = {}
    apart: set[int] = set()
    last: object = None
    run: list[Row] = []
    for number, row in enumerate(rows, start=1):
        name = row.get("conversation")
        if name is not None and name == last:
            run.append((number, row))
            continue
        last, run = name, [(number, row)]
        if name is None:
            runs.append(run)
        elif (name, row.get("split")) in conversations:
            run = conversations[name, row.get("split")]
            run.append((number, row))
            apart.add(id(run))
        else:
            runs.append(run)
            conversations[name, row.get("split")] = run
    return runs, len(apart)


def _record(rows: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    """The record of a conversation from its rows."""
    first = rows[0]
    name = first.get("conversation")
    extra = _opened(first, "conversation_extra")
    for whose in ("split", "dataset"):
        named = {row.get(whose) for row in rows}
        if len(named) > 1:
            raise Problem(
                f"the rows of conversation {name!r} name several {whose}s: {', '.join(sorted(map(str, named)))}"
            )
    if name is not None and not isinstance(name, str):
        raise Problem(f"'conversation' must be a text, not {name!r}: give the column the type of text")
    utterances = []
    for row in rows:
        fields = {key: value for key, value in row.items() if key not in ("conversation", "split", "dataset", *_OWN)}
        inside = _opened(row, "extra")
        twice = next((key for key in inside if fields.get(key) is not None), None)
        if twice is not None:
            raise Problem(f"{twice!r} stands in a column of its own and in 'extra'")
        objects = {name: _opened(row, name) for name in _JSON if fields.get(name) is not None}
        utterances.append({**fields, **objects, **inside})
    own = {
        "id": first.get("id") if name is None else name,
        "split": first.get("split"),
        "dataset": first.get("dataset"),
    }
    return {**extra, **own, "utterances": utterances}


def _opened(row: Mapping[str, Any], column: str) -> dict[str, Any]:
    """The object that a column of JSON holds."""
    value = row.get(column)
    if value is None:
        return {}
    if isinstance(value, dict):
        return {key: one for key, one in value.items() if one is not None}
    try:
        opened = load_json(value) if isinstance(value, str) else None
    except Problem as problem:
        raise Problem(*(f"{column!r}: {sentence}" for sentence in problem.sentences)) from None
    if not isinstance(opened, dict):
        raise Problem(f"{column!r} must hold a JSON object, not {str(value)[:40]!r}")
    return opened
