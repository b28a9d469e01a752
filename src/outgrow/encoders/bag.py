"""TF-IDF without a vocabulary: tokens are hashed, so a saved student holds no word of the inputs.

Weights are scikit-learn's smooth idf, ln((1 + n) / (1 + df)) + 1, on raw counts, rows scaled to length 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from outgrow.encoders.encoder import BaseEncoder, Counts, Layer, Views, sound_text
from outgrow.errors import InputError, nearest
from outgrow.fingerprints import code_version

__all__ = ["TfidfEncoder"]

_BUCKETS = 2**18
_STATE = "tfidf.npy"


class TfidfEncoder(BaseEncoder):
    """Bag of hashed tokens over the commonest columns of a task.

    Parameters
    ----------
    analyzer : {"word", "char"}
        Words, or runs of 2 to 4 characters (for SMILES and other strings without spaces).
    features : int
        Most columns kept: those of largest document frequency over the task's inputs.

    Attributes
    ----------
    columns_ : ndarray of shape (d,)
        Numbers of the kept hash columns, ascending.
    idf_ : ndarray of shape (d,)
        Their weights.
    """

    name = "tfidf"
    # Leaving out the rarest tokens is its design.
    unknown_limit = 0.25

    def __init__(self, analyzer: str = "word", features: int = 5000):
        if analyzer not in ("word", "char"):
            raise InputError(
                f"analyzer of 'tfidf' must be 'word' or 'char', not {analyzer!r}{nearest(str(analyzer), ['word', 'char'])}"
            )
        if isinstance(features, bool) or not isinstance(features, int) or features < 1:
            raise InputError(f"features of 'tfidf' must be a whole number from 1, not {features!r}")
        self.analyzer = analyzer
        self.features = features
        self.columns_: NDArray[np.int64] | None = None
        self.idf_: NDArray[np.float64] | None = None

    @property
    def width(self) -> int:
        """Kept columns."""
        return len(self._state()[0])

    def spec(self) -> dict[str, Any]:
        """Name and options."""
        return {"name": self.name, "analyzer": self.analyzer, "features": self.features}

    def recipe(self, layer: Layer) -> Any:
        """Options and code; the state follows from the task's inputs."""
        from outgrow.fingerprints import environment_key

        return [self.spec(), code_version(__name__), environment_key()]

    def _counts(self, inputs: Sequence[str]) -> Any:
        from sklearn.feature_extraction.text import HashingVectorizer

        grams = (2, 4) if self.analyzer == "char" else (1, 1)
        vectorizer = HashingVectorizer(
            n_features=_BUCKETS,
            alternate_sign=False,
            norm=None,
            analyzer=self.analyzer,
            ngram_range=grams,
            lowercase=self.analyzer == "word",
            dtype=np.float64,
        )
        return vectorizer.transform(sound_text(inputs))

    def fit(self, inputs: Sequence[str]) -> Self:
        """Choose the columns and their weights.

        Raises
        ------
        InputError
            When no input has any token.
        """
        df = np.zeros(_BUCKETS, dtype=np.int64)
        for start in range(0, len(inputs), self.shard_rows):
            df += np.bincount(self._counts(inputs[start : start + self.shard_rows]).indices, minlength=_BUCKETS)
        order = np.argsort(-df, kind="stable")[: self.features]
        columns = np.sort(order[df[order] > 0])
        if not len(columns):
            raise InputError(
                f"'tfidf' finds no token in any of the {len(inputs)} inputs; analyzer='char' reads single characters"
            )
        self.columns_ = columns
        self.idf_ = np.log((1 + len(inputs)) / (1 + df[columns])) + 1
        return self

    def _state(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        if self.columns_ is None or self.idf_ is None:
            raise InputError("'tfidf' is not fitted; call fit with the task's inputs, or load_state")
        return self.columns_, self.idf_

    def read(self, inputs: Sequence[str], layers: Sequence[Layer]) -> tuple[Views, Counts]:
        """Return the (n, d) matrix; tokens outside the kept columns are counted as unknown."""
        from sklearn.preprocessing import normalize

        columns, idf = self._state()
        counts = self._counts(inputs)
        kept = counts[:, columns]
        tokens, known = int(counts.sum()), int(kept.sum())
        dense = normalize(kept.multiply(idf).tocsr()).astype(np.float32).toarray()
        empty = int((np.diff(kept.indptr) == 0).sum())
        return dict.fromkeys(layers, dense), Counts(len(inputs), tokens, 0, tokens - known, empty)

    def save_state(self, folder: Path) -> None:
        """Write column numbers and weights."""
        columns, idf = self._state()
        np.save(Path(folder) / _STATE, np.stack([columns.astype(np.float64), idf]), allow_pickle=False)

    def load_state(self, folder: Path) -> Self:
        """Read what :meth:`save_state` wrote."""
        columns, idf = np.load(Path(folder) / _STATE, allow_pickle=False)
        self.columns_, self.idf_ = columns.astype(np.int64), idf
        return self

    def describe(self) -> str:
        """One line for people."""
        what = "words" if self.analyzer == "word" else "characters 2-4"
        return f"TF-IDF of hashed {what}, at most {self.features:,} columns"
