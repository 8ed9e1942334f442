"""Qwen2-Audio and Voxtral: a Whisper encoder before a language model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

import merc
from merc_omni.family import Family, Medium, Piece, Prepare, Rows
from merc_omni.sound import RATE, extractor

if TYPE_CHECKING:
    from torch import Tensor

_SECONDS = 30


class Qwen2Audio(Family):
    """Qwen2-Audio (Chu et al., 2024): half a minute of sound at most, of which the padding is masked; 25 tokens a
    second, with their number in the prompt before them."""

    classes: ClassVar = {"qwen2_audio": "Qwen2AudioForConditionalGeneration"}
    towers: ClassVar = {"audio": ("model.audio_tower", "model.multi_modal_projector")}

    def hears(self, pretrained: merc.Pretrained) -> float:
        """The length of its window."""
        return float(extractor(pretrained, self.config.audio_config.num_mel_bins, _SECONDS).chunk_length)

    def preparing(self, medium: Medium, pretrained: merc.Pretrained, pixels: int | None) -> Prepare:
        """The spectrogram of the whole window, and of each column whether it is sound: ``[columns, mels + 1]``."""
        make = extractor(pretrained, self.config.audio_config.num_mel_bins, _SECONDS)

        def prepare(clip: merc.AudioClip) -> Rows | merc.Missing:
            made = make(
                clip.samples[: make.n_samples], sampling_rate=RATE, padding="max_length", return_attention_mask=True,
                return_tensors="np",
            )  # fmt: skip
            mel, mask = made["input_features"][0].T, made["attention_mask"][0][:, None]
            if mask.sum() < 4:
                return merc.Missing(f"its sound of {clip.seconds:.2g} s is too short for one token")
            return np.concatenate([mel, mask], axis=1).astype(np.float32)

        return prepare

    @staticmethod
    def _lengths(columns: int) -> tuple[int, int]:
        """What a spectrogram's columns become after the convolutions, and how many tokens."""
        after = (columns - 1) // 2 + 1
        return after, (after - 2) // 2 + 1

    def tokens(self, model: Any, medium: Medium, rows: Tensor) -> Tensor:
        """As the model class computes it between its own lines: tower under its padding mask, projector, the tokens of
        what is sound."""
        import torch
        from transformers.masking_utils import create_bidirectional_mask

        tower = model.model.audio_tower
        mel = rows[:, :-1].T[None].to(next(tower.parameters()).dtype)
        after, count = self._lengths(int(rows[:, -1].sum()))
        length = (mel.shape[-1] - 2) // 2 + 1
        there = (torch.arange(length, device=mel.device) < after).long()[None]
        mask = create_bidirectional_mask(
            config=tower.config, inputs_embeds=mel.new_zeros(1, length, 1), attention_mask=there
        )
        return model.model.multi_modal_projector(tower(mel, attention_mask=mask).last_hidden_state)[0, :count]  # type: ignore[no-any-return]

    def places(self, medium: Medium, rows: Rows) -> Rows:
        """As many as its columns of sound make, on no axis."""
        return np.zeros((self._lengths(int(rows[:, -1].sum()))[1], 0), np.float32)

    def layout(self, medium: Medium, slot: merc.SlotTokens) -> Sequence[Piece]:
        """``Audio 1: ``, and the tokens between their control tokens, as its chat template has it."""
        return (
            merc.Text(f"Audio {slot.number}: "),
            merc.Control("<|audio_bos|>"),
            merc.MediaRun(slot.count),
            merc.Control("<|audio_eos|>"),
            merc.Text("\n"),
        )


class Voxtral(Family):
    """Voxtral (Liu et al., 2025): sound in windows of half a minute, the last one filled with silence that counts,
    12.5 tokens a second."""

    classes: ClassVar = {"voxtral": "VoxtralForConditionalGeneration"}
    towers: ClassVar = {"audio": ("model.audio_tower", "model.multi_modal_projector")}

    @property
    def _window(self) -> int:
        """Columns of a spectrogram that the tower takes at once: its first layers halve them."""
        return 2 * int(self.config.audio_config.max_source_positions)

    def preparing(self, medium: Medium, pretrained: merc.Pretrained, pixels: int | None) -> Prepare:
        """The spectrogram of whole windows, ``[columns, mels]``."""
        make = extractor(pretrained, self.config.audio_config.num_mel_bins, _SECONDS)
        multiple = self._window * make.hop_length

        def prepare(clip: merc.AudioClip) -> Rows:
            made = make(
                clip.samples, sampling_rate=RATE, padding=True, truncation=False, pad_to_multiple_of=multiple,
                return_tensors="np",
            )  # fmt: skip
            return np.ascontiguousarray(made["input_features"][0].T, dtype=np.float32)

        return prepare

    def tokens(self, model: Any, medium: Medium, rows: Tensor) -> Tensor:
        """The tokens of all windows."""
        mel = rows.T.reshape(rows.shape[1], -1, self._window).transpose(0, 1)
        weights = model.model.audio_tower.conv1.weight
        return model.get_audio_features(mel.to(weights.dtype)).pooler_output  # type: ignore[no-any-return]

    def places(self, medium: Medium, rows: Rows) -> Rows:
        """As many as its columns make, on no axis."""
        audio = self.config.audio_config
        return np.zeros((len(rows) // 2 * audio.hidden_size // audio.intermediate_size, 0), np.float32)

    def layout(self, medium: Medium, slot: merc.SlotTokens) -> Sequence[Piece]:
        """The tokens after their control token."""
        return (merc.Control("[BEGIN_AUDIO]"), merc.MediaRun(slot.count))
