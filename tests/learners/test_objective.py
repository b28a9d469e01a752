from __future__ import annotations

import numpy as np
import torch

from outgrow.learners.objective import CrossEntropy, Squared, combine, weak_tensor
from outgrow.tasks.labels import Source, WeakLabels


def test_combine_is_the_mean_over_those_that_cover_a_row():
    table = WeakLabels(
        np.arange(3),
        np.array([[[0.2, 0.8], [0.6, 0.4]], [[1.0, 0.0], [9.0, 9.0]], [[7.0, 7.0], [7.0, 7.0]]]),
        np.array([[True, True], [True, False], [False, False]]),
        np.array(["a", "b"]),
        (Source("one"), Source("two")),
    )
    combined = combine(weak_tensor(table))
    np.testing.assert_allclose(combined[:2].numpy(), [[0.4, 0.6], [1.0, 0.0]])
    assert torch.isnan(combined[2]).all()
    np.testing.assert_allclose(combined[:2].numpy(), table.one()[0][:2])


def test_weak_tensor_leaves_the_table_alone():
    table = WeakLabels.from_names(["a", None], ["a", "b"])
    before = table.probs.copy()
    assert torch.isnan(weak_tensor(table)[1]).all()
    np.testing.assert_array_equal(table.probs, before)


def test_row_losses_have_their_textbook_values():
    logits = torch.tensor([[0.0, 0.0], [2.0, -1.0]], dtype=torch.float64)
    targets = torch.tensor([[0.3, 0.7], [1.0, 0.0]], dtype=torch.float64)
    expected = [np.log(2), np.log(1 + np.exp(-3))]
    np.testing.assert_allclose(CrossEntropy().rows(logits, targets).numpy(), expected)
    np.testing.assert_allclose(Squared().rows(logits, targets).numpy(), [0.5 * (0.09 + 0.49), 0.5 * (1 + 1)])


def test_fixed_objectives_do_not_read_logits_or_progress():
    weak = torch.rand((4, 2, 3), dtype=torch.float64)
    weight = torch.ones(4)
    first, w1, _ = CrossEntropy().targets(torch.zeros(4, 3), weak, weight, 0.0, {})
    second, w2, _ = CrossEntropy().targets(torch.ones(4, 3), weak, weight, 1.0, {})
    assert torch.equal(first, second)
    assert torch.equal(w1, w2)
    assert not CrossEntropy.moves
