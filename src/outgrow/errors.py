"""Every error a person can meet.

::

    OutgrowError
    ├── InputError            what was given is wrong; the program exits with 2
    │   ├── TaskError         inputs, truth, roles, files that are read
    │   ├── LabelsError       weak labels, and their fit to the rows
    │   ├── NeedsError        a method, forecast or audit lacks what it needs
    │   └── StudyError        the study file
    ├── FetchError            an archive or model could not be obtained or is not what it should be
    ├── StoreError            the cache cannot be read or written
    └── MissingExtra          an optional dependency is not installed; also an ImportError

A message is one sentence: what, where, which value, what to do. It quotes class names, ids, columns and keys, never input text.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "FetchError",
    "InputError",
    "LabelsError",
    "MissingExtra",
    "NeedsError",
    "OutgrowError",
    "StoreError",
    "StudyError",
    "TaskError",
    "nearest",
]


class OutgrowError(Exception):
    """Base of all errors of this package."""


class InputError(OutgrowError, ValueError):
    """What was given is wrong; the sentence says what to change."""


class TaskError(InputError):
    """Inputs, truth or roles of a task are wrong."""


class LabelsError(InputError):
    """Weak labels are wrong, or belong to other rows."""


class NeedsError(InputError):
    """Something a method, forecast or audit needs was not given."""


class StudyError(InputError):
    """A study file says something that cannot be done."""


class FetchError(OutgrowError):
    """An archive or model could not be obtained, or is not what it should be."""


class StoreError(OutgrowError):
    """The cache folder cannot be read or written."""


class MissingExtra(OutgrowError, ImportError):
    """An optional dependency is missing.

    Parameters
    ----------
    what : str
        What was asked for, as the person wrote it.
    extra : str
        The extra of this package that brings the dependency.
    """

    def __init__(self, what: str, extra: str):
        super().__init__(f"{what} needs the extra '{extra}': pip install 'outgrow[{extra}]'")


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which known name is meant: ``"; did you mean 'body'?"`` or a list of what there is."""
    known = [str(k) for k in known]
    close = difflib.get_close_matches(str(name), known, n=1, cutoff=0.6)
    if not close:
        folded = {k.strip().casefold(): k for k in known}
        close = [folded[name.strip().casefold()]] if name.strip().casefold() in folded else []
    if close:
        return f"; did you mean {close[0]!r}?"
    listed = ", ".join(repr(k) for k in known[:12]) + (", ..." if len(known) > 12 else "")
    return f"; there is {listed}" if known else "; there is none"
