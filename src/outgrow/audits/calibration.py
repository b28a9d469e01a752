"""Whether the student's probabilities can be believed: reliability by confidence, and expected calibration error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from outgrow.audits.finding import Finding, names
from outgrow.scores.metrics import ECE_BINS, choices

if TYPE_CHECKING:
    from outgrow.scores.evaluation import Cell

__all__ = ["Calibration"]


class Calibration:
    """Compare confidence (highest probability) with the share that is right, in 15 bins of equal width, over all seeds' test rows.

    The expected calibration error is :func:`outgrow.scores.metrics.ece` of all these rows. Applies to tasks of classes.
    """

    question = "Can the student's probabilities be believed?"

    def examine(self, cell: Cell) -> list[Finding]:
        """Return one finding; none without truth or in a value task."""
        import pandas as pd

        ready = [e for e in cell.evaluations if e.truth is not None and e.outputs and "student" in e.outputs]
        if not ready or ready[0].classes is None:
            return []
        parts, errors = [], {}
        for role in ("student", "floor", "ceiling"):
            have = [e for e in ready if e.outputs and role in e.outputs]
            if not have:
                continue
            outputs = np.concatenate([e.outputs[role] for e in have if e.outputs])
            truth = np.concatenate([np.asarray(e.truth) for e in have])
            right = choices(outputs)[np.arange(len(truth)), truth]
            sure = outputs.max(axis=1)
            place = np.clip(np.ceil(sure * ECE_BINS).astype(int) - 1, 0, ECE_BINS - 1)
            count = np.bincount(place, minlength=ECE_BINS)
            used = count > 0
            mean_sure = np.bincount(place, sure, ECE_BINS)[used] / count[used]
            mean_right = np.bincount(place, right, ECE_BINS)[used] / count[used]
            share = count[used] / count.sum()
            errors[role] = float((share * np.abs(mean_sure - mean_right)).sum())
            frame = pd.DataFrame({"role": role, "confidence": mean_sure, "accuracy": mean_right, "share": share})
            parts.append(frame)
            if role == "student":
                lean = float((share * (mean_sure - mean_right)).sum())
        way = "too sure" if lean > 0 else "not sure enough"
        off = errors["student"]
        close = off <= 0.03
        sentence = (
            f"The student's confidence is within {100 * off:.0f} points of its accuracy on average: it can be read as a probability."
            if close
            else f"The student's confidence is {100 * off:.0f} points from its accuracy on average ({way}): recalibrate it before use."
        )
        numbers = {f"ece_{role}": value for role, value in errors.items()}
        return [Finding("calibration", names(cell), sentence, pd.concat(parts, ignore_index=True), numbers)]
