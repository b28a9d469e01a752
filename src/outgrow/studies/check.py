"""The checks that every method passes, run on anybody's method: ``outgrow check-method module:Class``.

Each check is one function that returns a remark, or raises :class:`Failed` or :class:`Skipped`. They need nothing beyond what a study
needs, and take a few seconds, most of it scikit-learn's own estimator checks.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outgrow.errors import InputError, OutgrowError, nearest
from outgrow.methods.naive import Naive
from outgrow.studies.evaluate import grant
from outgrow.studies.ordinary import World, world
from outgrow.tasks.needs import Needs

__all__ = ["CHECKS", "Line", "check_method", "method_at"]

TRUTHS = ("none", "teach", "budget")
PARTS = ("needs", "check", "refuses", "fit", "reference", "said", "logits", "predict", "get_params")


class Failed(Exception):
    """A check that a method does not pass, with the sentence."""


class Skipped(Exception):
    """A check that does not apply, with the reason."""


@dataclass(frozen=True)
class Line:
    """What one check found.

    Parameters
    ----------
    check : str
        Its name.
    status : {"passed", "failed", "skipped"}
    sentence : str
        What is wrong, why it was skipped, or a remark; may be empty where it passed.
    """

    check: str
    status: str
    sentence: str = ""

    def as_dict(self) -> dict[str, str]:
        """Return plain values."""
        return {"check": self.check, "status": self.status, "sentence": self.sentence}


Check = Callable[["Subject"], "str | None"]


def method_at(place: str) -> type:
    """Import a class from ``module:Class``.

    Raises
    ------
    InputError
        When there is no such module or class.
    """
    module, _, name = place.partition(":")
    if not module or not name:
        raise InputError(f"name a method as module:Class, such as outgrow.methods.naive:Naive, not {place!r}")
    try:
        loaded = importlib.import_module(module)
    except Exception as error:  # anybody's code
        raise InputError(f"the module {module!r} cannot be imported ({type(error).__name__}: {error})") from error
    found = getattr(loaded, name, None)
    if not inspect.isclass(found):
        classes = [n for n, v in vars(loaded).items() if inspect.isclass(v) and v.__module__ == loaded.__name__]
        raise InputError(f"the module {module!r} has no class {name!r}{nearest(name, classes)}")
    return found


@dataclass(frozen=True)
class Subject:
    """The class that is checked, and what several checks share."""

    cls: Any

    @property
    def supervisors(self) -> int:
        """How many it needs."""
        return int(self.cls().needs().supervisors)

    @cached_property
    def world(self) -> World:
        """An ordinary task of two classes."""
        return world(supervisors=self.supervisors)

    @cached_property
    def fitted(self) -> Any:
        """The method at its defaults, fitted there."""
        return self.world.fit(self.cls(learner=self.world.head))


def check_method(cls: type, *, skip: tuple[str, ...] = ()) -> Iterator[Line]:
    """Run all checks on a class, one after the other.

    Parameters
    ----------
    cls : type
        Its constructor takes ``learner`` and has defaults for everything.
    skip : tuple of str
        Names of checks to leave out.
    """
    subject = Subject(cls)
    for name, check in CHECKS.items():
        if name in skip:
            continue
        line = _run(name, check, subject)
        yield line
        if name == "interface" and line.status == "failed":
            yield from (Line(n, "skipped", "the interface comes first") for n in CHECKS if n not in (name, *skip))
            return


def _run(name: str, check: Check, subject: Subject) -> Line:
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(None):
            warnings.simplefilter("ignore")
            return Line(name, "passed", check(subject) or "")
    except Skipped as reason:
        return Line(name, "skipped", str(reason))
    except Failed as found:
        return Line(name, "failed", str(found))
    except Exception as error:  # anybody's code
        return Line(name, "failed", _sentence(error))


def _sentence(error: BaseException) -> str:
    """Say an error on one line; the data here are made up, so that messages may be shown."""
    if isinstance(error, OutgrowError):
        return str(error)
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f" in {os.path.basename(place.tb_frame.f_code.co_filename)}, line {place.tb_lineno}" if place else ""
    message = " ".join(str(error).split())
    return f"{type(error).__name__}: {message}{where}" if message else f"{type(error).__name__}{where}"


# --- what a method is ---------------------------------------------------------------------------------------------------------------


def _interface(subject: Subject) -> str | None:
    cls = subject.cls
    if getattr(cls, "truth", None) not in TRUTHS:
        raise Failed(f"declare what truth it spends: truth = one of {', '.join(map(repr, TRUTHS))}")
    lacking = [part for part in PARTS if not callable(getattr(cls, part, None))]
    if lacking:
        raise Failed(f"it has no {lacking[0]}(); subclass outgrow.methods.method.OfLearner, which gives all but fit()")
    known = inspect.signature(cls).parameters
    if "learner" not in known:
        raise Failed("its constructor takes no learner")
    for name, parameter in known.items():
        if parameter.default is parameter.empty:
            raise Failed(f"the parameter {name!r} has no default; give every parameter one")
    off = getattr(cls, "off", None)
    if not isinstance(off, Mapping):
        raise Failed('declare the parameters under which it is naive: off = {"weight": 0}, say')
    for name in off:
        if name not in known:
            raise Failed(f"off names {name!r}, which is no parameter{nearest(str(name), known)}")
    if not (inspect.getdoc(cls) or "").strip():
        raise Failed("it has no docstring; the first line is what 'outgrow ls methods' shows")
    needs = cls().needs()
    if not isinstance(needs, Needs):
        raise Failed(f"needs() must return outgrow.tasks.needs.Needs, not {type(needs).__name__}")
    if needs.known and cls.truth == "none":
        raise Failed("it declares truth = 'none', and needs() asks for a grant of truth")
    cls().check()
    return None


def _constructor(subject: Subject) -> str | None:
    cls = subject.cls
    given = {name: object() for name in inspect.signature(cls).parameters}
    made = cls(**given)
    for name, value in given.items():
        if getattr(made, name, None) is not value:
            raise Failed(
                f"the constructor does not store {name!r} as it is given; check and convert it in check() or fit()"
            )
    more = sorted(set(vars(made)) - set(given))
    if more:
        raise Failed(f"the constructor sets {more[0]!r}, which is no parameter; what fit() learns ends in _")
    return None


def _clones(subject: Subject) -> str | None:
    from sklearn.base import clone

    w, method = subject.world, subject.fitted
    fresh = subject.cls(learner=w.head)
    if repr(method.get_params()) != repr(fresh.get_params()):
        raise Failed("fit() changes a parameter; learn into attributes that end in _")
    copy = clone(method)
    if any(key.endswith("_") for key in (*vars(copy), *vars(method.learner))):
        raise Failed("fit() fits the learner it was given, or a clone is fitted; fit clone(self._learner())")
    if copy.fingerprint() != fresh.fingerprint():
        raise Failed("a clone has another fingerprint; recipe() must depend on parameters only")
    return None


def _estimator(subject: Subject) -> str | None:
    from sklearn.utils.estimator_checks import check_estimator

    needs = subject.cls().needs()
    if not needs.plain:
        asked = {"known=": needs.known, "select=": needs.select, "the supervisor's features": needs.supervisor_view}
        what = [name for name, there in asked.items() if there]
        what += [f"{needs.supervisors} supervisors"] if needs.supervisors > 1 else []
        raise Skipped(f"it needs {' and '.join(what)}, which scikit-learn does not give")
    found = check_estimator(subject.cls(), on_skip=None, on_fail=None)
    failed = [line for line in found if line["status"] == "failed"]
    if failed:
        first = failed[0]
        more = f" ({len(failed)} of {len(found)} fail)" if len(failed) > 1 else ""
        raise Failed(f"{first['check_name']}: {_sentence(first['exception'])}{more}")
    return f"{len(found)} checks"


# --- what it may not do -------------------------------------------------------------------------------------------------------------


def _off(subject: Subject) -> str | None:
    cls = subject.cls
    tried = 0
    for case in ("", "abstaining", "few beside", "value"):
        w = world(case, supervisors=max(2, subject.supervisors))
        method = cls(learner=w.head, **cls.off)
        if _refusal(method, w):
            continue
        tried += 1
        weight = np.random.default_rng(2).uniform(0, 1, len(w.roles.transfer))
        ours = w.fit(method, sample_weight=weight)
        theirs = Naive(w.head).fit(*w.transfer, sample_weight=weight)
        if not np.array_equal(ours.logits(w.rows), theirs.logits(w.rows)):
            apart = float(np.abs(ours.logits(w.rows) - theirs.logits(w.rows)).max())
            shown = ", ".join(f"{k}={v!r}" for k, v in cls.off.items())
            told = CASES.get(case, "two supervisors")
            raise Failed(f"with {shown or 'its defaults'} the logits differ from naive's by up to {apart:.2g} ({told})")
    if not tried:
        raise Skipped("it refuses every task that was tried")
    return None


def _locked(subject: Subject) -> str | None:
    cls = subject.cls

    def outputs(other: bool) -> dict[str, Any]:
        # Made anew, so that nothing else alive holds the truth.
        w = world(supervisors=subject.supervisors)
        w = w.permuted() if other else w
        method = w.fit(cls(learner=w.head))
        granted = len(w.roles.teach) if method.needs().known else 0
        if getattr(method, "spent_", None) != granted:
            raise Failed(f"spent_ is {getattr(method, 'spent_', None)!r} and {granted} rows of truth were granted")
        found = {"logits": method.logits(w.rows), "what said() tells": method.said()}
        return found | {"the fingerprint": getattr(method, "fingerprint_", None)}

    one, two = outputs(False), outputs(True)
    for name, value in one.items():
        if not _same(value, two[name]):
            raise Failed(f"{name} changes with truth that was not granted")
    return None


def _twice(subject: Subject) -> str | None:
    w, one = subject.world, subject.fitted
    two = w.fit(subject.cls(learner=w.head))
    if not np.array_equal(one.logits(w.rows), two.logits(w.rows)):
        raise Failed("two fits on the same data differ; draw from numpy.random.default_rng(self.random_state)")
    if getattr(one, "fingerprint_", None) is None or one.fingerprint_ != two.fingerprint_:
        raise Failed("two fits on the same data have different or no fingerprint_; end fit() with self._train(...)")
    return None


def _weights(subject: Subject) -> str | None:
    cls = subject.cls
    w = subject.world
    rows, weak = w.transfer
    keep = np.random.default_rng(3).random(len(rows)) > 0.3

    def fit(*given: Any, **more: Any) -> Any:
        method = cls(learner=w.head)
        return method.fit(*given, **more, **grant(method, w.task, w.rows, w.weak, w.roles)).logits(w.rows)

    if not np.array_equal(fit(rows, weak, sample_weight=keep.astype(float)), fit(rows[keep], weak[keep])):
        raise Failed("rows of weight zero change the student; weigh every statistic, or leave such rows out first")
    return None


def _saved(subject: Subject) -> str | None:
    from outgrow.studies.student import load_head

    rows, method = subject.world.rows, subject.fitted
    with tempfile.TemporaryDirectory() as folder:
        method.student_.save(Path(folder) / "head")
        loaded = load_head(Path(folder) / "head")
    if not np.array_equal(loaded.logits(rows), method.logits(rows)):
        raise Failed("student_ was saved and loaded, and answers otherwise than the method")
    return None


def _tells(subject: Subject) -> str | None:
    told = subject.fitted.said()
    if not isinstance(told, dict) or not all(isinstance(k, str) and isinstance(v, float) for k, v in told.items()):
        raise Failed("said() must return a dict of names to numbers (float)")
    return None


# --- ordinary input -----------------------------------------------------------------------------------------------------------------

CASES = {
    "abstaining": "rows on which supervisors abstain",
    "few": "a supervisor that covers 5 % of the rows",
    "few beside": "a supervisor that covers 5 % of the rows, beside another",
    "never": "a class that nobody names",
    "value": "a value task",
}


def _refusal(method: Any, w: World) -> str | None:
    kind = w.task.kind
    said: str | None = method.refuses(kind, 0 if kind == "value" else len(w.task.classes), w.weak.sources)
    return said


def _taking(case: str = "", supervisors: int = 1, classes: int = 2) -> Check:
    """Return the check that a method takes such a task, or says beforehand that it does not."""

    def check(subject: Subject) -> str | None:
        least = subject.supervisors
        if case == "few" and least > 1:
            raise Skipped(f"it needs {least} supervisors; the next line has one that covers 5 %")
        w = world(case, max(supervisors, least), classes)
        method = subject.cls(learner=w.head)
        said = _refusal(method, w)
        if said is not None:
            return f"refused beforehand: {said}"
        before = [np.array(a) for a in _arrays(w)]
        try:
            w.fit(method)
        except OutgrowError as error:
            raise Failed(f"fit() refuses it, and refuses() does not say so: {error}") from error
        if not all(np.array_equal(a, b, equal_nan=True) for a, b in zip(before, _arrays(w), strict=True)):
            raise Failed("fit() writes into the features or labels it was given")
        _answers(method, w)
        return None

    return check


def _arrays(w: World) -> list[NDArray[Any]]:
    return [np.asarray(v.values) for v in w.rows.views.values()] + [w.weak.probs, w.weak.covered]


def _answers(method: Any, w: World) -> None:
    """Raise where a student's answers are not those of the task."""
    rows = w.rows.at(w.roles.test)
    if w.task.kind == "value":
        value = np.asarray(method.predict(rows))
        if value.shape != (len(rows),) or not np.isfinite(value).all():
            raise Failed(f"predict() must give {len(rows)} finite values")
        return
    if [str(c) for c in method.classes_] != [str(c) for c in w.task.classes]:
        raise Failed(f"classes_ is {list(method.classes_)}, and the task's classes are {w.task.classes.tolist()}")
    probs = np.asarray(method.predict_proba(rows))
    if probs.shape != (len(rows), len(w.task.classes)) or not np.allclose(probs.sum(axis=1), 1):
        raise Failed("predict_proba() must give one probability a class, summing to one")
    if not set(np.asarray(method.predict(rows)).tolist()) <= set(w.task.classes.tolist()):
        raise Failed("predict() must give names of the task's classes")


def _same(one: Any, two: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(_same(v, two[k]) for k, v in one.items())
    return bool(np.array_equal(one, two, equal_nan=isinstance(one, float | np.ndarray)))


CHECKS: dict[str, Check] = {
    "interface": _interface,
    "constructor stores": _constructor,
    "clone": _clones,
    "off value is naive": _off,
    "truth is locked": _locked,
    "same data, same bits": _twice,
    "rows of weight zero": _weights,
    "saved student loads": _saved,
    "what it learned": _tells,
    "abstaining rows": _taking("abstaining", 2),
    "a supervisor covers 5 %": _taking("few"),
    "one of several covers 5 %": _taking("few beside", 2),
    "a class nobody names": _taking("never", classes=3),
    "three classes": _taking(classes=3),
    "several supervisors": _taking(supervisors=3),
    "value task": _taking("value"),
    "scikit-learn": _estimator,
}
