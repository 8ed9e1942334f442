"""Causal language models of transformers, by path or hub name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from merc.builtin.shapes import PUBLIC
from merc.components import Backbone, FolderOrName
from merc.errors import MercError
from merc.pretrained import Pretrained

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True, kw_only=True)
class HuggingFace(Backbone):
    """A causal language model of transformers, from a folder or from the hub (``lmsys/vicuna-7b-v1.5``).

    Weights are safetensors, or a ``.bin`` of which nothing but tensors is read; tokenizers may be SentencePiece's
    (``tokenizer.model``).
    """

    path: FolderOrName
    """A folder, which begins with ``/``, ``./``, ``../`` or ``~``; anything else is a name on the hub, fetched on first
    use."""
    revision: str | None = None
    """The version of a model on the hub (a branch, tag or commit); null is its main one."""

    def config(self) -> PretrainedConfig:
        """The configuration alone; of some public models (merc/builtin/shapes.py) it is known without the hub."""
        from transformers import AutoConfig

        if self.path in PUBLIC and (shape := self._pretrained().config(PUBLIC)) == PUBLIC[self.path]:
            return AutoConfig.for_model(**shape)
        return self._fetch(AutoConfig)

    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer that belongs to the model."""
        from transformers import AutoTokenizer

        try:
            return self._fetch(AutoTokenizer)
        except MercError as error:
            # transformers takes a tokenizer.model that is no SentencePiece's for tiktoken's, and asks for that package.
            if "tiktoken" not in str(error):
                raise
            why = "it may be damaged: fetch it again, or put the model's tokenizer.json beside it"
            if find_spec("sentencepiece") is None:
                why = "merc's dependency sentencepiece is not installed; pip install sentencepiece"
            raise MercError(
                f"backbone.path: the tokenizer.model of {self.path!r} cannot be read as SentencePiece's; {why}"
            ) from error

    def load(self, device: str) -> PreTrainedModel:
        """The model in ``dtype`` on the device."""
        import torch
        from transformers import AutoModelForCausalLM

        model: PreTrainedModel = self._pretrained().network(AutoModelForCausalLM, dtype=getattr(torch, self.dtype))
        return model.to(device)

    def check(self) -> None:
        """See that configuration, tokenizer and all weights are there; those of a hub model are fetched."""
        from transformers import AutoModelForCausalLM

        self._pretrained().check_no_adapter()
        self.config()
        self.tokenizer()
        self._pretrained().check_weights(AutoModelForCausalLM)

    def identity(self) -> dict[str, Any]:
        """The path or hub name, the revision, and the commit that a hub name stands for once it was fetched."""
        commit = self._pretrained().commit()
        return {"path": self.path, "revision": self.revision, **({"commit": commit} if commit else {})}

    def weights(self) -> dict[str, Any]:
        """Size and SHA-256 of the files of weights, configuration, tokenizer and chat template."""
        return self._pretrained().contents()

    def pinned(self, identity: Mapping[str, Any]) -> HuggingFace:
        """A hub name without a revision, at the commit that a run recorded: the name may have moved on since."""
        commit = identity.get("commit")
        moves = self.revision is None and isinstance(commit, str) and identity.get("path") == self.path
        return replace(self, revision=commit) if moves else self

    def _pretrained(self) -> Pretrained:
        return Pretrained(self.path, "backbone.path", self.revision)

    def _fetch(self, what: Any, **more: Any) -> Any:
        return self._pretrained().fetch(what, **more)
