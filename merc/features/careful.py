"""An encoder's function that leaves out the clip that it fails on, and no other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from merc.components.encoder import Clip, EncodeFunction, Features, Missing
from merc.errors import MercError
from merc.features.check import check
from merc.features.plan import NamedEncoder
from merc.memory import is_out_of_memory

# An encoder that fails on so many clips before it has encoded one is at fault itself.
_TRIES = 16


@dataclass(frozen=True)
class Failed(Missing):
    """A clip that an encoder failed on. Unlike an encoder's own answer it is not kept: the fault may be mended."""


class CarefulFunction:
    """The function of a stream's encoder, tried with a clip alone where it fails on a batch.

    A clip that it fails on, with an exception or with numbers that are not finite, gives ``Failed``. Whether it is the
    clip's fault or the encoder's is seen by what else the encoder can do: ``has_worked`` says whether the store holds
    answers of it, and what it encoded once it must be able to encode again. An encoder that fails throughout raises
    what it raised.
    """

    def __init__(self, stream: NamedEncoder, function: EncodeFunction, has_worked: Callable[[], bool]) -> None:
        self.stream, self.function, self._has_worked = stream, function, has_worked
        self._encoded: tuple[str, Clip] | None = None
        self._failures = 0
        # Until it has encoded something: what it raised first, and on which utterance.
        self._first: tuple[str, Exception] | None = None

    def __call__(
        self, utterances: Sequence[str], clips: Sequence[Clip], files: Sequence[str]
    ) -> list[Features | Missing]:
        """The answers for a batch. ``files`` are the names of the files that the clips are of, '' for texts.

        Raises MercError for an answer that breaks the contract, and what the encoder raises where that is no clip's
        fault.
        """
        if len(clips) == 1:
            return [self._one(utterances[0], clips[0], files[0])]
        try:
            answers = check(self.stream, utterances, self.function(clips))
        except MercError:
            raise
        except Exception:
            answers = [Failed("")] * len(clips)
        checked: list[Features | Missing] = []
        for at, answer in enumerate(answers):
            # What is not finite may be so because of another clip of the batch.
            if isinstance(answer, Failed) or not _finite(answer):
                answer = self._one(utterances[at], clips[at], files[at])
            else:
                self._encoded = utterances[at], clips[at]
            checked.append(answer)
        return checked

    def finish(self) -> None:
        """Raise what the encoder raised if it failed on every clip and has never worked."""
        if self._first is None or self._encoded is not None or self._has_worked():
            return
        utterance, error = self._first
        if isinstance(error, _NotFinite):
            raise MercError(
                f"encoder {self.stream.part!r} (stream {self.stream.name!r}), utterance {utterance!r}: {error}, and so "
                f"with {self._failures} of {self._failures} clips"
            )
        error.add_note(
            f"while encoder {self.stream.part!r} (stream {self.stream.name!r}) encoded {utterance}; it failed on "
            f"{self._failures} of {self._failures} clips"
        )
        raise error

    def _one(self, utterance: str, clip: Clip, file: str) -> Features | Missing:
        try:
            (answer,) = check(self.stream, [utterance], self.function([clip]))
            if not _finite(answer):
                raise _NotFinite(self.stream, answer)
        except MercError:
            raise
        except Exception as error:
            if is_out_of_memory(error):
                raise  # this machine's fault, not the clip's: elsewhere the clip has features
            return self._failed(utterance, file, error)
        self._encoded, self._first = (utterance, clip), None
        return answer

    def _failed(self, utterance: str, file: str, error: Exception) -> Failed:
        self._failures += 1
        if self._encoded is not None:
            self._still_works(*self._encoded, since=utterance)
        else:
            self._first = self._first or (utterance, error)
            if self._failures >= _TRIES:
                self.finish()
        text = str(error).strip().split("\n")[0][:160]
        if not isinstance(error, _NotFinite):
            text = f"encoder {self.stream.part!r} fails on it ({type(error).__name__}{text and f': {text}'})"
        return Failed(f"{file}: {text}" if file else text)

    def _still_works(self, utterance: str, clip: Clip, since: str) -> None:
        """Raise what the encoder raises on a clip that it encoded before."""
        try:
            self.function([clip])
        except Exception as error:
            error.add_note(
                f"while encoder {self.stream.part!r} (stream {self.stream.name!r}) encoded {utterance} again: it has "
                f"stopped working, first on {since}"
            )
            raise


class _NotFinite(Exception):
    """Features that hold NaN or infinity."""

    def __init__(self, stream: NamedEncoder, value: Features | Missing) -> None:
        assert not isinstance(value, Missing)
        count = int((~np.isfinite(value)).sum())
        verb = "is" if count == 1 else "are"
        super().__init__(
            f"{count} of the {value.size} numbers that encoder {stream.part!r} makes of it {verb} not finite"
        )


def _finite(answer: Features | Missing) -> bool:
    return isinstance(answer, Missing) or bool(np.isfinite(answer).all())
