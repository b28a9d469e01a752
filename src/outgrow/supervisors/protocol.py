"""What every supervisor is, and the few things that several of them do alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from outgrow.errors import LabelsError
from outgrow.tasks.labels import WeakLabels, check_names
from outgrow.tasks.rows import INPUTS, Rows

__all__ = ["Supervisor", "as_truth", "by_name", "inputs_seen", "name_codes"]


@runtime_checkable
class Supervisor(Protocol):
    """Whatever gives weak labels.

    A scikit-learn estimator: the constructor only stores, ``clone`` works, state ends in ``_``. One that learns also has
    ``fit(rows, truth) -> Self``, where ``rows`` are the teach rows and ``truth`` a table of one-hot truth
    (:class:`~outgrow.tasks.labels.WeakLabels`, aligned by id); rules, files and finished models have none.

    Attributes
    ----------
    name : str
        Shown in tables.
    on : str or None
        The view it reads; None when it reads no view.
    needs_truth : bool
        Whether ``fit`` must be called with truth before ``label``.
    """

    needs_truth: bool

    @property
    def name(self) -> str:
        """Shown in tables."""
        ...

    @property
    def on(self) -> str | None:
        """The view it reads."""
        ...

    def label(self, rows: Rows) -> WeakLabels:
        """Label all the rows given, in their order."""
        ...


def as_truth(rows: Rows, truth: Any, who: str) -> WeakLabels:
    """Return the truth of these rows as a table of one source, whatever it was given as.

    Parameters
    ----------
    rows : Rows
        The teach rows.
    truth : WeakLabels, or array of shape (n,)
        A table is aligned by id and may hold more rows. An array stands in the order of the rows: floats are values, anything else
        class names, whose different ones are the classes.
    who : str
        The supervisor, for the sentence.

    Raises
    ------
    LabelsError
        Another number of truths than of rows, or several sources.
    TaskError
        A row that the table lacks.
    """
    if isinstance(truth, WeakLabels):
        if truth.supervisors != 1:
            raise LabelsError(
                f"supervisor {who!r} needs one truth a row, and the table given has {truth.supervisors} sources"
            )
        return truth.at(rows.ids)
    array = np.asarray(truth)
    if array.shape != (len(rows),):
        raise LabelsError(
            f"supervisor {who!r} was given {len(rows)} rows and truth of shape {array.shape}; give one truth a row"
        )
    if array.dtype.kind == "f":
        return WeakLabels.from_probs(array, None, ids=rows.ids, source="truth")
    known = [x for x in array.tolist() if x is not None and x != ""]
    classes = np.unique(known) if known else np.array([], dtype=str)
    return WeakLabels.from_names(array.tolist(), classes, ids=rows.ids, source="truth")


def by_name(probs: NDArray[Any], have: Iterable[Any], classes: NDArray[Any], who: str) -> NDArray[np.float64]:
    """Move columns of probabilities to the task's classes by name; a class that the model never saw gets zeros.

    Parameters
    ----------
    probs : ndarray of shape (n, k)
    have : iterable of k class names
        Of the columns.
    classes : ndarray of shape (c,)
        The task's.
    who : str
        The supervisor, for the sentence.

    Returns
    -------
    ndarray of shape (n, c)

    Raises
    ------
    LabelsError
        For a column that is no class of the task, or another number of columns than of names.
    """
    names = [str(x) for x in have]
    if probs.ndim != 2 or probs.shape[1] != len(names):
        raise LabelsError(f"supervisor {who!r} gives probabilities of shape {probs.shape} for {len(names)} classes")
    check_names(names, classes, f"supervisor {who!r}")
    place = {str(c): i for i, c in enumerate(classes)}
    out = np.zeros((len(probs), len(classes)))
    for column, name in enumerate(names):
        out[:, place[name]] += probs[:, column]
    return out


def inputs_seen(rows: Rows) -> frozenset[str]:
    """Return the texts of the task, so that no message quotes one; empty where inputs are not texts."""
    view = rows.views.get(INPUTS)
    if view is None or view.matrix:
        return frozenset()
    return frozenset(x for x in view.values if isinstance(x, str))


def name_codes(
    names: Sequence[Any], classes: NDArray[Any], where: Sequence[str] | str, *, secret: frozenset[str] = frozenset()
) -> NDArray[np.int64]:
    """Translate class names to their index, -1 for an abstention, and quote nothing that may be an input.

    Parameters
    ----------
    names : sequence of n
        None, "" and NaN abstain.
    classes : ndarray of shape (c,)
        The task's.
    where : str, or sequence of n str
        What each name comes from, for the sentence.
    secret : frozenset of str
        Texts that no message may quote.

    Raises
    ------
    LabelsError
        For a name that is no class, one that differs from a class by case or spaces only, and a list in one cell.
    """
    place = {str(c): i for i, c in enumerate(classes)}
    folded = {name.strip().casefold() for name in place}
    codes = np.full(len(names), -1, dtype=np.int64)
    for row, name in enumerate(names):
        if name is None or (isinstance(name, str) and not name):
            continue
        here = where if isinstance(where, str) else where[row]
        if isinstance(name, list | tuple | set | frozenset | dict | np.ndarray) or _looks_like_list(name, place):
            raise LabelsError(f"the label at {here} is a list; one task has one label a row, so run one task per label")
        if type(name).__name__ in ("NAType", "NaTType") or name != name:
            continue
        code = place.get(str(name), -1)
        if code < 0:
            text = str(name)
            if text.strip().casefold() not in folded and (text in secret or len(text) > _LONGEST):
                raise LabelsError(
                    f"the label at {here} is a text of {len(text)} characters that is no class of this task; "
                    "there is " + ", ".join(repr(c) for c in list(place)[:12])
                )
            check_names([text], classes, here)
        codes[row] = code
    return codes


_LONGEST = 60


def _looks_like_list(name: Any, known: Any) -> bool:
    if not isinstance(name, str) or name in known:
        return False
    text = name.strip()
    return len(text) > 1 and text[0] + text[-1] in ("[]", "{}")
