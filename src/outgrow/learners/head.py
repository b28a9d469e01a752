"""What linear heads share: the view they read, their key, their files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from outgrow.errors import InputError, StoreError
from outgrow.fingerprints import fingerprint
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.needs import Needs
from outgrow.tasks.prepare import matrix
from outgrow.tasks.rows import Rows

__all__ = ["Head"]

ARRAYS = "head.safetensors"
ABOUT = "head.json"


class Head(BaseEstimator):
    """Common part of :class:`LinearHead` and :class:`RidgeHead`."""

    on: str | None
    penalty: float | str

    def needs(self) -> Needs:
        """Return the view this head reads; it needs nothing else."""
        return Needs(views=frozenset() if self.on is None else frozenset({self.on}))

    def _check_penalty(self) -> None:
        value = self.penalty
        if isinstance(value, str):
            good = value == "cv"
        else:
            good = isinstance(value, int | float | np.number) and not isinstance(value, bool) and 0 < value < np.inf
        if not good:
            raise InputError(f"{type(self).__name__}: penalty is {value!r}; give 'cv' or a positive number")

    def _used(self, rows: Rows, weight: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return the features of rows that count, and which they are. Dead rows go first, so that they change no bit."""
        used = weight > 0
        return matrix(self, rows if used.all() else rows[used], reset=True), used

    def _stamp(self, rows: Rows, *given: Any) -> str:
        return fingerprint("learner", self, rows.key(self.on), *given)

    def _scores(self, X: Any, coef: NDArray[np.float64], intercept: NDArray[np.float64]) -> NDArray[np.float64]:
        return matrix(self, X) @ coef.T + intercept

    def _many(
        self, X: Any, targets: ArrayLike, sample_weight: ArrayLike | None, penalty: ArrayLike | None
    ) -> tuple[Rows, NDArray[np.float64], NDArray[np.float64], NDArray[np.float64] | None]:
        """Check what ``fit_many`` was given; returns rows, targets (k, n, c), weight (k or 1, n) and penalty (k,) or None."""
        from sklearn.utils.validation import validate_data

        self._check_penalty()
        if not isinstance(X, Rows):
            if self.on is not None:
                matrix(self, X)
            X = Rows.from_arrays(X=validate_data(self, X, dtype=np.float64))
        t = np.asarray(targets, dtype=np.float64)
        n = len(X)
        if t.ndim != 3 or t.shape[1] != n or not len(t):
            raise InputError(f"fit_many needs targets of shape (k, {n}, c) for these {n} rows; given {t.shape}")
        k = len(t)
        weight = np.ones((1, n)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        if weight.shape not in {(k, n), (1, n)}:
            raise InputError(f"fit_many needs sample_weight of shape ({k}, {n}); given {weight.shape}")
        if not np.isfinite(weight).all() or (weight < 0).any() or not (weight > 0).any(axis=1).all():
            raise InputError("fit_many needs finite, non-negative sample_weight with a positive entry for each head")
        if not np.isfinite(t[:, (weight > 0).any(axis=0)]).all():
            raise InputError("fit_many needs finite targets on every row that has a weight")
        chosen = None if penalty is None else np.asarray(penalty, dtype=np.float64)
        if chosen is not None and (chosen.shape != (k,) or not (np.isfinite(chosen) & (chosen > 0)).all()):
            raise InputError(f"fit_many needs {k} positive penalties, one a head; given shape {chosen.shape}")
        if chosen is None and self.penalty != "cv":
            chosen = np.full(k, float(self.penalty))
        return X, t, weight, chosen

    def _weak_targets(self, y: WeakLabels) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return the combined weak label, and where there is one."""
        there = y.any_covered
        if not there.any():
            raise InputError(
                f"supervisor {y.label!r} covers none of these {len(y)} rows; there is nothing to score against"
            )
        return y.one()[0], there

    # --- files -------------------------------------------------------------------------------------------------------------------

    def save(self, folder: Path) -> None:
        """Write the fitted head into a folder: ``head.safetensors`` and ``head.json``."""
        from safetensors.numpy import save_file

        from outgrow.store import private_folder, write_json

        check_is_fitted(self)
        folder = Path(folder)
        private_folder(folder)
        arrays = {"coef": np.ascontiguousarray(self.coef_), "intercept": np.atleast_1d(np.asarray(self.intercept_))}
        arrays |= {f"state.{name}": np.ascontiguousarray(v) for name, v in self.state_.items()}
        save_file(arrays, folder / ARRAYS)
        fitted = {name: getattr(self, name, None) for name in ("penalty_", "n_iter_", "converged_", "fingerprint_")}
        classes = getattr(self, "classes_", None)
        about = {
            "learner": type(self).__name__,
            "params": self.get_params(deep=False),
            "n_features_in": self.n_features_in_,
            "classes": None if classes is None else {"names": classes.tolist(), "dtype": classes.dtype.str},
            "fitted": fitted,
        }
        write_json(folder / ABOUT, about)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote.

        Raises
        ------
        StoreError
            When the folder holds no head of this kind.
        """
        from safetensors.numpy import load_file

        from outgrow.store import read_json

        folder = Path(folder)
        if not (folder / ABOUT).is_file() or not (folder / ARRAYS).is_file():
            raise StoreError(f"no saved learner there: it needs the files {ARRAYS} and {ABOUT}")
        about = read_json(folder / ABOUT)
        if about["learner"] != cls.__name__:
            raise StoreError(f"the saved learner is a {about['learner']}, not a {cls.__name__}")
        made = cls(**about["params"])
        arrays = load_file(folder / ARRAYS)
        made._restore(arrays["coef"], arrays["intercept"])
        made.state_ = {n.removeprefix("state."): v for n, v in arrays.items() if n.startswith("state.")}
        made.n_features_in_ = about["n_features_in"]
        if about["classes"] is not None:
            made.classes_ = np.array(about["classes"]["names"], dtype=np.dtype(about["classes"]["dtype"]))
        for name, value in about["fitted"].items():
            if value is not None:
                setattr(made, name, value)
        return made

    def _restore(self, coef: NDArray[np.float64], intercept: NDArray[np.float64]) -> None:
        self.coef_: Any = coef
        self.intercept_: Any = intercept
