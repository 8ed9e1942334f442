"""What is said in skits. The plain sentences tell nothing of an emotion; the hinting ones do.

Each split has its own, so that no sentence of one split is in another.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import product
from typing import Literal, get_args

from merc_skits.expression import Emotion

Split = Literal["train", "dev", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)

_WHO = ("I", "We", "They", "My cousin", "The neighbour", "Somebody from work", "Our teacher", "The man upstairs")
_WHEN = (
    "yesterday", "this morning", "on Monday", "after lunch", "before nine", "last week", "in the afternoon",
    "on the way home", "around six", "over the weekend",
)  # fmt: skip
_DID: dict[Split, tuple[str, ...]] = {
    "train": (
        "moved the chairs into the hall", "painted the garden fence", "left the keys in the drawer",
        "took the early bus to town", "ordered two boxes of paper", "changed the bulb in the kitchen",
        "parked the car behind the library", "counted the plates on the shelf", "read the notice by the lift",
        "closed the window at the back", "carried the bags upstairs", "filled in the second form",
        "cut the grass by the gate", "put the kettle on the stove", "wrapped the parcel in brown paper",
        "walked along the river path", "hung the coats by the door", "typed the list of names",
        "bought bread and some apples", "folded the towels in the bathroom", "set the kitchen clock",
        "looked through the blue folder", "swept the steps outside", "borrowed the long ladder",
    ),
    "dev": (
        "watered the plants in the office", "turned the sign at the entrance", "washed the cups and the spoons",
        "copied the map of the station", "sat on the bench near the pond", "sorted the socks by colour",
        "wrote the number on the box", "opened the tin of paint", "pulled the curtain to the side",
        "stacked the logs in the shed",
    ),
    "test": (
        "mended the handle of the cupboard", "drove the van to the depot", "laid the table for four",
        "pinned the timetable to the wall", "weighed the flour and the sugar", "printed the tickets for the museum",
        "cleaned the mirror in the corridor", "brought the crate to the cellar", "marked the page with a ribbon",
        "tied the boat to the post", "labelled the jars in the pantry", "picked up the post from the counter",
    ),
}  # fmt: skip

_TAILS = ("today", "again", "at last", "this time", "right now", "once more")
_HINTS: dict[Split, dict[Emotion, tuple[str, ...]]] = {
    "train": {
        "neutral": ("There is nothing new to report", "The meeting is at the usual time", "It is an ordinary day",
                    "The list looks the same as before", "We keep to the plan"),
        "joy": ("We won the first prize", "I am so happy about this", "What a wonderful present this is",
                "My best friend said yes", "It is lovely to laugh with you"),
        "sadness": ("I miss my grandmother so much", "I cried the whole evening", "We lost our old dog",
                    "She left me all alone", "My heart feels heavy"),
        "anger": ("You lied to my face", "How dare you shout at me", "I am furious with all of you",
                  "They broke my window", "Stop insulting my family"),
        "fear": ("Somebody is following us", "I am scared of the dark stairs", "Please do not leave me in here",
                 "There is a noise behind the door", "My hands are shaking with fear"),
        "surprise": ("I never expected to see you", "Wow, that came out of nowhere", "I can hardly believe my eyes",
                     "Nobody told me about this", "Suddenly the whole room lit up"),
        "disgust": ("This milk smells rotten", "There is mould all over the bread", "That sink is filthy",
                    "I found a hair in my soup", "The bin makes me sick"),
    },
    "dev": {
        "neutral": ("The schedule stays as it is", "Nothing has changed", "That is the normal way"),
        "joy": ("This is the best news ever", "I am delighted for you", "We are going to celebrate"),
        "sadness": ("I feel so lonely", "The funeral was hard", "I wish that he had lived"),
        "anger": ("You ruined everything", "I hate how you treat us", "That is an outrage"),
        "fear": ("I am terrified of falling", "Something is out there", "Help, I think it is coming"),
        "surprise": ("I did not see that coming", "What a shock to meet you", "Really, you are here"),
        "disgust": ("That meat is crawling with worms", "The smell turns my stomach", "This toilet is revolting"),
    },
    "test": {
        "neutral": ("The usual form is on the desk", "It went as it always does", "We do it the regular way"),
        "joy": ("I could dance with happiness", "Our team won the final", "Hooray, the exam went brilliantly"),
        "sadness": ("I cannot stop weeping", "We had to say goodbye forever", "Everything seems hopeless"),
        "anger": ("You cheated me", "I am so angry that I could scream", "Get out of my house, you thief"),
        "fear": ("I am afraid that he has a knife", "Run, the roof is on fire", "I dread to go in there"),
        "surprise": ("Oh, I had no idea", "I am astonished to hear it", "Unbelievable, it simply appeared"),
        "disgust": ("Yuck, a rat ran over the food", "The stench is nauseating", "That slime is disgusting"),
    },
}  # fmt: skip


def plain(split: Split, draw: random.Random) -> Iterator[str]:
    """Sentences that say nothing of how somebody feels, without end; none comes twice before all have come."""
    return _endless([f"{who} {did} {when}." for who, did, when in product(_WHO, _DID[split], _WHEN)], draw)


def hinting(split: Split, emotion: Emotion, draw: random.Random) -> Iterator[str]:
    """Sentences that tell an emotion, without end."""
    return _endless([f"{clause} {tail}." for clause, tail in product(_HINTS[split][emotion], _TAILS)], draw)


def _endless(sentences: list[str], draw: random.Random) -> Iterator[str]:
    while True:
        draw.shuffle(sentences)
        yield from sentences
