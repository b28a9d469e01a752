"""A number with its doubt, or the reason why it has none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Interval", "Undefined", "from_dict", "number"]


def number(value: float, sign: bool = False) -> str:
    """Write a score shortly: three decimals without the leading zero below 1 (``.736``), else three significant digits or a whole number.

    Examples
    --------
    >>> number(0.7364), number(-0.0214, sign=True), number(12.345), number(1.0)
    ('.736', '-.021', '12.3', '1.000')
    """
    size = abs(value)
    if size < 9.9995:
        text = f"{size:.3f}"
        text = text[1:] if text.startswith("0.") else text
    else:
        text = f"{size:.1f}" if size < 99.95 else f"{size:,.0f}"
    shown_zero = not any(c in "123456789" for c in text)
    mark = "" if shown_zero else "-" if value < 0 else "+" if sign else ""
    return mark + text


@dataclass(frozen=True)
class Interval:
    """A mean (or ratio of means) and the interval that holds it at ``level``.

    Parameters
    ----------
    mean, low, high : float
        Estimate and limits, in the unit of the scores.
    level : float
        Confidence level, .95 unless asked otherwise.
    n_rows, n_seeds : int
        Test rows and seeds behind it. With ``n_seeds`` 1 the interval is over new rows only.
    df : float
        Satterthwaite's degrees of freedom of the variance (for a ratio: that of ``numerator - ratio * denominator``); for information, the
        half width uses those of its parts.
    """

    mean: float
    low: float
    high: float
    level: float
    n_rows: int
    n_seeds: int
    df: float

    @property
    def defined(self) -> bool:
        """True; the counterpart of :class:`Undefined`."""
        return True

    @property
    def value(self) -> float:
        """The estimate, under the name that :class:`Undefined` has too."""
        return self.mean

    @property
    def reason(self) -> str:
        """Empty; the counterpart of :class:`Undefined`."""
        return ""

    def above(self, bound: float = 0.0) -> bool:
        """Whether the whole interval lies above ``bound``."""
        return self.low > bound

    def below(self, bound: float = 0.0) -> bool:
        """Whether the whole interval lies below ``bound``."""
        return self.high < bound

    def text(self, sign: bool = False) -> str:
        """Write ``.736 [.721, .751]``; ``sign=True`` writes plus signs."""
        return f"{number(self.mean, sign)} [{number(self.low, sign)}, {number(self.high, sign)}]"

    def flipped(self) -> Interval:
        """Return the interval of minus the quantity."""
        return Interval(-self.mean, -self.high, -self.low, self.level, self.n_rows, self.n_seeds, self.df)

    def as_dict(self) -> dict[str, Any]:
        """Return plain numbers, for JSON."""
        return {
            "mean": self.mean,
            "low": self.low,
            "high": self.high,
            "level": self.level,
            "n_rows": self.n_rows,
            "n_seeds": self.n_seeds,
            "df": self.df,
        }

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Interval:
        """Rebuild from :meth:`as_dict`."""
        return cls(**{name: fields[name] for name in cls.__dataclass_fields__})


@dataclass(frozen=True)
class Undefined:
    """A quantity that has no interval, with the reason in one sentence.

    Parameters
    ----------
    reason : str
        Why, for a person.
    value : float, optional
        The estimate where there is one (all rows alike); None where even that means nothing (PGR of a gap that may be 0).
    """

    reason: str
    value: float | None = None

    @property
    def defined(self) -> bool:
        """False; the counterpart of :class:`Interval`."""
        return False

    def above(self, bound: float = 0.0) -> bool:
        """False: nothing is shown."""
        return False

    def below(self, bound: float = 0.0) -> bool:
        """False: nothing is shown."""
        return False

    def text(self, sign: bool = False) -> str:
        """Write the value if there is one, else ``undefined``."""
        return "undefined" if self.value is None else number(self.value, sign)

    def flipped(self) -> Undefined:
        """Return the same of minus the quantity."""
        return Undefined(self.reason, None if self.value is None else -self.value)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return {"reason": self.reason, "value": self.value}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Undefined:
        """Rebuild from :meth:`as_dict`."""
        return cls(fields["reason"], fields.get("value"))


def from_dict(fields: Mapping[str, Any]) -> Interval | Undefined:
    """Rebuild an Interval or Undefined from its ``as_dict()``."""
    return Undefined.from_dict(fields) if "reason" in fields else Interval.from_dict(fields)
