"""Static vectors: one per token or word, and a text is the mean of its rows. No model is run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outgrow.encoders.encoder import BaseEncoder, Counts, Layer, Views, sound_text
from outgrow.fingerprints import code_version, environment_key

__all__ = ["Glove", "WordLlama"]


class _Static(BaseEncoder):
    archive: str
    dims: int

    @property
    def width(self) -> int:
        """Columns of the table."""
        return self.dims

    def spec(self) -> dict[str, Any]:
        """Name, and the digest of the archive with the table."""
        from outgrow.tasks.pins import archive

        return {"name": self.name, "model": f"{self.archive}-{archive(self.archive).recipe}"}

    def recipe(self, layer: Layer) -> Any:
        """Archive and code."""
        return [self.spec(), code_version(__name__), environment_key()]

    def _folder(self) -> Path:
        from outgrow.tasks.archives import fetch_archive

        return fetch_archive(self.archive, say=self.say)

    def _mean(self, table: NDArray[Any], ids: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        lengths = np.array([len(i) for i in ids], dtype=np.int64)
        out = np.zeros((len(ids), self.dims), dtype=np.float32)
        some = np.flatnonzero(lengths)
        if len(some):
            flat = np.concatenate([np.asarray(ids[i], dtype=np.int64) for i in some.tolist()])
            starts = np.concatenate([[0], np.cumsum(lengths[some])[:-1]])
            # Chunks bound the memory of the gathered rows: 20,000 long texts would be gigabytes.
            for a in range(0, len(some), 1000):
                b = min(a + 1000, len(some))
                end = starts[b] if b < len(some) else len(flat)
                rows = table[flat[starts[a] : end]].astype(np.float32)
                out[some[a:b]] = np.add.reduceat(rows, starts[a:b] - starts[a], axis=0) / lengths[some[a:b], None]
        return out


class WordLlama(_Static):
    """Static token table of wordllama (l2_supercat, 32,000 x 256): mean over a text's tokens, without the start token."""

    name = "wordllama"
    archive = "wordllama"
    dims = 256

    def __init__(self) -> None:
        self._loaded: tuple[Any, NDArray[Any]] | None = None

    def _load(self) -> tuple[Any, NDArray[Any]]:
        if self._loaded is None:
            from safetensors.numpy import load_file
            from tokenizers import Tokenizer

            folder = self._folder()
            tokenizer = Tokenizer.from_file(str(folder / "l2_supercat_tokenizer_config.json"))
            self._loaded = tokenizer, load_file(folder / "l2_supercat_256.safetensors")["embedding.weight"]
        return self._loaded

    def read(self, inputs: Sequence[str], layers: Sequence[Layer]) -> tuple[Views, Counts]:
        """Return the (n, 256) matrix."""
        tokenizer, table = self._load()
        ids = [e.ids for e in tokenizer.encode_batch(sound_text(inputs), add_special_tokens=False)]
        tokens = sum(map(len, ids))
        unk = tokenizer.token_to_id("<unk>")
        counts = Counts(len(ids), tokens, 0, sum(i.count(unk) for i in ids), sum(not i for i in ids))
        matrix = self._mean(table, ids)
        return dict.fromkeys(layers, matrix), counts

    def describe(self) -> str:
        """One line for people."""
        return "wordllama static token vectors, mean of 256 columns"


class Glove(_Static):
    """GloVe 6B (400,000 lower-case words x 50): mean over the words that are in it."""

    name = "glove"
    archive = "glove"
    dims = 50
    # A word may hold an apostrophe or a hyphen; the parts of one that is not in the table are looked up instead.
    _token = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*|[^\w\s]")

    def __init__(self) -> None:
        self._loaded: tuple[dict[str, int], NDArray[Any]] | None = None

    def _load(self) -> tuple[dict[str, int], NDArray[Any]]:
        if self._loaded is None:
            import pyarrow.parquet

            folder = self._folder()
            words = pyarrow.parquet.read_table(folder / "glove_6B_index.parquet").column("index").to_pylist()
            table = np.load(folder / "glove_6B_50d_emb.npy", mmap_mode="r", allow_pickle=False)
            self._loaded = {word: i for i, word in enumerate(words)}, table
        return self._loaded

    def read(self, inputs: Sequence[str], layers: Sequence[Layer]) -> tuple[Views, Counts]:
        """Return the (n, 50) matrix; words outside the table are left out and counted."""
        index, table = self._load()
        ids, tokens, unknown = [], 0, 0
        for text in sound_text(inputs):
            found: list[int] = []
            for word in self._token.findall(text.lower()):
                parts = [word] if word in index else re.split(r"['’-]", word)
                known = [index[p] for p in parts if p in index]
                tokens += len(parts)
                unknown += len(parts) - len(known)
                found += known
            ids.append(found)
        matrix = self._mean(table, ids)
        counts = Counts(len(ids), tokens, 0, unknown, sum(not i for i in ids))
        return dict.fromkeys(layers, matrix), counts

    def describe(self) -> str:
        """One line for people."""
        return "GloVe 6B word vectors, mean of 50 columns"
