"""Any transformers model as an encoder: hidden states of chosen layers, pooled over a text's tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outgrow.encoders.batching import Shard, by_length, token_batches
from outgrow.encoders.encoder import TABLE, BaseEncoder, Counts, Layer, Views, sound_text
from outgrow.encoders.hardware import resolve_dtype
from outgrow.encoders.hub import has_transformers, loading, quiet, transformers_or_extra
from outgrow.encoders.source import ModelSource
from outgrow.errors import InputError, nearest
from outgrow.fingerprints import code_version, environment_key

__all__ = ["TextEncoder"]

_POOLINGS = ("mean", "last")
_DTYPES = ("auto", "float32", "bfloat16")
# A shard of a model of SmolLM2's size takes five to twenty seconds on one core.
_SHARD_WORK = 4096 * 106e6
_CHUNK = 1000


class TextEncoder(BaseEncoder):
    """A packaged language model or encoder, a Hub id, or a local folder.

    Parameters
    ----------
    name : str
        ``"minilm"``, ``"smollm2"``, ``"gemma3"``, ``"org/name"`` or a path.
    pooling : {"mean", "last"}
        Mean over a text's tokens, or its last token.
    max_tokens : int
        Longer texts are truncated, never dropped; less where the model reads less.
    dtype : {"auto", "float32", "bfloat16"}
        ``auto`` is bfloat16 where the processor has it in hardware.
    revision : str, optional
        Branch, tag or commit of a Hub id.
    batch_tokens : int
        Padded tokens in a batch.
    """

    def __init__(
        self,
        name: str,
        pooling: str = "mean",
        max_tokens: int = 512,
        dtype: str = "auto",
        revision: str | None = None,
        batch_tokens: int = 2048,
    ):
        for option, value, known in (("pooling", pooling, _POOLINGS), ("dtype", dtype, _DTYPES)):
            if value not in known:
                raise InputError(
                    f"{option} of {name!r} must be one of {list(known)}, not {value!r}{nearest(str(value), known)}"
                )
        for option, number in (("max_tokens", max_tokens), ("batch_tokens", batch_tokens)):
            if isinstance(number, bool) or not isinstance(number, int) or number < 1:
                raise InputError(f"{option} of {name!r} must be a whole number from 1, not {number!r}")
        self.name = name
        self.pooling = pooling
        self.max_tokens = max_tokens
        self.dtype = resolve_dtype(dtype)
        self.revision = revision
        self.batch_tokens = batch_tokens
        self._source = ModelSource(name, revision, packaged=name in TABLE)
        self._parts: dict[str, Any] = {}

    # --- what it is --------------------------------------------------------------------------------------------------------------------

    def spec(self) -> dict[str, Any]:
        """Options, the dtype that ``auto`` came to, and the digest or commit of the model."""
        return {
            "name": self.name,
            "pooling": self.pooling,
            "max_tokens": self.max_tokens,
            "dtype": self.dtype,
            "revision": self.revision,
            "batch_tokens": self.batch_tokens,
            "model": self._digest(),
        }

    def recipe(self, layer: Layer) -> Any:
        """Model bytes, layer, pooling, dtype, limits, threads (they change the order of sums), code and library versions."""
        import importlib.metadata

        import torch

        what = {k: v for k, v in self.spec().items() if k not in ("name", "revision")}
        versions = [environment_key(), importlib.metadata.version("transformers") if has_transformers() else None]
        code = [code_version("outgrow.encoders.passes"), code_version("outgrow.encoders.batching")]
        return [what, layer, torch.get_num_threads(), _SHARD_WORK, versions, code]

    @property
    def depth(self) -> Layer:
        """Number of blocks."""
        if self.name in TABLE:
            return TABLE[self.name].layers
        return int(_first(self._config(), "num_hidden_layers", "n_layer", "num_layers"))

    @property
    def width(self) -> int:
        """Columns of a hidden state."""
        packaged = TABLE[self.name].width if self.name in TABLE else None
        return packaged or int(_first(self._config(), "hidden_size", "d_model", "n_embd"))

    def describe(self) -> str:
        """One line for people."""
        what = TABLE[self.name].what if self.name in TABLE else self.name
        return f"{what}, {self.pooling} of its tokens, {self.dtype}, at most {self.max_tokens} tokens"

    # --- its files ---------------------------------------------------------------------------------------------------------------------

    def _digest(self) -> str:
        return self._source.digest()

    def at_hand(self) -> bool:
        """Say whether depth, width and digest can be told without a network."""
        return self._source.at_hand()

    def _config(self) -> Any:
        return self._source.config(self.say)

    def _tokenizer(self) -> Any:
        return self._source.tokenizer(self.say)

    def _reader(self) -> Any:
        if "reader" not in self._parts:
            from outgrow.encoders.passes import LayerReader

            transformers = transformers_or_extra(f"encoder {self.name!r}")
            import torch

            folder = self._source.weights(self.say)
            with quiet(), loading(self.name):
                model = transformers.AutoModel.from_pretrained(
                    str(folder), dtype=getattr(torch, self.dtype), use_safetensors=True
                )
            if getattr(model.config, "is_encoder_decoder", False):
                model = model.get_encoder()
            if hasattr(model.config, "use_cache"):
                model.config.use_cache = False
            assert self.depth is not None
            self._parts["reader"] = LayerReader(model.eval(), self.depth, self.pooling)
        return self._parts["reader"]

    def limit(self) -> int:
        """Return the token limit: ``max_tokens``, or less where the model or its tokenizer reads less."""
        return self._source.limit(self.max_tokens, self.say)

    # --- reading -----------------------------------------------------------------------------------------------------------------------

    def _tokens(self, texts: Sequence[str]) -> tuple[list[NDArray[np.int32]], int]:
        """Return token ids after truncation, and how many texts were cut."""
        tokenizer, limit, cut = self._tokenizer(), self.limit(), 0
        out: list[NDArray[np.int32]] = []
        plain: dict[str, Any] = {
            "padding": False,
            "return_attention_mask": False,
            "return_token_type_ids": False,
            "verbose": False,
        }
        for start in range(0, len(texts), _CHUNK):
            chunk = sound_text(texts[start : start + _CHUNK])
            ids = tokenizer(chunk, truncation=False, **plain)["input_ids"]
            long = [i for i, tokens in enumerate(ids) if len(tokens) > limit]
            if long:
                # Truncated by the tokenizer, which keeps the closing special tokens.
                shorter = tokenizer([chunk[i] for i in long], truncation=True, max_length=limit, **plain)["input_ids"]
                for i, tokens in zip(long, shorter, strict=True):
                    ids[i] = tokens
                cut += len(long)
            out += [np.asarray(tokens, dtype=np.int32) for tokens in ids]
        return out, cut

    def plan(self, inputs: Sequence[str]) -> list[Shard]:
        """Cut the inputs, shortest first, into shards of a few seconds' work."""
        lengths: list[int] = []
        for start in range(0, len(inputs), _CHUNK):
            lengths += [len(t) for t in self._tokens(inputs[start : start + _CHUNK])[0]]
        work = 12 * (self.depth or 1) * self.width**2
        tokens = int(np.clip(_SHARD_WORK / work, self.batch_tokens, 16 * 8192))
        return by_length(lengths, tokens)

    def read(self, inputs: Sequence[str], layers: Sequence[Layer]) -> tuple[Views, Counts]:
        """Return pooled hidden states; a text without any token gets a zero vector.

        Returns
        -------
        dict of {layer: (n, width) float32}, Counts
        """
        import torch

        wanted = {layer: self.depth if layer is None else layer for layer in layers}
        ids, cut = self._tokens(inputs)
        tokenizer = self._tokenizer()
        lengths = np.array([len(t) for t in ids], dtype=np.int64)
        out = {
            number: np.zeros((len(ids), self.width), dtype=np.float32)
            for number in set(wanted.values())
            if number is not None
        }
        some = np.flatnonzero(lengths)
        reader = self._reader() if len(some) else None
        # What fills a row up is masked; a tokenizer without a padding token lends any other.
        fill = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
        for batch in token_batches(lengths[some], self.batch_tokens):
            rows = some[batch]
            block = np.full((len(rows), lengths[rows].max()), fill, dtype=np.int64)
            for i, row in enumerate(rows):
                block[i, : lengths[row]] = ids[row]
            mask = (np.arange(block.shape[1]) < lengths[rows, None]).astype(np.int64)
            assert reader is not None
            for number, pooled in reader(torch.from_numpy(block), torch.from_numpy(mask), sorted(out)).items():
                out[number][rows] = pooled
        unknown = _unknown(tokenizer)
        counts = Counts(
            rows=len(ids),
            tokens=int(lengths.sum()),
            cut=cut,
            unknown=0 if unknown is None else sum(int((t == unknown).sum()) for t in ids),
            empty=int((lengths == 0).sum()),
        )
        for number, matrix in out.items():
            if not np.isfinite(matrix).all():
                raise InputError(
                    f"layer {number} of {self.name!r} gives values that are not finite in {self.dtype}; use dtype float32"
                )
        return {layer: out[number] for layer, number in wanted.items() if number is not None}, counts


def _unknown(tokenizer: Any) -> int | None:
    """The id of the unknown token, unless it does another service too (byte-level tokenizers have no unknown token)."""
    others = {getattr(tokenizer, f"{kind}_token_id", None) for kind in ("bos", "eos", "cls", "sep", "pad")}
    return None if tokenizer.unk_token_id in others else tokenizer.unk_token_id


def _first(config: Any, *names: str) -> Any:
    for name in names:
        if getattr(config, name, None) is not None:
            return getattr(config, name)
    raise InputError(
        f"a model of type {getattr(config, 'model_type', '?')!r} states no {names[0]}; it cannot be read layer by layer"
    )
