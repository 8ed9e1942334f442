"""Fill a store, in a process of its own: ``python -m tests.features.fill STORE TRACE PAUSE FILE...``"""

from __future__ import annotations

import sys
from pathlib import Path

from merc.errors import MercError
from merc.features import FeatureStore, encode
from tests.features.parts import Brightness, Loudness, clips_talk, part


def main(store: str, trace: str, pause: str, *files: str) -> int:
    parts = {
        "seen": part(Brightness(trace=trace, pause=float(pause))),
        "heard": part(Loudness(trace=trace, pause=float(pause))),
    }
    try:
        table = encode(FeatureStore(Path(store)), parts, clips_talk([Path(file) for file in files]), seed=0)
    except MercError as error:
        print(error, file=sys.stderr)
        return 2
    print(dict(table.encoded))
    return 1 if table.missing or table.notes else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
