"""What the fine-tuned fits of a study will take, for ``--dry-run``: nothing is fetched or made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from outgrow.studies.plan import Job
    from outgrow.studies.ready import Ready

__all__ = ["fine_tunes", "tuned_cost"]

_SAMPLE = 500


def tuned_cost(ready: Ready, jobs: Sequence[Job]) -> tuple[float | None, int, int, list[str]]:
    """Estimate the fine-tuned fits of jobs that are not stored.

    Parameters
    ----------
    ready : Ready
    jobs : sequence of Job
        Those to be done.

    Returns
    -------
    seconds, bytes, jobs, notes
        Of all such fits together, None where a model's size is not known before it is fetched; memory of the largest; how many of the jobs
        have such a fit; one sentence a model and kind of job.
    """
    fits = [(job, tuned) for job in jobs if (tuned := _fits(ready, job))]
    if not fits:
        return 0.0, 0, 0, []
    from outgrow.learners.finetune_estimate import FitCost, fit_cost

    tokens, longest = _tokens(ready)
    found: dict[tuple[str, str], list[FitCost | None]] = {}
    for job, tuned in fits:
        for learner, rows, read in tuned:
            key = (_name(learner), f"{job.kind} on {rows:,} rows")
            cost = found[key][0] if key in found else fit_cost(learner, rows, tokens, read, longest)
            found.setdefault(key, []).append(cost)
    every = [cost for costs in found.values() for cost in costs]
    known = [cost for cost in every if cost is not None]
    notes = []
    for (name, what), costs in found.items():
        one, count = costs[0], f"{len(costs)} {'fits' if len(costs) > 1 else 'fit'}"
        if one is None:
            notes.append(f"{name}, {what}: {count}; how long is not known before the model is fetched.")
            continue
        memory = f"{one.bytes / 1e9:.1f} GB"
        notes.append(f"{name}, {what}: about {max(1, round(one.seconds)):,} s and {memory} of memory a fit, {count}.")
    seconds = None if len(known) < len(every) else sum(cost.seconds for cost in known)
    return seconds, max((cost.bytes for cost in known), default=0), len(fits), notes


def fine_tunes(ready: Ready, job: Job) -> bool:
    """Say whether a job trains a transformer."""
    return bool(_fits(ready, job))


def _fits(ready: Ready, job: Job) -> list[tuple[Any, int, int]]:
    """Return the fine-tuned learners of a job, the rows each learns and the rows it answers for."""
    from outgrow.studies.work import build_method

    if job.kind not in ("labels", "reference", "student") or "seed" not in job.spec:
        return []
    roles = ready.roles[job.spec["seed"]]
    teach, transfer, test, n = len(roles.teach), len(roles.transfer), len(roles.test), len(ready.task)
    if job.kind == "labels":
        one = ready.supervisors.get(job.spec["supervisor"])
        learner = getattr(one, "learner", None)
        if not _tuned(learner):
            return []
        folds = getattr(one, "folds", 0)
        again = [(learner, teach * (folds - 1) // folds, teach // folds)] * folds if folds else []
        return [(learner, teach, n), *again]
    method = build_method(job.spec["method"], job.spec["learner"])
    if job.kind == "reference":
        sizes = [teach] if ready.study.ceiling == "teach" else [teach, transfer]
        learner = method.reference()
        return [(learner, rows, test) for rows in sizes if rows] if _tuned(learner) else []
    links = method.links() if hasattr(method, "links") else [method.reference()]
    read = [transfer] * (len(links) - 1) + [n]
    return [(link, transfer, rows) for link, rows in zip(links, read, strict=True) if _tuned(link)]


def _tuned(learner: Any) -> bool:
    return bool(getattr(learner, "reads_inputs", False))


def _name(learner: Any) -> str:
    from outgrow.studies.tuned import shown

    told = {k: v for k in ("lora", "layers", "epochs") if (v := getattr(learner, k)) not in (None, "all", 1)}
    return shown(learner.model, told, {})


def _tokens(ready: Ready) -> tuple[float, float]:
    """Return the mean tokens of a text and those of the longest, guessed as encoders do: four characters a token."""
    inputs = ready.task.inputs
    sample = [len(inputs[i]) / 4 + 1 for i in range(0, len(inputs), max(1, len(inputs) // _SAMPLE))]
    return sum(sample) / max(len(sample), 1), max(sample, default=0.0)
