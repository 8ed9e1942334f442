"""The instructions of a task, several that say the same, and which of them an utterance gets."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Literal

Task = Literal["emotion", "sentiment", "reason", "think", "intention", "multi"]

# Recognition (4.5, stage 1; Box I of the supplement) and reasoning (stage 2; Box II), in words of our own. {labels} is
# the label list.
CLOSED: Mapping[str, Sequence[str]] = {
    "emotion": (
        "Which of these emotions does the person in the video feel: {labels}?",
        "Name the emotion that the video shows. Answer with one of: {labels}.",
        "Listen to the voice, look at the face, and choose the emotion that fits best from {labels}.",
        "What does this person feel? The possible answers are {labels}; give exactly one of them.",
        "Recognise the emotion from what is seen, heard and said. Use one label of this list only: {labels}.",
        "Pick the one label that describes the emotion of the person in the video: {labels}.",
        "Emotions to choose from: {labels}. Which one does the video express?",
        "Decide how the person in the video feels, and answer with a single word of {labels}.",
    ),
    "sentiment": (
        "Is the sentiment of the person in the video {labels}?",
        "Name the sentiment that the video expresses. Answer with one of: {labels}.",
        "Judge by voice, face and words whether the sentiment is {labels}.",
        "Which sentiment does the speaker have towards what is said? Choose one of {labels}.",
        "Sentiments to choose from: {labels}. Which one does the video express?",
        "Decide on the sentiment of the video, and answer with a single word of {labels}.",
    ),
    "intention": (
        "What does the person in the video intend with these words? Answer with one of: {labels}.",
        "Which of these intentions is behind what is said: {labels}?",
        "Judge by voice, face and words what the speaker is doing, and choose one of {labels}.",
        "Intentions to choose from: {labels}. Which one does the speaker have?",
        "Name the intention of the person in the video with one label of {labels}.",
        "Decide why the person says this, and answer with a single label of {labels}.",
    ),
    "multi": (
        "Which of these emotions does the person in the video feel: {labels}? Name all that apply, with commas.",
        "Several emotions may be there at once. List every one that the video shows, out of {labels}.",
        "Name all emotions of the person in the video, separated by commas. Use labels of this list only: {labels}.",
        "Emotions to choose from: {labels}. Which of them, one or several, does the video express?",
        "Look, listen, and give each label of {labels} that fits the person in the video.",
        "List the emotions that are mixed in this video. The possible ones are {labels}.",
    ),
    "reason": (
        "What does the person in the video feel: {labels}? Say which signs in face, gestures, voice and words show it.",
        "Choose one emotion from {labels}, and explain step by step what is seen and heard that speaks for it.",
        "Explain how the person in the video feels and how one can tell. The possible emotions are {labels}.",
        "Emotions to choose from: {labels}. Describe the face, the movements, the tone and the words, and conclude "
        "from them what the person feels.",
        "Tell from sound and picture which of {labels} this is, with your reasons.",
    ),
    "think": (
        "Which of these emotions is it: {labels}? Reason about face, gestures, voice and words between <think> and "
        "</think>, then give the one label between <answer> and </answer>.",
        "Weigh what is seen and heard, step by step, inside <think> and </think>. Then put the emotion, one of "
        "{labels}, inside <answer> and </answer>.",
        "The possible emotions are {labels}. Write the evidence of sound and picture into <think>…</think> and your "
        "choice into <answer>…</answer>.",
        "First think: between <think> and </think>, what do expression, posture, tone, pace and words tell? Then "
        "answer: between <answer> and </answer>, one of {labels}.",
        "Find out how the person in the video feels. Use <think>…</think> for your reasoning and <answer>…</answer> "
        "for a single label of {labels}.",
    ),
}  # fmt: skip
"""The instructions of each task where its labels are known."""

OPEN: Mapping[str, Sequence[str]] = {
    "emotion": (
        "Which emotion does the person in the video feel? Answer with one word.",
        "Name the emotion that the video shows, in a word of your own.",
        "Listen to the voice, look at the face, and say in one word what the person feels.",
    ),
    "multi": (
        "Which emotions does the person in the video feel? Name all that you recognise, with commas.",
        "List every emotion that the video shows, in words of your own, separated by commas.",
        "Several emotions may be there at once, strong and faint ones. Name each of them.",
        "Look and listen: what does this person feel? Give all words for it that fit, separated by commas.",
        "Describe the state of mind of the person in the video by a list of emotions.",
    ),
    "reason": (
        "What does the person in the video feel? Say which signs in face, gestures, voice and words show it.",
        "Explain how the person in the video feels and how one can tell.",
        "Describe the face, the movements, the tone and the words, and conclude from them what the person feels.",
        "Tell from sound and picture what this person feels, with your reasons.",
    ),
}
"""Those of tasks that can be asked without a label list."""


PLACES = ("{labels}", "★")
"""What stands for the label list in an instruction: by name, or by the star of the paper's boxes."""


def pool(task: Task, labels: Sequence[str], own: Sequence[str] = ()) -> Sequence[str]:
    """The instructions for a task, ``own`` or those of this module, the label list put in. Raises KeyError for a task
    that needs a list and has none.

    >>> pool("sentiment", ("good", "bad"))[0]
    'Is the sentiment of the person in the video good or bad?'
    >>> pool("emotion", ("joy", "anger"), ["Please determine it: ★."])
    ['Please determine it: joy or anger.']
    """
    if not labels:
        return own or OPEN[task]
    texts, words = own or CLOSED[task], listed(labels)
    return [text.replace(PLACES[0], words).replace(PLACES[1], words) for text in texts]


def listed(labels: Sequence[str]) -> str:
    """A list in words.

    >>> listed(("joy", "anger", "fear"))
    'joy, anger or fear'
    """
    return " or ".join(filter(None, (", ".join(labels[:-1]), labels[-1])))


def drawn(task: Task, count: int, seed: int, utterance: str) -> int:
    """Which of ``count`` instructions an utterance gets: drawn by seed, task and its id, the same on any machine.

    >>> [drawn("emotion", 8, 0, f"u{i}") for i in range(8)]
    [3, 0, 0, 7, 6, 0, 2, 2]
    """
    digest = hashlib.sha256(f"{seed}\n{task}\n{utterance}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % count
