"""Which speakers are somebody, and which stand for whoever it was: "All", "Man", "The Waiter", "Nurse #2"."""

from __future__ import annotations

import re
from collections.abc import Collection

UNNAMED = (
    "all", "both", "everybody", "everyone", "others", "friend", "friends", "people", "crowd", "audience",
    "kids", "children", "guys", "men", "women", "girls", "boys", "man", "woman", "guy", "girl", "boy", "lady",
    "gentleman", "kid", "child", "baby", "stranger", "somebody", "someone", "unknown", "other", "voice",
    "passerby", "narrator", "announcer", "presenter", "host", "interviewer", "caller", "operator", "message",
    "tape", "commercial", "machine", "nurse", "doctor", "surgeon", "patient", "dentist", "policeman",
    "policewoman", "cop", "officer", "guard", "fireman", "soldier", "judge", "lawyer", "priest", "minister",
    "waiter", "waitress", "bartender", "chef", "cook", "busboy", "clerk", "cashier", "salesman", "saleswoman",
    "salesperson", "vendor", "customer", "guest", "receptionist", "secretary", "assistant", "attendant",
    "supervisor", "manager", "boss", "employee", "official", "worker", "janitor", "driver", "porter",
    "conductor", "teacher", "professor", "instructor", "lecturer", "student", "librarian", "scientist",
    "director", "producer", "actor", "actress", "singer", "dancer", "critic", "guide", "volunteer", "leader",
    "member", "fan", "date", "roommate", "neighbor", "neighbour", "hitchhiker", "gambler", "croupier",
    "stripper", "jester", "lurker",
)  # fmt: skip
"""Words for people whom a corpus gives no name, in lower case."""

_ARTICLES = {"the", "a", "an", "another"}


def is_unnamed(speaker: str, words: Collection[str] = UNNAMED) -> bool:
    """Whether a speaker is nobody in particular: an article stands first, one of ``words`` stands last (numbers aside),
    or several speak at once.

    >>> [name for name in ("All", "Nurse #2", "The Hot Girl", "Ross and Rachel", "Dr. Green") if is_unnamed(name)]
    ['All', 'Nurse #2', 'The Hot Girl', 'Ross and Rachel']
    """
    spoken = [word for word in re.findall(r"[^\W\d_]+", speaker.lower()) if word not in ("no", "st", "nd", "rd", "th")]
    if not words or not spoken:
        return not spoken
    return "and" in spoken[1:] or (len(spoken) > 1 and spoken[0] in _ARTICLES) or spoken[-1] in words
