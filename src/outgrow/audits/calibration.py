"""Can the student's probabilities be believed? Reliability by confidence, and expected calibration error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from outgrow.audits.finding import Finding, names

if TYPE_CHECKING:
    from outgrow.scores.evaluation import Cell

__all__ = ["Calibration"]

BINS = 10


class Calibration:
    """Compare confidence (highest probability) with the share that is right, in ten bins of equal width, over all seeds' test rows.

    The expected calibration error is the mean gap over bins, weighted by their rows. Applies to tasks of classes.
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
            right = outputs.argmax(1) == np.concatenate([np.asarray(e.truth) for e in have])
            sure = outputs.max(1)
            place = np.minimum((sure * BINS).astype(int), BINS - 1)
            count = np.bincount(place, minlength=BINS)
            used = count > 0
            mean_sure = np.bincount(place, sure, BINS)[used] / count[used]
            mean_right = np.bincount(place, right, BINS)[used] / count[used]
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
