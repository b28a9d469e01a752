"""What a method must be given beyond rows and labels, said before any work; and a grant of truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outgrow.errors import NeedsError, nearest
from outgrow.fingerprints import fingerprint
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.rows import Rows

__all__ = ["Known", "Needs"]


@dataclass(frozen=True, eq=False)
class Known:
    """Truth that a study grants to a method. Its ids may overlap those of the transfer rows; there truth wins.

    It has no length on purpose: a search that sees a length equal to X's would slice it.

    Parameters
    ----------
    rows : Rows
        k rows.
    weak : WeakLabels
        Weak labels of these rows; out of fold where a supervisor saw their truth.
    truth : ndarray of shape (k,)
        Class index, or value.
    """

    rows: Rows
    weak: WeakLabels
    truth: NDArray[Any]

    def __post_init__(self) -> None:
        truth = np.asarray(self.truth)
        if truth.shape != self.rows.ids.shape or not np.array_equal(self.rows.ids, self.weak.ids):
            raise NeedsError(
                f"a grant needs rows, weak labels and truth of the same rows; given {len(self.rows)}, {len(self.weak)}, {len(truth)}"
            )
        object.__setattr__(self, "truth", truth)

    @property
    def spent(self) -> int:
        """How many rows of truth this grant costs."""
        return len(self.rows.ids)

    def fingerprint(self) -> str:
        """Name the grant by its content."""
        return fingerprint("known", self.rows, self.weak, self.truth)


@dataclass(frozen=True)
class Needs:
    """What ``fit`` must be given beyond X and y; computed from constructor parameters, before any data.

    Parameters
    ----------
    views : frozenset of str
        Views that must be among the rows' views.
    supervisor_view : bool
        Whether the supervisor's own features are read.
    supervisors : int
        The least number of supervisors, unreduced.
    known : bool
        Whether truth must be granted.
    select : bool
        Whether select rows with weak labels are read.
    own : bool
        Whether the strong model's own answers, given without truth, are read.
    own_if_asked : bool
        Whether they are read where the study asks for them, and done without where it does not.
    """

    views: frozenset[str] = frozenset()
    supervisor_view: bool = False
    supervisors: int = 1
    known: bool = False
    select: bool = False
    own: bool = False
    own_if_asked: bool = False

    def __or__(self, other: Needs) -> Needs:
        return Needs(
            self.views | other.views,
            self.supervisor_view or other.supervisor_view,
            max(self.supervisors, other.supervisors),
            self.known or other.known,
            self.select or other.select,
            self.own or other.own,
            self.own_if_asked or other.own_if_asked,
        )

    @property
    def plain(self) -> bool:
        """Whether rows and labels alone suffice, views aside: then ``fit(X, y)`` works on plain arrays."""
        return self == Needs(views=self.views, own_if_asked=self.own_if_asked)

    @property
    def reads_own(self) -> bool:
        """Whether own answers are of use."""
        return self.own or self.own_if_asked

    def check(
        self,
        who: str,
        views: Any,
        sources: Any,
        *,
        known: Any = None,
        select: Any = None,
        own: Any = None,
    ) -> None:
        """Raise one sentence that says what is missing and what there is.

        Parameters
        ----------
        who : str
            Name of the method, for the sentence.
        views : iterable of str
            Names of the views there are.
        sources : iterable of Source
            The supervisors' sources.
        known, select, own : object, optional
            What will be granted; None when nothing.

        Raises
        ------
        NeedsError
        """
        views = list(views)
        sources = list(sources)
        for view in sorted(self.views):
            if view not in views:
                raise NeedsError(f"{who} needs the view {view!r}{nearest(view, views)}")
        if len(sources) < self.supervisors:
            raise NeedsError(f"{who} needs {self.supervisors} supervisors, the study gives {len(sources)}")
        if self.supervisor_view:
            blind = [s.name for s in sources if s.view is None or s.view not in views]
            if blind:
                raise NeedsError(f"{who} needs the supervisor's features; {blind} has none")
        if self.known and known is None:
            raise NeedsError(
                f"{who} needs known= (truth that the study grants); grant it, or choose a method that spends none"
            )
        if self.select and select is None:
            raise NeedsError(f"{who} needs select= (select rows with weak labels); give the study select rows")
        if self.own and own is None:
            raise NeedsError(
                f"{who} needs own= (the strong model's own answers); have a student that reads a language model such as smollm2 on a "
                "task of texts and classes, and leave self: on"
            )
