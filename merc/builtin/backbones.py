"""Causal language models of transformers, by path or hub name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from merc.components import Backbone, FolderOrName
from merc.errors import MercError

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True, kw_only=True)
class HuggingFace(Backbone):
    """A model by ``path``: a folder, or a name on the hub (``lmsys/vicuna-7b-v1.5``), which is fetched on first use.

    A folder begins with ``/``, ``./``, ``../`` or ``~``; anything else is a name on the hub.
    ``revision`` fixes a version of a hub model; weights are read as safetensors, never as pickle.
    """

    path: FolderOrName
    revision: str | None = None

    def config(self) -> PretrainedConfig:
        """The configuration alone."""
        from transformers import AutoConfig

        return self._fetch(AutoConfig)

    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer that belongs to the model."""
        from transformers import AutoTokenizer

        return self._fetch(AutoTokenizer)

    def load(self, device: str) -> PreTrainedModel:
        """The model in ``dtype`` on the device."""
        import torch
        from transformers import AutoModelForCausalLM

        model = self._fetch(AutoModelForCausalLM, dtype=getattr(torch, self.dtype), use_safetensors=True)
        return model.to(device).eval()

    def identity(self) -> dict[str, Any]:
        """The path or hub name, and the revision."""
        return {"path": self.path, "revision": self.revision}

    def _fetch(self, what: Any, **more: Any) -> Any:
        from safetensors import SafetensorError

        folder = Path(self.path).expanduser()
        named = self.path.startswith(("/", ".", "~"))
        if named and not folder.is_dir():
            raise MercError(
                f"backbone.path: there is no folder {self.path}; give the folder of a transformers model or a hub name"
            )
        if not named and folder.is_dir():  # which transformers would take for the model
            raise MercError(
                f"backbone.path: {self.path} is a name on the hub, and there is a folder of that name here too; for "
                f"the folder write ./{self.path}, for the hub start merc elsewhere"
            )
        try:
            return what.from_pretrained(
                folder if named else self.path, revision=self.revision, trust_remote_code=False, **more
            )
        except (OSError, ValueError, SafetensorError) as error:
            first = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise MercError(
                f"backbone.path: {self.path!r} could not be loaded: {first} "
                "Give the folder of a transformers model, or a hub name on a machine that reaches the hub"
            ) from error
