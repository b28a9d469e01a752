"""A finding: what an audit of a finished student says, in a sentence and a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pandas as pd

    from outgrow.scores.evaluation import Cell

__all__ = ["Audit", "Finding"]


@dataclass(frozen=True, eq=False)
class Finding:
    """The result of one audit on one cell.

    Parameters
    ----------
    audit : str
        Name of the audit.
    cell : mapping
        Names of task, supervisor, student and method.
    sentence : str
        What a person should know.
    table : DataFrame
        The figures behind it, tidy.
    numbers : mapping of str to float
        The few figures to compare across cells.
    """

    audit: str
    cell: Mapping[str, str]
    sentence: str
    table: pd.DataFrame
    numbers: Mapping[str, float] = field(default_factory=dict)

    def frame(self) -> pd.DataFrame:
        """Return the table with the cell's names in front."""
        named = self.table.copy()
        for place, (name, value) in enumerate([("audit", self.audit), *self.cell.items()]):
            named.insert(place, name, value)
        return named


class Audit(Protocol):
    """What examines one cell. Truth reaches it only inside the cell's evaluations."""

    question: str

    def examine(self, cell: Cell) -> list[Finding]:
        """Return its findings; none where it does not apply."""
        ...


def names(cell: Any) -> dict[str, str]:
    """Return a cell's names as a plain dict."""
    return dict(cell.evaluations[0].cell)
