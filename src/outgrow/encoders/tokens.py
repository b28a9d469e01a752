"""A task's token ids as a view: what a fine-tuned model reads, made once however many students are trained on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from outgrow.encoders.batching import Shard, consecutive
from outgrow.encoders.encoder import TABLE, Counts, Layer, Views, is_model_name
from outgrow.encoders.hub import has_transformers
from outgrow.encoders.text import TextEncoder
from outgrow.errors import InputError, nearest
from outgrow.fingerprints import code_version

__all__ = ["TUNABLE", "TokenEncoder"]

# Packaged models that are transformers.
TUNABLE = ("smollm2", "gemma3", "minilm")
PAD = -1


class TokenEncoder(TextEncoder):
    """Token ids of a transformers model, in the tokenizer's order, -1 after a text's end.

    Ids are whole numbers below 2^24, which float32 holds exactly; so they are cached, sharded and mapped like any other view.

    Parameters
    ----------
    of : str
        The model: ``"smollm2"``, ``"gemma3"``, ``"minilm"``, ``"org/name"`` or a path.
    max_tokens : int
        Columns of the view; less where the model reads less. Longer texts are truncated, never dropped.
    revision : str, optional
        Branch, tag or commit of a Hub id.
    """

    def __init__(self, of: str, max_tokens: int = 256, revision: str | None = None):
        if of not in TUNABLE and not is_model_name(of):
            what = "is no transformers model" if of in TABLE else "is not a model that is known here"
            raise InputError(
                f"{of!r} {what}, so it cannot be fine-tuned{nearest(of, TUNABLE)}; or give org/name or a folder"
            )
        super().__init__(of, max_tokens=max_tokens, revision=revision)
        self.name = "tokens"
        self.of = of
        self.features = max_tokens

    def spec(self) -> dict[str, Any]:
        """Model, limit, and the digest or commit of the model."""
        own = {"of": self.of, "max_tokens": self.max_tokens, "revision": self.revision}
        return {"name": self.name, **own, "model": self._digest()}

    def recipe(self, layer: Layer) -> Any:
        """Model bytes, limit, code and library versions."""
        import importlib.metadata

        what = {k: v for k, v in self.spec().items() if k in ("max_tokens", "model")}
        version = importlib.metadata.version
        versions = [version("transformers") if has_transformers() else None, version("tokenizers")]
        return ["tokens", what, versions, code_version(__name__)]

    @property
    def depth(self) -> Layer:
        """None: there is one view."""
        return None

    @property
    def width(self) -> int:
        """Most tokens of a text."""
        return self.limit()

    def describe(self) -> str:
        """One line for people."""
        return f"token ids of {self.of}, at most {self.max_tokens}"

    def plan(self, inputs: Sequence[str]) -> list[Shard]:
        """Cut the inputs into shards of neighbouring rows."""
        return consecutive(len(inputs), self.shard_rows)

    def read(self, inputs: Sequence[str], layers: Sequence[Layer]) -> tuple[Views, Counts]:
        """Return (n, width) token ids; a text without any token is given the tokenizer's start or end token.

        Returns
        -------
        dict of {layer: (n, width) float32}, Counts
        """
        ids, cut = self._tokens(inputs)
        tokenizer = self._tokenizer()
        special = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.cls_token_id, tokenizer.pad_token_id, 0)
        alone = next(t for t in special if t is not None)
        out = np.full((len(ids), self.width), PAD, dtype=np.float32)
        for i, tokens in enumerate(ids):
            out[i, : max(len(tokens), 1)] = tokens if len(tokens) else alone
        lengths = np.array([len(t) for t in ids], dtype=np.int64)
        counts = Counts(rows=len(ids), tokens=int(lengths.sum()), cut=cut, empty=int((lengths == 0).sum()))
        return dict.fromkeys(layers, out), counts
