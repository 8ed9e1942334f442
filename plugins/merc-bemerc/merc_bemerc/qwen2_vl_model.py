"""Qwen2-VL and what it is given: pictures as patches, a conversation as tokens, a batch padded on the left.

transformers' own video processor needs torchvision, which merc keeps out; its image processor has a form that needs
Pillow alone, and a video's patches are those of its frames, two by two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from merc import MercError, quiet

Frames = npt.NDArray[np.uint8]

_SYSTEM = "You are a helpful assistant."
"""The system message that Qwen2-VL was trained with."""
_VIDEO = 2
"""The type of a video's tokens among ``mm_token_type_ids``; words have 0."""


@dataclass(frozen=True, kw_only=True)
class Teacher:
    """A Qwen2-VL, its tokenizer and its image processor."""

    model: Any
    tokenizer: Any
    processor: Any

    @staticmethod
    def load(path: str, dtype: str, device: str, *, pixels: int) -> Teacher:
        """Load it from a folder or the hub. Raises MercError when there is none, or another kind of model."""
        from transformers import AutoConfig, AutoTokenizer, Qwen2VLForConditionalGeneration
        from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

        try:
            config = AutoConfig.from_pretrained(path)
            if config.model_type != "qwen2_vl":
                raise MercError(
                    f"annotator qwen2-vl: {path} is a {config.model_type}; it takes a model of type qwen2_vl, such as "
                    "Qwen/Qwen2-VL-7B-Instruct"
                )
            tokenizer = AutoTokenizer.from_pretrained(path)
            processor = Qwen2VLImageProcessorPil.from_pretrained(path)
            with quiet():
                model = Qwen2VLForConditionalGeneration.from_pretrained(path, dtype=getattr(torch, dtype))
        except (OSError, ValueError) as error:
            first = str(error).strip().splitlines()[0]
            raise MercError(
                f"annotator qwen2-vl: there is no Qwen2-VL at {path!r} ({first}); give the folder that holds "
                "config.json, weights, tokenizer and preprocessor_config.json, or a name on the Hugging Face hub"
            ) from None
        size = dict(processor.size)
        size["longest_edge"] = max(size["shortest_edge"], min(size["longest_edge"], pixels))
        processor.size = size
        return Teacher(model=model.to(device).eval(), tokenizer=tokenizer, processor=processor)

    def answer(self, requests: Sequence[tuple[Frames, Sequence[str]]], max_tokens: int) -> list[tuple[str, bool]]:
        """The model's next words in each conversation, and whether they were cut off at ``max_tokens``.

        A conversation is the frames ``[n, height, width, 3]`` that its first message shows, and the messages of the
        user and the model in turn, the user's last.
        """
        patches, grids, rows = [], [], []
        for frames, messages in requests:
            values, grid = self._patches(frames)
            patches.append(values)
            grids.append(grid)
            rows.append(self._tokens(messages, grid))
        device = self.model.device
        longest = max(len(row) for row in rows)
        pad = self._pad()
        ids = torch.tensor([[pad] * (longest - len(row)) + row for row in rows], device=device)
        mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows], device=device)
        with torch.inference_mode():
            generated = self.model.generate(
                input_ids=ids,
                attention_mask=mask,
                mm_token_type_ids=_VIDEO * (ids == self.model.config.video_token_id).int(),
                pixel_values_videos=torch.cat(patches).to(device, self.model.dtype),
                video_grid_thw=torch.tensor(grids, device=device),
                max_new_tokens=max_tokens,
                do_sample=False,
                # a checkpoint's own sampling settings would only be warned about
                temperature=None,
                top_p=None,
                top_k=None,
                eos_token_id=self._ends(),
                pad_token_id=pad,
            )
        return [self._words(row) for row in generated[:, longest:].tolist()]

    def _patches(self, frames: Frames) -> tuple[Tensor, list[int]]:
        """The patches ``[patches, channels · 2 · side · side]`` of a video, and their grid: time, rows, columns."""
        one = self.processor(images=list(frames), return_tensors="pt")
        rows, columns = one["image_grid_thw"][0, 1:].tolist()
        span, side = self.processor.temporal_patch_size, self.processor.patch_size
        # an image is a frame repeated: [frames, patches, channels, repetitions, side, side]
        parts = one["pixel_values"].reshape(len(frames), rows * columns, -1, span, side, side)[:, :, :, 0]
        short = -len(frames) % span
        parts = torch.cat([parts, parts[-1:].expand(short, *parts.shape[1:])])
        times = len(parts) // span
        joined = parts.unflatten(0, (times, span)).permute(0, 2, 3, 1, 4, 5)
        return joined.reshape(times * rows * columns, -1), [times, rows, columns]

    def _tokens(self, messages: Sequence[str], grid: Sequence[int]) -> list[int]:
        """A conversation in Qwen2-VL's chat format, up to where the model speaks. Messages hold no control tokens,
        whatever they spell."""
        merged = int(np.prod(grid)) // self.processor.merge_size**2
        video = [self._id("<|vision_start|>"), *[self._id("<|video_pad|>")] * merged, self._id("<|vision_end|>")]
        ids = self._turn("system", self._plain(_SYSTEM))
        for number, text in enumerate(messages):
            media = video if number == 0 else []
            ids += self._turn("assistant" if number % 2 else "user", [*media, *self._plain(text)])
        return [*ids, self._id("<|im_start|>"), *self._plain("assistant\n")]

    def _turn(self, role: str, content: Sequence[int]) -> list[int]:
        start, end = self._id("<|im_start|>"), self._id("<|im_end|>")
        return [start, *self._plain(f"{role}\n"), *content, end, *self._plain("\n")]

    def _plain(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"])

    def _id(self, token: str) -> int:
        number = self.tokenizer.get_vocab().get(token)
        if number is None:
            raise MercError(f"annotator qwen2-vl: the tokenizer has no token {token}; it is not Qwen2-VL's")
        return int(number)

    def _pad(self) -> int:
        pad = self.tokenizer.pad_token_id
        return self._id("<|im_end|>") if pad is None else int(pad)

    def _ends(self) -> list[int]:
        own = self.model.generation_config.eos_token_id
        listed = own if isinstance(own, list) else [] if own is None else [own]
        return sorted({*listed, self._id("<|im_end|>")})

    def _words(self, row: Sequence[int]) -> tuple[str, bool]:
        ends = set(self._ends())
        stop = next((place for place, token in enumerate(row) if token in ends), None)
        return self.tokenizer.decode(row[:stop], skip_special_tokens=True).strip(), stop is None
