"""The contract of corpora."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from merc.components import Corpus, CorpusData, Recognised
from merc.conversation import SPLITS
from merc.testing.contract import ComponentContract, require


class CorpusContract(ComponentContract):
    """What a corpus must keep."""

    kind = "corpus"
    component: ClassVar[Corpus]

    def data(self) -> CorpusData:
        """What the corpus gives; override it to prepare files first."""
        return self.component.load()

    def test_ids_are_unique(self) -> None:
        """Ids of conversations, and of utterances over the whole corpus, name one thing each."""
        data = self.data()
        require(isinstance(data, CorpusData), f"load() gives {type(data).__name__}; it must give merc.CorpusData")
        require(data.conversations, "the corpus is empty")
        for what, ids in (
            ("conversation", [c.id for c in data.conversations]),
            ("utterance", [u.id for c in data.conversations for u in c.utterances]),
        ):
            twice = sorted({one for one in ids if ids.count(one) > 1}) if len(set(ids)) < len(ids) else []
            require(not twice, f"{what} ids are used twice: {', '.join(twice[:5])}")

    def test_conversations_have_utterances_and_a_split(self) -> None:
        """Each conversation has an utterance, and its split is train, dev, test or None; some are for training."""
        data = self.data()
        for talk in data.conversations:
            require(talk.utterances, f"conversation {talk.id!r} has no utterance")
            require(
                talk.split is None or talk.split in SPLITS,
                f"conversation {talk.id!r} is of split {talk.split!r}; the splits are {', '.join(SPLITS)}",
            )
        require(data.split("train"), "no conversation is of split 'train'")

    def test_labels_are_in_the_label_space(self) -> None:
        """``label_space`` accepts every label, and the train split has some."""
        data = self.data()
        space = data.label_space()
        require(len(space) >= 2, f"the label space has {len(space)} label; a label space needs two at least")

    def test_media_exist_or_say_why_not(self) -> None:
        """A path leads to a file, or ``missing`` gives the reason; spans run forward."""
        for talk in self.data().conversations:
            for utterance in talk.utterances:
                for modality, path in (("video", utterance.video), ("audio", utterance.audio)):
                    require(
                        path is None or modality in utterance.missing or path.is_file(),
                        f"utterance {utterance.id!r}: {modality} {path} is no file, and `missing` says no reason",
                    )
                start, end = utterance.start or 0.0, utterance.end
                require(
                    start >= 0 and (end is None or end > start),
                    f"utterance {utterance.id!r} runs from {start} to {end} seconds",
                )

    def test_loading_again_gives_the_same(self) -> None:
        """The order and the content of a corpus are fixed."""
        one, two = self.data(), self.data()
        require(
            list(one.conversations) == list(two.conversations) and list(one.notes) == list(two.notes),
            f"{self.title} gives other conversations, or another order, the second time",
        )

    def test_recognising_raises_nothing(self, tmp_path: Path) -> None:
        """``recognise`` gives ``merc.Recognised`` or ``None`` for whatever is there: files of no form, a folder."""
        corpus = type(self.component)
        for name, content in (("a.csv", b""), ("b.json", b"[{"), ("c.txt", b"\xff\0\x01"), ("d", b"PAR1")):
            (tmp_path / name).write_bytes(content)
        for path in (tmp_path, *sorted(tmp_path.iterdir())):
            recognised = corpus.recognise(path)
            require(
                recognised is None or isinstance(recognised, Recognised),
                f"recognise() gives {type(recognised).__name__} for {path.name}; it must give merc.Recognised or None",
            )
