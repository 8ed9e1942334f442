"""Transcriber ``hf-speech``: a speech model of transformers, by its folder or its name on the model hub."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from merc import (
    AudioClip,
    FolderOrName,
    MercError,
    Missing,
    Pretrained,
    TranscribeFunction,
    Transcriber,
    Transcript,
    Waveform,
    Word,
    quiet,
)

RATE = 16_000
_WHERE = "transcriber hf-speech: path"
_SHORTEST = 0.05


@dataclass(frozen=True, kw_only=True)
class HFSpeech(Transcriber):
    """Any model of transformers that writes down speech: with a CTC head (Wav2Vec2, HuBERT, WavLM, ...), whose words
    have times and probabilities, or one that generates text (Whisper, Moonshine, Speech2Text, ...), whose words have
    neither. Every span is heard alone."""

    path: FolderOrName
    """The folder of the model, or its name on the model hub."""
    revision: str | None = None
    """A version of a model on the hub."""
    language: str | None = None
    """The code of what is spoken, such as "de", for a model that knows several."""

    def sampling(self) -> Waveform:
        """16 kHz; another rate that the model wants is an error."""
        return Waveform(rate=RATE)

    def load(self, device: str) -> TranscribeFunction:
        """Read the weights, all of them or none, and what cuts sound and spells words."""
        from transformers import AutoFeatureExtractor, AutoModelForCTC, AutoModelForSpeechSeq2Seq, AutoTokenizer

        source = Pretrained(self.path, _WHERE, self.revision)
        kinds = source.config().get("architectures") or ["none"]
        ctc = kinds[0].endswith("ForCTC")
        if not ctc and not kinds[0].endswith(("ForConditionalGeneration", "ForSpeechSeq2Seq")):
            raise MercError(
                f"{_WHERE}: {self.path!r} holds a {kinds[0]}, which writes no speech down; give a model with a CTC "
                "head or one that generates text, such as a Wav2Vec2ForCTC or a Whisper"
            )
        net = source.network(AutoModelForCTC if ctc else AutoModelForSpeechSeq2Seq).to(device)
        extractor, tokenizer = source.fetch(AutoFeatureExtractor), source.fetch(AutoTokenizer)
        if extractor.sampling_rate != RATE:
            raise MercError(
                f"{_WHERE}: {self.path!r} wants sound at {extractor.sampling_rate} Hz; merc gives {RATE} Hz"
            )
        hear = self._by_ctc(net, extractor, tokenizer) if ctc else self._by_generation(net, extractor, tokenizer)

        def transcribe(clips: Sequence[AudioClip]) -> list[Transcript | Missing]:
            return [
                hear(clip)
                if clip.seconds >= _SHORTEST
                else Missing(f"{clip.seconds:.2f} s of sound are too short to hear words in")
                for clip in clips
            ]

        return transcribe

    def _by_ctc(self, net: Any, extractor: Any, tokenizer: Any) -> Any:
        """The likeliest letter of each frame; a word is as probable as its letters' frames are in the mean."""
        import torch

        ratio = net.config.inputs_to_logits_ratio / RATE
        marks = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id)
        specials = torch.tensor([one for one in marks if one is not None])

        @torch.inference_mode()
        def hear(clip: AudioClip) -> Transcript:
            inputs = extractor(clip.samples, sampling_rate=RATE, return_tensors="pt").to(net.device)
            probable, letters = net(**inputs).logits[0].float().softmax(-1).max(-1)
            # What is no letter counts as the blank. Left out, it would join the letters that it parts.
            letters = torch.where(torch.isin(letters, specials.to(letters.device)), tokenizer.pad_token_id, letters)
            decoded = tokenizer.decode(letters.cpu(), output_word_offsets=True, skip_special_tokens=False)
            words = [
                Word(
                    text=one["word"],
                    start=min(one["start_offset"] * ratio, clip.seconds),
                    end=min(one["end_offset"] * ratio, clip.seconds),
                    probability=float(probable[one["start_offset"] : one["end_offset"]].mean()),
                )
                for one in decoded.word_offsets
            ]
            return Transcript(words=tuple(words), language=self.language)

        return hear

    def _by_generation(self, net: Any, extractor: Any, tokenizer: Any) -> Any:
        from transformers import AutomaticSpeechRecognitionPipeline

        pipe = AutomaticSpeechRecognitionPipeline(
            model=net, feature_extractor=extractor, tokenizer=tokenizer, device=net.device
        )
        options = {"do_sample": False, "num_beams": 1}
        if self.language is not None:
            options["language"] = self.language

        def hear(clip: AudioClip) -> Transcript:
            with quiet():
                answer = pipe({"raw": clip.samples.copy(), "sampling_rate": RATE}, generate_kwargs=options)
            return Transcript(text=str(answer["text"]).strip(), language=self.language)

        return hear
