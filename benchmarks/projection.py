"""The projection metric: the small form against the n x n eigendecomposition.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/projection.py --out docs/benchmarks-projection.md
    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/projection.py --quick

Both sides get the same two views (power-law spectra, partly shared latents) and give the operator and the Frobenius norm at every cut-off.
The n x n side decomposes both kernels once and takes all norms from the eigenvectors that are kept, so what is compared is the
decomposition and not the norm of a dense matrix. CPU seconds of this process. Exits with 1 when a bar is missed (bars hold for the full
size only).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outgrow.forecasts.projection import ALPHAS, BETAS, projection_grid

Floats = NDArray[np.float64]
FULL, QUICK = (4000, 576, 256), (600, 96, 48)
FASTER, EQUAL = 50.0, 1e-3


def views(n: int, strong: int, weak: int) -> tuple[Floats, Floats]:
    """A student's view of all latents, and a supervisor's of some, both turned and noisy."""
    random = np.random.default_rng(0)
    latent = random.normal(size=(n, strong)) * np.arange(1, strong + 1) ** -0.5
    seen = random.choice(strong, weak, replace=False)
    turn = np.linalg.qr(random.normal(size=(strong, strong)))[0]
    return latent @ turn, latent[:, seen] + 0.1 * random.normal(size=(n, weak))


def large(weak: Floats, strong: Floats) -> list[tuple[float, float]]:
    """The metric from the eigenvectors of both kernels."""
    n = len(strong)
    sides = []
    for view in (strong, weak):
        h = view - view.mean(axis=0)
        sides.append(np.linalg.eigh(h @ h.T / n))
    out = []
    for alpha in ALPHAS:
        for beta in BETAS:
            (s, u), (w, v) = (_kept(values, vectors, alpha, beta, n) for values, vectors in sides)
            between = u.T @ v
            square = s[:, None] * (np.eye(len(s)) - (between * (2 * w - w**2)) @ between.T) * s
            out.append((float(np.sqrt(np.linalg.eigvalsh(square)[-1])), float(np.trace(square)) / n))
    return out


def _kept(values: Floats, vectors: Floats, alpha: float, beta: float, n: int) -> tuple[Floats, Floats]:
    kept = values >= max(alpha, 1e-12) * values[-1]
    ridge = (beta * values.sum() + values[~kept].sum()) / n
    return values[kept] / (values[kept] + ridge), vectors[:, kept]


def seconds(call: Callable[..., Any], *given: Any) -> tuple[float, Any]:
    started = time.process_time()
    out = call(*given)
    return time.process_time() - started, out


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    n, d_s, d_w = QUICK if options.quick else FULL
    strong, weak = views(n, d_s, d_w)
    ours = [seconds(projection_grid, weak, strong) for _ in range(3)]
    took, grid = min(t for t, _ in ours), ours[0][1]
    theirs, other = seconds(large, weak, strong)
    apart = max(max(abs(c.operator - a), abs(c.frobenius - b)) for c, (a, b) in zip(grid, other, strict=True))
    ratio = theirs / took
    lines = [
        "# The projection metric",
        "",
        f"`benchmarks/projection.py`: {n:,} rows, a student's view of {d_s} columns and a supervisor's of {d_w}, "
        f"{len(grid)} cut-offs, one thread.",
        "",
        "| form | CPU seconds |",
        "| --- | ---: |",
        f"| small: d x d, the whole grid (best of 3) | {took:.2f} |",
        f"| both n x n kernels decomposed, the same grid | {theirs:.1f} |",
        "",
        f"The small form is {ratio:.0f} times faster (wanted: {FASTER:.0f}); the largest difference of any figure is {apart:.1e} "
        f"(wanted: at most {EQUAL:g}).",
    ]
    print("\n".join(lines))
    if options.out:
        options.out.write_text("\n".join(lines) + "\n", "utf-8")
    return int(not options.quick and (ratio < FASTER or apart > EQUAL))


if __name__ == "__main__":
    sys.exit(main())
