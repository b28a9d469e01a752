"""Whether the best weakly taught student should be trained at all: its rivals, measured on teach rows, and the sentences of a choice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from outgrow.fingerprints import code_version, environment_key, fingerprint
from outgrow.forecasts.crossfit import out_of_fold
from outgrow.studies.plan import Cellwork, learner_spec, model_of, student_name, view_name
from outgrow.studies.study import StudentSpec
from outgrow.tasks.labels import WeakLabels

if TYPE_CHECKING:
    from outgrow.studies.ready import Ready

__all__ = ["Rival", "advise", "lost", "reason", "rival", "verdict"]

Floats = NDArray[np.float64]

FEWEST_TRUTHS = 20
SHIFT = 0.05
"""Loss of confidence from teach to transfer rows from which on they count as rows of different kinds."""


@dataclass(frozen=True)
class Rival:
    """A way without weak labels, against the best student, on the teach rows.

    Parameters
    ----------
    name : {"direct", "self"}
    student : str
        Whose view or model it is; it need not be that of the best line.
    accuracy, student_accuracy : float
        On teach rows; ``direct`` is cross-validated, so it learned from two thirds of them, and less what :func:`lost` says.
    low, high : float
        90 % interval of the difference, over teach rows.
    rows : int
    wins : bool
        Whether it is expected to beat the student.
    """

    name: str
    student: str
    accuracy: float
    student_accuracy: float
    low: float
    high: float
    rows: int
    wins: bool

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON value."""
        return asdict(self)


def lost(taught: NDArray[Any], elsewhere: NDArray[Any]) -> float:
    """Return how much accuracy ``direct`` loses from the teach rows to the rows it is meant for, by its own confidence.

    The difference of mean confidences estimates the difference of accuracies (Guillory et al. 2021, recalled); under 5 points it is taken
    for chance and is 0.

    Parameters
    ----------
    taught : array of shape (n, c)
        Cross-validated answers for the teach rows.
    elsewhere : array of shape (k, c)
        Answers for transfer rows.
    """
    drop = float(np.max(taught, axis=1).mean() - np.max(elsewhere, axis=1).mean())
    return drop if drop > SHIFT else 0.0


def verdict(right: NDArray[Any], student: NDArray[Any], less: float = 0.0) -> tuple[float, float, bool]:
    """Return the 90 % interval of a rival's accuracy less the student's, and whether the rival is expected to win.

    Parameters
    ----------
    right, student : array of shape (n,)
        Which teach rows each has right.
    less : float
        What the rival loses elsewhere.
    """
    apart = np.asarray(right, dtype=np.float64) - np.asarray(student, dtype=np.float64)
    half = 1.645 * float(np.sqrt((apart.var() + 1 / len(apart) ** 2) / len(apart)))
    mean = float(apart.mean()) - less
    return mean - half, mean + half, mean > 0


def rival(ready: Ready, works: Sequence[Cellwork], name: str, spec: StudentSpec) -> Rival | None:
    """Measure ``direct`` or ``self`` of one student's model against the students of one cell, on the teach rows of all seeds.

    Returns
    -------
    Rival or None
        None where there are fewer than 20 teach rows or one class in them, and for ``self`` where no model can be asked.
    """
    rights, students, less = [], [], []
    for work in works:
        teach = ready.roles[work.seed].teach
        truth = ready.task.truth_at(teach)
        if len(teach) < FEWEST_TRUTHS or len(np.unique(truth)) < 2 or ready.store.get(work.student) is None:
            continue
        if name == "direct":
            said = _direct(ready, spec, work.seed)
            answers, loses = said["teach"], lost(said["teach"], said["transfer"])
        elif (own := _own(ready, spec, teach)) is None:
            return None
        else:
            answers, loses = own, 0.0
        output = ready.outputs(work)[teach]
        rights.append(answers.argmax(axis=1) == truth)
        less.append(loses)
        students.append(output.argmax(axis=1) == truth)
    if not rights:
        return None
    right, student = np.concatenate(rights), np.concatenate(students)
    fall = float(np.mean(less))
    low, high, wins = verdict(right, student, fall)
    if len(rights) > 1:
        # Teach rows of several seeds are partly the same rows: the interval is that of one seed's.
        middle, wider = (low + high) / 2, np.sqrt(len(rights))
        low, high = middle - (middle - low) * wider, middle + (high - middle) * wider
    scores = float(right.mean()) - fall, float(student.mean())
    return Rival(name, student_name(spec, view_name(spec)), *scores, float(low), float(high), len(rights[0]), wins)


