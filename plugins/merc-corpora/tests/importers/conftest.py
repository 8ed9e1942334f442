"""Small trees in the layouts in which sets are published, and short looks at what was read of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from merc import Corpus, CorpusData, MercError


class Layout:
    """A folder of files."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, files: Mapping[str, str | bytes]) -> Layout:
        """Write files below the root."""
        for name, content in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return self

    def clips(self, *names: str) -> Layout:
        """Write files that stand for clips."""
        return self.write(dict.fromkeys(names, ""))

    def read(self, corpus: type[Corpus], **parameters: Any) -> SimpleNamespace:
        """What a corpus gives: the data, the utterances and splits by published name, counts as (found, reported)."""
        data: CorpusData = corpus(root=self.root, **parameters).load()
        if data.labels is not None or data.spaces:
            data.label_space()
        said, splits = {}, {}
        for talk in data.conversations:
            (one,) = talk.utterances
            dataset, _, name = one.id.partition("/")
            assert (talk.id, talk.dataset) == (one.id, dataset) and name not in said
            said[name], splits[name] = one, talk.split
        counts = {count.what: (count.found, count.reported) for count in data.counts}
        return SimpleNamespace(data=data, said=said, splits=splits, counts=counts, notes=data.notes)

    def fault(self, corpus: type[Corpus], **parameters: Any) -> str:
        """What is wrong, after the root's path."""
        with pytest.raises(MercError) as caught:
            self.read(corpus, **parameters)
        return str(caught.value).replace(f"{self.root}/", "")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """An empty folder to write a set into."""
    return Layout(tmp_path)
