"""Annotator ``audio-tone-model``: how a voice sounds, by a model that hears and runs here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from merc_bemerc import Fault, accepted, ask_again, read, refused

from merc import (
    Annotation,
    Annotator,
    AudioClip,
    FolderOrName,
    MercError,
    Missing,
    Observation,
    Pretrained,
    Query,
    Waveform,
)
from merc_annotation.clue_teachers import PROMPT, TONE, earlier, lines_of

if TYPE_CHECKING:
    from merc import AnnotateFunction

RATE = 16_000
WHERE = "annotator audio-tone-model: path"
_CLASSES = {
    "qwen2_audio": "Qwen2AudioForConditionalGeneration",
    "qwen2_5_omni": "Qwen2_5OmniThinkerForConditionalGeneration",
    "qwen2_5_omni_thinker": "Qwen2_5OmniThinkerForConditionalGeneration",
}
"""The class of transformers that answers, by the kind of model."""
_SYSTEM = "You are a helpful assistant."


@dataclass(frozen=True, kw_only=True)
class AudioToneModel(Annotator):
    """Writes ``audio_tone``: how the voice sounds, by a model that hears and that is loaded here: a Qwen2-Audio, such
    as ``Qwen/Qwen2-Audio-7B-Instruct``, or a Qwen2.5-Omni, whose thinker answers. Of an answer the likeliest token is
    taken each time; one that does not fit is asked for again, and kept as it came."""

    path: FolderOrName
    """The folder of the model, or its name on the model hub."""
    revision: str | None = None
    """A version of a model on the hub."""
    dtype: Literal["float32", "bfloat16", "float16"] = "bfloat16"
    """What the weights are held in."""
    asks: str = TONE
    """What the model is asked to describe."""
    before: int = 2
    """How many utterances before it are told."""
    max_tokens: int = 256
    """The most tokens of an answer."""
    attempts: int = 3
    """How often an answer that does not fit is asked for; after the first time the fault is named."""

    history = True

    def __post_init__(self) -> None:
        for name, least in (("before", 0), ("max_tokens", 1), ("attempts", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} counts from {least}, not {getattr(self, name)}")

    def fields(self) -> tuple[str, ...]:
        """``audio_tone``."""
        return ("audio_tone",)

    def audio(self) -> Waveform:
        """The sound at 16 kHz, at least 0.3 s of it."""
        return Waveform(rate=RATE, min_seconds=0.3)

    def context(self, query: Query) -> Any:
        """The utterances before it that are told."""
        return [[one.speaker, one.text] for one in earlier(query, self.before)]

    def identity(self) -> Mapping[str, Any]:
        """What decides the answer: the model and what it is asked. ``max_tokens`` and ``attempts`` count for answers
        that reached them alone."""
        aside = {"max_tokens", "attempts"}
        return {**{k: v for k, v in super().identity().items() if k not in aside}, "prompt": PROMPT}

    def load(self, device: str) -> AnnotateFunction:
        """Load the model. Raises MercError when there is none at ``path``, or another kind of model."""
        from merc import computed_in

        dtype = computed_in(self.dtype, device)
        model = HearingModel(Pretrained(self.path, WHERE, self.revision), dtype, device)

        def annotate(observations: Iterable[Observation]) -> Iterator[tuple[str, Annotation]]:
            for one in observations:
                yield one.query.target.id, self._describe(model, one)

        return annotate

    def _describe(self, model: HearingModel, one: Observation) -> Annotation:
        if not isinstance(one.audio, AudioClip):
            return Annotation(reason=one.audio.reason)
        heard = model.features(one.audio)
        if isinstance(heard, Missing):
            return Annotation(reason=heard.reason)
        lines = lines_of(one.query, self.before)
        messages = [PROMPT.format(lines=lines, asks=self.asks, clue="audio_tone")]
        raw: list[str] = []
        any_cut, fault = False, Fault("")
        for _ in range(self.attempts):
            answer, cut = model.answer(heard, messages, self.max_tokens)
            raw.append(answer)
            any_cut = any_cut or cut
            try:
                return accepted(read(answer, cut, self.fields()), raw)
            except Fault as error:
                fault = error
            messages += [answer, ask_again(fault, self.fields())]
        return refused(fault, raw, any_cut)


class HearingModel:
    """A model of transformers that hears, with its tokenizer and what makes spectrograms. Raises MercError where there
    is none, or where it is another kind of model."""

    def __init__(self, source: Pretrained, dtype: str, device: str) -> None:
        import torch
        import transformers

        kind = str(source.config().get("model_type"))
        if kind not in _CLASSES:
            raise MercError(
                f"{WHERE}: {source.path!r} is a {kind}; give a Qwen2-Audio (qwen2_audio) or a Qwen2.5-Omni "
                "(qwen2_5_omni), or take audio-tone-teacher for a model behind a server"
            )
        self.net = source.network(getattr(transformers, _CLASSES[kind]), dtype=getattr(torch, dtype)).to(device)
        self.tokenizer = source.fetch(transformers.AutoTokenizer)
        self.extractor = source.fetch(transformers.WhisperFeatureExtractor)
        self.whole = kind == "qwen2_audio"  # whose tower takes its full length alone
        known = self.tokenizer.get_vocab()
        if lacking := [one for one in ("<|AUDIO|>", "<|im_start|>", "<|im_end|>") if one not in known]:
            raise MercError(f"{WHERE}: the tokenizer of {source.path!r} has no token {lacking[0]}")
        self.ids: Mapping[str, int] = known

    def features(self, clip: AudioClip) -> dict[str, Any] | Missing:
        """The spectrogram of a sound, as the model takes it; Missing where it is longer than the model hears."""
        most = self.extractor.n_samples / self.extractor.sampling_rate
        if clip.seconds > most:
            return Missing(f"{clip.seconds:.1f} s of sound; the model hears {most:g} s at once")
        made = self.extractor(
            clip.samples, sampling_rate=RATE, padding="max_length" if self.whole else "longest",
            return_attention_mask=True, return_tensors="pt",
        )  # fmt: skip
        dtype, device = self.net.dtype, self.net.device
        return {
            "input_features": made["input_features"].to(device, dtype),
            "feature_attention_mask": made["attention_mask"].to(device),
        }

    def answer(self, heard: Mapping[str, Any], messages: Sequence[str], max_tokens: int) -> tuple[str, bool]:
        """The model's next words in a conversation, and whether they were cut off at ``max_tokens``.

        Args:
            heard: The sound that the first message brings, as ``features`` gives it.
            messages: Those of the user and the model in turn, the user's last. They hold no control tokens, whatever
                they spell.
            max_tokens: The most tokens of the answer.
        """
        import torch

        row = self.prompt(heard, messages)
        ids = torch.tensor([row], device=self.net.device)
        end = self.ids["<|im_end|>"]
        with torch.inference_mode():
            written = self.net.generate(
                input_ids=ids, attention_mask=torch.ones_like(ids), **heard, max_new_tokens=max_tokens,
                do_sample=False, temperature=None, top_p=None, top_k=None, eos_token_id=end, pad_token_id=end,
            )[0, len(row) :].tolist()  # fmt: skip
        stop = written.index(end) if end in written else None
        return self.tokenizer.decode(written[:stop], skip_special_tokens=True).strip(), stop is None

    def prompt(self, heard: Mapping[str, Any], messages: Sequence[str]) -> list[int]:
        """The tokens of a conversation about a sound, in the model's chat format, up to where it speaks."""
        columns = int(heard["feature_attention_mask"].sum())
        sound = [self.ids["<|AUDIO|>"]] * (((columns - 1) // 2 + 1 - 2) // 2 + 1)  # the tower halves it twice
        if {"<|audio_bos|>", "<|audio_eos|>"} <= self.ids.keys():
            sound = [self.ids["<|audio_bos|>"], *sound, self.ids["<|audio_eos|>"]]
        row = self._turn("system", self._plain(_SYSTEM))
        for number, text in enumerate(messages):
            media = [*sound, *self._plain("\n")] if number == 0 else []
            row += self._turn("assistant" if number % 2 else "user", [*media, *self._plain(text)])
        return [*row, self.ids["<|im_start|>"], *self._plain("assistant\n")]

    def _turn(self, role: str, content: Sequence[int]) -> list[int]:
        line = self._plain("\n")
        return [self.ids["<|im_start|>"], *self._plain(f"{role}\n"), *content, self.ids["<|im_end|>"], *line]

    def _plain(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"])
