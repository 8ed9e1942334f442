"""Words that are proposed, and labels scored over all of their words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from merc_decoding.dynamic import DynamicVerbalizer, by_share, neighbours

import merc
from merc.model.emotion_model import EmotionModel
from tests.decoding import LABELS, alone, check_of_no_company, every_query, plain, predicted

TABLE = {"joy": ("love", "yes"), "sadness": ("gone",)}
GIVEN = DynamicVerbalizer(words=TABLE)
WORDS = {"joy": ("joy", "happy", "love", "yes"), "anger": ("anger",), "sadness": ("sadness", "gone")}


@dataclass(frozen=True, kw_only=True)
class Beginnings(merc.Encoder):
    """Words that begin alike are alike."""

    modality = "text"

    def sampling(self):
        return merc.Words()

    def spec(self):
        return merc.FeatureSpec(dim=52)

    def load(self, device):
        def vector(text):
            found = np.zeros((1, 52), np.float32)
            found[0, ord(text[0]) - 97], found[0, 26 + ord(text[1]) - 97] = 1, 0.5
            return found

        return lambda clips: [vector(clip.text) for clip in clips]


@pytest.mark.parametrize("normalize", ["none", "tokens"])
@pytest.mark.parametrize("aggregate", ["sum", "mean"])
def test_equation_25_word_by_word(model: EmotionModel, aggregate: str, normalize: str) -> None:
    """Every word is scored in a prompt of its own, as the only word of its label."""
    asked = plain(model)
    decoder = replace(GIVEN, aggregate=aggregate, normalize=normalize)  # type: ignore[arg-type]
    for one, query in zip(predicted(model, decoder), every_query(), strict=True):
        sums = []
        for label in LABELS.labels:
            chances = []
            for word in WORDS[label]:
                single = replace(query, labels=merc.LabelSpace((label,), {label: (word,)}))
                score = asked.score([single], normalize, [asked.prompt(query)]).values  # type: ignore[arg-type]
                chances.append(score[0, LABELS.index(label)].exp().item())
            sums.append(sum(chances) / (len(chances) if aggregate == "mean" else 1))
        wanted = [value / sum(sums) for value in sums]
        assert [(one.probabilities or {})[label] for label in LABELS.labels] == pytest.approx(wanted, rel=1e-4)


def test_without_more_words_it_is_the_verbalizer(model: EmotionModel) -> None:
    asked = plain(model)
    for one, query in zip(predicted(model, DynamicVerbalizer(propose="model")), every_query(), strict=True):
        assert list((one.probabilities or {}).values()) == pytest.approx(
            alone(asked, query, asked.prompt(query)), rel=1e-4
        )


def test_answers_depend_on_nothing_beside_the_query(model: EmotionModel) -> None:
    check_of_no_company(model, GIVEN)


def test_neighbours_go_to_the_label_that_is_nearest() -> None:
    labels = merc.LabelSpace(("joy", "anger", "sadness"), {"joy": ("joy", "happy")})
    words = ["angle", "ant", "harm", "joke", "jump", "salt", "sand", "joy"]
    assert neighbours(labels, words, Beginnings(), 2) == {
        "joy": ("harm", "joke"), "anger": ("angle", "ant"), "sadness": ("salt", "sand")
    }  # fmt: skip
    assert neighbours(labels, words, Beginnings(), 1)["anger"] == ("angle",)
    assert neighbours(labels, ["joy"], Beginnings(), 2) == {"joy": (), "anger": (), "sadness": ()}


def test_neighbours_are_words_that_the_train_split_has_twice(model: EmotionModel) -> None:
    said = ["Angle, salt!", "angle salt ANT", "the ant; 12 of"]
    talk = merc.Conversation(
        id="t", utterances=tuple(merc.Utterance(id=f"t{i}", text=t, label="joy") for i, t in enumerate(said))
    )
    queries = [merc.Query(conversation=talk, index=i, labels=LABELS) for i in range(3)]
    decoder = DynamicVerbalizer(propose="neighbours", embedder=Beginnings(), count=5)
    assert decoder.fits_on() == "train"
    fitted = decoder.fit(plain(model), queries)
    assert fitted.words == {"joy": (), "anger": ("angle", "ant"), "sadness": ("salt",)}
    assert fitted.fits_on() is None


def test_words_that_the_model_writes(model: EmotionModel) -> None:
    """Counted here once more over texts that are written one prompt after the other."""
    decoder = DynamicVerbalizer(propose="model", samples=6, examples=2, seed=4, count=2)
    labels = ["joy", "anger", "sadness", "joy", "anger", "sadness", "joy"]
    queries = [
        replace(
            query,
            conversation=replace(
                query.conversation,
                utterances=tuple(
                    replace(u, label=label if i == query.index else None)
                    for i, u in enumerate(query.conversation.utterances)
                ),
            ),
        )
        for query, label in zip(every_query(), labels, strict=True)
    ]
    fitted = decoder.fit(plain(model), queries)
    assert fitted == decoder.fit(plain(model), queries)
    counts: dict[str, Counter[str]] = {label: Counter() for label in LABELS.labels}
    for query, label in list(zip(queries, labels, strict=True))[:6]:  # the seventh is the third of its label
        (texts,) = plain(model).generate([query], max_new_tokens=6, count=6, temperature=1.0, seed=4)
        for one in texts:
            letters = "".join(c if c.isalpha() else " " for c in one.text).split()
            first = next((word.lower() for word in letters if len(word) > 2), None)
            counts[label].update([first] if first else [])
    assert sum(map(len, counts.values())) > 5
    assert fitted.words == by_share(LABELS, counts, 2)
    assert any(fitted.words.values())


def test_by_share_keeps_words_of_labels_out() -> None:
    counts = {"joy": Counter(anger=9, happy=3, glee=1), "anger": Counter(), "sadness": Counter()}
    assert by_share(LABELS, counts, 3) == {"joy": ("glee",), "anger": (), "sadness": ()}


@pytest.mark.parametrize(
    ("words", "holds"),
    [
        ({"joyy": ("glad",)}, "evaluate.decoder.words: unknown label 'joyy'. Did you mean 'joy'?"),
        ({"joy": ("anger",)}, "evaluate.decoder.words: the word 'anger' stands for two labels: 'joy' and 'anger'"),
    ],
)
def test_a_table_that_does_not_fit(model: EmotionModel, words: dict[str, tuple[str, ...]], holds: str) -> None:
    for act in (lambda decoder: decoder.check(LABELS), lambda decoder: predicted(model, decoder)):
        with pytest.raises(merc.MercError) as caught:
            act(DynamicVerbalizer(words=words))
        assert holds in str(caught.value)


def test_a_table_that_fits() -> None:
    GIVEN.check(LABELS)
    DynamicVerbalizer().check(LABELS)


def queries_of(said: Sequence[str], label: str | None = "joy") -> list[merc.Query]:
    talk = merc.Conversation(
        id="t", utterances=tuple(merc.Utterance(id=f"t{i}", text=t, label=label) for i, t in enumerate(said))
    )
    return [merc.Query(conversation=talk, index=i, labels=LABELS) for i in range(len(said))]


NEIGHBOURS = DynamicVerbalizer(propose="neighbours", embedder=Beginnings(), count=5)


@pytest.mark.parametrize("decoder", [DynamicVerbalizer(), NEIGHBOURS])
def test_without_labels_nothing_is_proposed(model: EmotionModel, decoder: merc.Decoder) -> None:
    with pytest.raises(merc.MercError, match="proposes words by labels of the train split, which has none; give words"):
        decoder.fit(plain(model), queries_of(["Hm."], None))


def test_scripts_without_spaces_need_words(model: EmotionModel) -> None:
    chinese = merc.LabelSpace(("joy", "anger"), {"joy": ("高兴",)})
    with pytest.raises(merc.MercError, match=r"the label 'joy' is in a script without spaces.*give words"):
        DynamicVerbalizer().check(chinese)
    DynamicVerbalizer(words={"joy": ("快乐",)}).check(chinese)
    with pytest.raises(merc.MercError, match="the train split is in a script without spaces"):
        NEIGHBOURS.fit(plain(model), queries_of(["我很高兴，今天很好 ok", "我很高兴，我们走吧"]))
    fitted = NEIGHBOURS.fit(plain(model), queries_of(["the angle of 我们走吧", "the angle 我们走吧"]))
    assert fitted.words == {"joy": ("the",), "anger": ("angle",), "sadness": ()}


def test_what_the_model_writes_without_spaces(model: EmotionModel, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = plain(model)

    def writes(*texts: str) -> None:
        own = [merc.Generation(text, (1,), (-0.5,), ended=True) for text in texts]
        monkeypatch.setattr(type(asked), "generate", lambda self, queries, **how: [own for _ in queries])

    writes("高兴。", "高兴的", "glad")
    with pytest.raises(merc.MercError, match="what the model writes is in a script without spaces"):
        DynamicVerbalizer().fit(asked, queries_of(["Yes!"]))
    writes("高兴", "so glad", "glad")
    assert DynamicVerbalizer().fit(asked, queries_of(["Yes!"])).words == {"joy": ("glad",), "anger": (), "sadness": ()}


def test_an_embedder_that_hears() -> None:
    class Hears(Beginnings):
        def sampling(self):
            return merc.Waveform(rate=16_000)

    with pytest.raises(merc.MercError, match=r"evaluate\.decoder\.embedder: it reads sound or pictures"):
        neighbours(LABELS, ["glee"], Hears(), 1)


@pytest.mark.parametrize(
    ("wrong", "holds"),
    [
        ({"propose": "neighbours"}, "needs an embedder"),
        ({"count": 0}, "count counts from 1"),
        ({"words": {"joy": ("glad", " ")}}, "words: one of 'joy' is empty"),
    ],
)
def test_values_that_cannot_be(wrong: dict[str, object], holds: str) -> None:
    with pytest.raises(ValueError, match=holds):
        DynamicVerbalizer(**wrong)  # type: ignore[arg-type]