def _stored(ready: Ready, key: str, kind: str, make: Callable[[], dict[str, Floats]]) -> dict[str, Floats]:
    def write(folder: Path) -> None:
        for name, array in make().items():
            np.save(folder / f"{name}.npy", array)

    folder = ready.once(key, kind, write)
    return {file.stem: np.load(file, allow_pickle=False) for file in folder.glob("*.npy")}


def _direct(ready: Ready, spec: StudentSpec, seed: int) -> dict[str, Floats]:
    """Return the answers of ``direct``: cross-validated on ``teach`` rows, and for ``transfer`` rows."""
    from outgrow.studies.work import learner

    head = learner(learner_spec(spec, view_name(spec), ready.task.kind, seed))
    roles = ready.roles[seed]
    rows, table, there = ready.rows.at(roles.teach), ready.task.truth_table(roles.teach), ready.rows.at(roles.transfer)
    view, code = view_name(spec), code_version("outgrow.forecasts.crossfit")
    parts = [head, rows.key(view), table.fingerprint(), there.key(view), code, environment_key()]

    def make() -> dict[str, Floats]:
        fitted = clone(head).fit(rows, table)
        taught = out_of_fold(head, rows, table, float(fitted.penalty_))
        return {"teach": taught, "transfer": np.asarray(fitted.predict_proba(there))}

    return _stored(ready, fingerprint("direct on teach and transfer", *parts), "direct", make)


def _own(ready: Ready, spec: StudentSpec, teach: NDArray[np.int64]) -> Floats | None:
    question = ready.asked.get(model_of(spec.encoder))
    if question is None:
        return None

    def make() -> dict[str, Floats]:
        table: WeakLabels = question.label(ready.rows.at(teach))
        return {"answers": table.one(np.full(table.probs.shape[2], 1 / table.probs.shape[2]))[0]}

    parts = [question, ready.task.key, teach, environment_key()]
    return _stored(ready, fingerprint("self on teach", *parts), "self on teach", make)["answers"]


def reason(found: Mapping[str, float]) -> str:
    """Say in words what the statistics of one cell show."""
    said = [f"its student answers otherwise on {_percent(found['disagreement'])} of rows it did not learn from"]
    if np.isfinite(found["witness gain"]) and found["witnesses"]:
        moved = found["supervisors gain"]
        who = "the other supervisor" if found["witnesses"] < 1.5 else "other supervisors"
        if abs(moved) < 0.005:
            said.append(f"{who} side with neither")
        else:
            said.append(
                f"{who} agree with {'it' if moved > 0 else 'its supervisor'} more often, by {100 * abs(moved):.0f} points"
            )
    said.append(f"two heads on different rows agree on {_percent(found['stability'])}")
    return "; ".join(said)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def advise(best: Mapping[str, Any], ranked: Sequence[Mapping[str, Any]], rivals: Sequence[Rival]) -> tuple[str, str]:
    """Return the advice and its sentence."""
    who = f"{best['method']} on {best['student']}, taught by {best['supervisor']}"
    told = f"an expected gain of {100 * best['gain']:+.1f} points [{100 * best['gain_low']:+.1f}, {100 * best['gain_high']:+.1f}]"
    winning = sorted((r for r in rivals if r.wins), key=lambda r: r.student_accuracy - r.accuracy)
    if winning:
        first = winning[0]
        how = "Use your truth directly" if first.name == "direct" else "Ask the strong model itself"
        how += f", with {first.student}" if first.student != best["student"] else ""
        by = 100 * (first.accuracy - first.student_accuracy)
        doubt = "" if first.low > 0 else " (they cannot be told apart for certain)"
        return first.name, (
            f"{how}: on {first.rows} teach rows it is right more often than {who}, the best weakly taught student, by {by:.1f} points"
            f"{doubt}."
        )
    if not best["told"]:
        several = f" Among {len(ranked)} it ranks first." if len(ranked) > 1 else ""
        return "cannot tell", f"Cannot tell what {who} will gain: {best['reason']}.{several}"
    return "student", f"Train {who}: {told}."
