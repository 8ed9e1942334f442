"""What predictions say, and the counts of what was odd in them."""

from merc_emotion_llama.answers import answer_of, count_notes, most_frequent, published_answer_of

import merc
from merc.answers import NOTES, read_answer, vocabulary_of_labels

KNOWN = vocabulary_of_labels(
    merc.LabelSpace(("joy", "anger", "sadness", "at a loss"), {"sadness": ("sadness", "sad"), "joy": ("happy",)})
)


def test_a_prediction_without_text_says_its_label():
    def said(**given):
        return answer_of(merc.Prediction(id="u", conversation="c", **given), KNOWN, "answer-or-rest", "search")

    assert said(label="Happy").labels == ("joy",)
    assert said(label="bliss").notes == ("outside", "unparsed")
    assert said().notes == ("empty", "unparsed")
    assert said(answer="anger", label="joy").labels == ("anger",)


def test_every_note_is_counted_by_its_name():
    counts = count_notes(read_answer(text, KNOWN) for text in ("joy", "", "bliss", "Joy", "oh, joy"))
    assert counts == {**dict.fromkeys(NOTES, 0), "unparsed": 2, "empty": 1, "outside": 2, "other_case": 1}
    assert most_frequent(["b", "a", "b", "c"], most=2) == {"b": 2, "a": 1}


def test_the_published_reading_takes_labels_that_were_not_written_as_they_are():
    def said(**given):
        return published_answer_of(merc.Prediction(id="u", conversation="c", **given), KNOWN)

    assert said(label="joy").labels == said(answer="Happy").labels == ("joy",)
    assert said(answer="Happy.").labels == ()
    assert said().notes == ("empty", "unparsed")
