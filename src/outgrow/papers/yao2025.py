"""Yao et al. 2025, arXiv 2502.11107 (reverse divergences), and the algebra of losses against detached targets that our card derives.

Their figures, read second-hand: 30 % label noise, GPT-2 base to medium, 81.7 (forward) against 90.0 (reverse); no gain at 50 % noise.
The algebra is derived in our card, not taken from a paper; EleutherAI's ``entropy`` option has the soft self-target of the first claim.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outgrow.papers.claim import Claim, Measurement

__all__ = ["CLAIMS", "hard_target", "product_point", "soft_target"]

STEP = 1e-5
CLOSE = 1e-8
Values = NDArray[np.float64]


def _gradient(loss: Callable[..., float], at: Values, *given: Any) -> Values:
    """Return the central difference of loss(logits, *given) at logits (n, c)."""
    slope = np.empty_like(at)
    for place in np.ndindex(at.shape):
        up, down = at.copy(), at.copy()
        up[place] += STEP
        down[place] -= STEP
        slope[place] = (loss(up, *given) - loss(down, *given)) / (2 * STEP)
    return slope


def _softmax(z: Values) -> Values:
    e = np.exp(z - z.max(-1, keepdims=True))
    return np.asarray(e / e.sum(-1, keepdims=True))


def _cross_entropy(z: Values, target: Values) -> float:
    return float(-(target * np.log(_softmax(z))).sum())


def _draw(seed: int, c: int = 4) -> tuple[Values, Values, float]:
    random = np.random.default_rng(seed)
    return random.normal(size=(6, c)), random.dirichlet(np.ones(c), 6), float(random.uniform(0.1, 0.9))


def soft_target(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Compare the gradient against a detached soft self-target with plain cross-entropy's, scaled; and our entropy's with its own."""
    import torch

    from outgrow.methods.divergence import Entropy

    worst, table = 0.0, []
    for seed in seeds:
        z, y, share = _draw(seed)
        target = (1 - share) * y + share * _softmax(z)
        plain = (1 - share) * (_softmax(z) - y)
        off = np.abs(_gradient(_cross_entropy, z, target) - plain).max()
        logits = torch.tensor(z, requires_grad=True)
        Entropy(share).rows(logits, torch.tensor(y)).sum().backward()
        assert logits.grad is not None
        ours = logits.grad.numpy()
        code = np.abs(_gradient(_mixed, z, y, share) - ours).max()
        worst = max(worst, float(off), float(code))
        table.append(
            {"seed": seed, "largest deviation": max(off, code), "of a true entropy": np.abs(ours - plain).max()}
        )
    apart = min(float(row["of a true entropy"]) for row in table)
    note = f"Our entropy, differentiated through, differs from that gradient by at least {apart:.2f} on every seed."
    return Measurement.exact(worst, "largest deviation of a logit gradient", CLOSE, table=table, note=note)


def _mixed(z: Values, y: Values, share: float) -> float:
    p = _softmax(z)
    return float(-(((1 - share) * y + share * p) * np.log(p)).sum())


def hard_target(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Compare the gradient of the confidence loss, from its own code, with p - T."""
    import torch

    from outgrow.methods.confidence import ConfidenceObjective

    worst, table = 0.0, []
    for seed in seeds:
        z, y, share = _draw(seed, 2)
        moving = ConfidenceObjective(share, 0.0, "weak")
        weak, weight = torch.tensor(y)[:, None, :], torch.ones(len(y), dtype=torch.float64)
        made = moving.targets(torch.tensor(z), weak, weight, 1.0, {})[0].numpy()
        off = np.abs(_gradient(_cross_entropy, z, made) - (_softmax(z) - made)).max()
        plain = np.abs(_softmax(z) - made - (1 - share) * (_softmax(z) - y)).max()
        worst = max(worst, float(off))
        table.append({"seed": seed, "largest deviation": off, "from plain cross-entropy": plain})
    least = min(float(row["from plain cross-entropy"]) for row in table)
    note = f"It differs from plain cross-entropy at a smaller step by at least {least:.2f} on every seed."
    return Measurement.exact(worst, "largest deviation of a logit gradient", CLOSE, table=table, note=note)


def product_point(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Descend the product loss from a random start, and compare where it stops with y^(alpha / (1 - beta))."""
    import torch

    from outgrow.methods.divergence import Product

    worst, table = 0.0, []
    for seed in seeds:
        z, y, _ = _draw(seed)
        random = np.random.default_rng([seed, 1])
        alpha, beta = random.uniform(0.5, 2.0), random.uniform(0.0, 0.8)
        loss = Product(1.0, alpha, beta)
        weak, weight = torch.tensor(y)[:, None, :], torch.ones(len(y), dtype=torch.float64)
        # One step of size 1 in the logits towards log T is the fixed-point iteration z <- log T(z), a contraction by beta.
        for _ in range(400):
            z = np.log(loss.targets(torch.tensor(z), weak, weight, 1.0, {})[0].numpy())
        target = loss.targets(torch.tensor(z), weak, weight, 1.0, {})[0].numpy()
        slope = np.abs(_gradient(_cross_entropy, z, target)).max()
        sharp = y ** (alpha / (1 - beta))
        off = max(float(np.abs(_softmax(z) - sharp / sharp.sum(-1, keepdims=True)).max()), float(slope))
        worst = max(worst, off)
        table.append({"seed": seed, "alpha": alpha, "beta": beta, "largest deviation": off})
    note = "At beta 1, the public default, logits grow without end unless labels are uniform; our method refuses it."
    return Measurement.exact(worst, "largest deviation of a probability, or slope there", CLOSE, table=table, note=note)


_ALGEBRA = {"paper": "yao2025", "subject": "divergence", "bound": f"largest deviation at most {CLOSE:g}", "cost": 2.0}
CLAIMS = (
    Claim(
        name="soft_self_target",
        statement="Mixing a student's own detached soft answer into its target is plain cross-entropy at a smaller step, no entropy.",
        measure=soft_target,
        seeds=range(100, 110),
        **_ALGEBRA,  # type: ignore[arg-type]
    ),
    Claim(
        name="hard_self_target",
        statement="The confidence loss has the logit gradient p - T with T its mixed hard target, which is not cross-entropy's.",
        measure=hard_target,
        seeds=range(100, 110),
        **_ALGEBRA,  # type: ignore[arg-type]
    ),
    Claim(
        name="product_stands_still",
        statement="The product loss stands still where p is proportional to y^(alpha / (1 - beta)): it sharpens the weak labels.",
        measure=product_point,
        seeds=range(100, 110),
        **_ALGEBRA,  # type: ignore[arg-type]
    ),
)
