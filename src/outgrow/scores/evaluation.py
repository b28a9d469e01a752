"""The value every audit and report reads: one student's test scores beside its rivals', on identical rows; and the same over seeds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from outgrow.errors import InputError, StoreError, nearest
from outgrow.scores.measured import ROLES, Measured
from outgrow.scores.metrics import METRICS, ROW_METRICS, row_score

__all__ = ["ROLES", "Cell", "Evaluation"]

_FORMAT = 1


@dataclass(frozen=True, eq=False)
class Evaluation(Measured):
    """Test scores of one student (one seed) and of floor, direct, ceiling and self on the same rows.

    Parameters
    ----------
    ids : ndarray of shape (n,)
        Test rows: row numbers, or texts that name a prompt, a game.
    score : mapping of role to (n,)
        Row scores in ``metric``, higher is better (losses negated); roles out of floor, direct, student, ceiling, self.
        Empty without truth.
    outputs : mapping of role to (n, c), optional
        Predictions: probabilities, or values with c = 1.
    truth : ndarray of shape (n,), optional
        Class indices or values on ``ids``; None when not every test row has truth.
    floors : mapping of str to float
        Every supervisor alone, as a mean row score in ``metric``. ``score["floor"]`` is always the combined label.
    spent : int
        Truth rows the method was granted.
    metric : str
        What ``score`` is in; decides gain, PGR and verdict.
    classes : ndarray of shape (c,), optional
        Names of the classes; None for values and other scores.
    covered : ndarray of shape (n,) of bool, optional
        Which test rows a supervisor covers; all if left out.
    seed : int
    cell : mapping of str to str
        Names of task, supervisor, student, method.
    missing : mapping of str to str
        What was not computed and why: a role, or ``"scores"`` for all.
    unnamed : tuple of str, optional
        Classes no supervisor names anywhere. Left out, it is read from the floor on test rows if there is at most one supervisor.
    expected : mapping of str to float, optional
        Without truth: the class shares a supervisor should name, and ``expected_from`` says where they are from
        (``"others"``: mean of the other supervisors; ``"prior"``).
    direct_rows : int, optional
        Truth rows that direct was trained on.
    moments : mapping of str to (n, c)
        The student's predictions after shares of its training, such as ``"0.5"``, in their order; for audits.
    stopped : float, optional
        Share of the training at which weak labels stopped it; None where nothing watched.

    Raises
    ------
    InputError
        Lengths that differ, values that are not finite, unknown roles, truth that is no class index.
    """

    ids: NDArray[Any]
    score: Mapping[str, NDArray[np.float64]]
    outputs: Mapping[str, NDArray[np.float64]] | None = None
    truth: NDArray[Any] | None = None
    floors: Mapping[str, float] = field(default_factory=dict)
    spent: int = 0
    metric: str = "accuracy"
    classes: NDArray[Any] | None = None
    covered: NDArray[np.bool_] = None  # type: ignore[assignment]
    seed: int = 0
    cell: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    unnamed: tuple[str, ...] | None = None
    expected: Mapping[str, float] | None = None
    expected_from: str = "prior"
    direct_rows: int | None = None
    moments: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    stopped: float | None = None

    def __post_init__(self) -> None:
        ids = np.asarray(self.ids)
        if ids.ndim != 1:
            raise InputError(f"ids have shape {ids.shape}; one id a test row, (n,), is needed.")
        if ids.dtype == object:
            ids = ids.astype(str)
        if len(np.unique(ids)) != len(ids):
            raise InputError("ids of test rows repeat; each row is scored once.")
        n = len(ids)
        put = lambda name, value: object.__setattr__(self, name, value)  # noqa: E731
        put("ids", ids)
        put("score", {r: _rows(self.score[r], n, f"scores of {r}") for r in _in_order(self.score)})
        if self.classes is not None:
            classes = np.asarray(self.classes)
            put("classes", classes.astype(str) if classes.dtype == object else classes)
        if self.outputs is not None:
            put("outputs", {r: self._output(self.outputs[r], n, r) for r in _in_order(self.outputs)})
        put("moments", {s: self._output(o, n, f"moment {s}") for s, o in self.moments.items()})
        if self.truth is not None:
            put("truth", self._truth(np.asarray(self.truth), n))
        covered = np.ones(n, dtype=bool) if self.covered is None else np.asarray(self.covered)
        if covered.shape != (n,) or covered.dtype != bool:
            raise InputError(f"covered has shape {covered.shape} and type {covered.dtype}; {n} booleans are needed.")
        put("covered", covered)
        put("floors", {str(k): float(v) for k, v in self.floors.items()})
        if not np.isfinite(list(self.floors.values())).all():
            raise InputError("a supervisor's own score is not finite; leave it out of floors.")
        if self.expected_from not in ("others", "prior"):
            raise InputError(
                f"expected_from is {self.expected_from!r}{nearest(self.expected_from, ('others', 'prior'))}"
            )

    def _output(self, given: ArrayLike, n: int, role: str) -> NDArray[np.float64]:
        table = np.asarray(given, dtype=np.float64)
        c = 1 if self.classes is None else len(self.classes)
        if table.shape != (n, c) and not (self.classes is None and table.ndim == 2 and len(table) == n):
            raise InputError(f"outputs of {role} have shape {table.shape}; ({n}, {c}) is needed: test rows by classes.")
        if not np.isfinite(table).all():
            raise InputError(f"outputs of {role} hold values that are not finite.")
        return table

    def _truth(self, truth: NDArray[Any], n: int) -> NDArray[Any]:
        if truth.shape != (n,):
            raise InputError(f"truth has shape {truth.shape}; one entry for each of {n} test rows is needed.")
        if self.classes is None:
            if not np.isfinite(truth.astype(np.float64)).all():
                raise InputError(
                    "truth on test rows holds values that are not finite; test rows need truth, or none at all."
                )
            return truth
        c = len(self.classes)
        if not np.issubdtype(truth.dtype, np.integer) or (n and (truth.min() < 0 or truth.max() >= c)):
            raise InputError(f"truth on test rows must be class indices 0 to {c - 1}; leave out rows without truth.")
        return truth.astype(np.int64, copy=False)

    @property
    def evaluations(self) -> tuple[Evaluation, ...]:  # type: ignore[override]
        """The evaluation alone, as a cell of one seed."""
        return (self,)

    @classmethod
    def of(
        cls,
        ids: ArrayLike,
        outputs: Mapping[str, ArrayLike],
        truth: ArrayLike | None,
        *,
        metric: str = "accuracy",
        missing: Mapping[str, str] | None = None,
        **others: Any,
    ) -> Evaluation:
        """Score outputs against truth and hold both; without truth the outputs alone.

        Parameters
        ----------
        ids, outputs, truth
            As in the class; ``truth`` None leaves ``score`` empty and says so in ``missing``.
        metric : str
            One of ``metrics.ROW_METRICS``.
        missing, **others
            Further fields of the class.
        """
        if metric not in ROW_METRICS:
            known = metric in METRICS
            more = (
                f"; it is no mean over rows, use one of {', '.join(ROW_METRICS)}"
                if known
                else nearest(metric, ROW_METRICS)
            )
            raise InputError(f"metric {metric!r} cannot decide gain and PGR{more}")
        tables = {r: np.asarray(o, dtype=np.float64) for r, o in outputs.items()}
        reasons = dict(missing or {})
        if truth is None:
            reasons.setdefault("scores", "no truth on test rows")
            return cls(np.asarray(ids), {}, tables, None, metric=metric, missing=reasons, **others)
        score = {r: row_score(metric, o, truth) for r, o in tables.items()}
        return cls(np.asarray(ids), score, tables, np.asarray(truth), metric=metric, missing=reasons, **others)

    def with_role(self, role: str, output: ArrayLike) -> Evaluation:
        """Return the same with the predictions of one more role, scored where there is truth."""
        table = np.asarray(output, dtype=np.float64)
        score = dict(self.score)
        if self.truth is not None:
            score[role] = row_score(self.metric, table, self.truth, None if self.classes is None else len(self.classes))
        return replace(self, score=score, outputs={**(self.outputs or {}), role: table})

    def save(self, folder: str | Path) -> Path:
        """Write npy files and ``evaluation.json`` into a folder (made if absent); the JSON comes last, so a cut write cannot be loaded."""
        from outgrow.store import private_folder

        place = private_folder(Path(folder))
        arrays = {"ids": self.ids, "covered": self.covered}
        arrays |= {f"score.{r}": v for r, v in self.score.items()}
        arrays |= {f"outputs.{r}": v for r, v in (self.outputs or {}).items()}
        arrays |= {f"moment.{s}": v for s, v in self.moments.items()}
        if self.truth is not None:
            arrays["truth"] = self.truth
        if self.classes is not None:
            arrays["classes"] = self.classes
        for name, array in arrays.items():
            np.save(place / f"{name}.npy", array, allow_pickle=False)
        fields = {
            "format": _FORMAT,
            "arrays": sorted(arrays),
            "outputs": None if self.outputs is None else list(self.outputs),
            "score": list(self.score),
            "floors": dict(self.floors),
            "spent": self.spent,
            "metric": self.metric,
            "seed": self.seed,
            "cell": dict(self.cell),
            "missing": dict(self.missing),
            "unnamed": None if self.unnamed is None else list(self.unnamed),
            "expected": None if self.expected is None else dict(self.expected),
            "expected_from": self.expected_from,
            "direct_rows": self.direct_rows,
            "moments": list(self.moments),
            "stopped": self.stopped,
        }
        (place / "evaluation.json").write_text(json.dumps(fields, indent=1, allow_nan=False), encoding="utf-8")
        return place

    @classmethod
    def load(cls, folder: str | Path) -> Evaluation:
        """Read what :meth:`save` wrote.

        Raises
        ------
        StoreError
            A file is missing or cannot be read, or the format is another one.
        """
        place = Path(folder)
        try:
            fields = json.loads((place / "evaluation.json").read_text(encoding="utf-8"))
            if fields["format"] != _FORMAT:
                raise StoreError(
                    f"the evaluation is of format {fields['format']}, this version reads {_FORMAT}; run the study again."
                )
            arrays = {name: np.load(place / f"{name}.npy", allow_pickle=False) for name in fields["arrays"]}
            outputs = fields["outputs"]
            return cls(
                ids=arrays["ids"],
                score={r: arrays[f"score.{r}"] for r in fields["score"]},
                outputs=None if outputs is None else {r: arrays[f"outputs.{r}"] for r in outputs},
                truth=arrays.get("truth"),
                classes=arrays.get("classes"),
                covered=arrays["covered"],
                moments={s: arrays[f"moment.{s}"] for s in fields.get("moments", ())},
                stopped=fields.get("stopped"),
                unnamed=None if fields["unnamed"] is None else tuple(fields["unnamed"]),
                **{k: fields[k] for k in _PLAIN},
            )
        except (OSError, ValueError, KeyError, EOFError) as error:
            if isinstance(error, InputError):
                raise
            raise StoreError(
                f"the evaluation in folder {place.name!r} cannot be read ({type(error).__name__}); compute it again."
            ) from error


_PLAIN = ("floors", "spent", "metric", "seed", "cell", "missing", "expected", "expected_from", "direct_rows")


def _in_order(given: Mapping[str, Any]) -> list[str]:
    for role in given:
        if role not in ROLES:
            raise InputError(f"role {role!r} is unknown{nearest(role, ROLES)}")
    return [r for r in ROLES if r in given]


def _rows(given: ArrayLike, n: int, what: str) -> NDArray[np.float64]:
    values = np.asarray(given, dtype=np.float64)
    if values.shape != (n,):
        raise InputError(f"{what} have shape {values.shape}; one for each of {n} test rows is needed.")
    if not np.isfinite(values).all():
        raise InputError(f"{what} hold values that are not finite; leave out what could not be computed.")
    return values


class Cell(Measured):
    """The same task, supervisor, student and method over seeds, on identical test rows.

    Parameters
    ----------
    evaluations : sequence of Evaluation
        One a seed, in any order.

    Raises
    ------
    InputError
        No evaluation, other test rows (or another order), another cell, metric, classes, truth or grant, or a seed given twice.
    """

    def __init__(self, evaluations: Sequence[Evaluation]):
        given = tuple(sorted(evaluations, key=lambda e: e.seed))
        if not given:
            raise InputError("a cell needs at least one evaluation.")
        first = given[0]
        for e in given[1:]:
            # Without truth the rows are those set aside for choosing, which every seed draws anew; nothing on them is compared.
            compared = e.truth is not None or first.truth is not None
            if compared and not np.array_equal(e.ids, first.ids):
                raise InputError(
                    f"seeds {first.seed} and {e.seed} have other test rows, or the same in another order; PGR needs one test set."
                )
            for name in ("cell", "metric", "spent"):
                if getattr(e, name) != getattr(first, name):
                    raise InputError(f"seeds {first.seed} and {e.seed} differ in {name}; a cell holds one.")
            for name in ("classes", "truth"):
                ours, theirs = getattr(first, name), getattr(e, name)
                if (ours is None) != (theirs is None) or not np.array_equal(ours, theirs):
                    raise InputError(
                        f"seeds {first.seed} and {e.seed} differ in {name} on the test rows; a cell holds one."
                    )
        seeds = [e.seed for e in given]
        if len(set(seeds)) != len(seeds):
            raise InputError(f"a seed is given twice among {seeds}; each counts once.")
        self.evaluations = given

    def __len__(self) -> int:
        return len(self.evaluations)

    def __repr__(self) -> str:
        names = ", ".join(f"{k}={v!r}" for k, v in self._first.cell.items())
        return f"Cell({names}, seeds={self.n_seeds}, rows={self.n_rows})"
