"""Ridgeless regression in subspaces: what the student inherits of its supervisor's variance (Dong et al. 2025, arXiv 2502.05075).

Rows ``z ~ N(0, I_D)``. The supervisor's features are ``z V_w`` (d_w of them), the student's ``z V_s`` (d_s), V orthonormal, ``overlap``
directions shared by both and the others orthogonal. The truth is linear in the shared directions, so neither model is biased:

    y = z u + noise,   noise ~ N(0, s2),   u in span V_w and span V_s

The supervisor is fitted by least squares on n rows with y, the student on N further rows with the supervisor's values.

**Known answer.** ``d_sw = |V_s' V_w|_F^2`` is the overlap, and with the finite-sample denominators of Gaussian rows

    E (weak - truth)^2    = s2 d_w / (n - d_w - 1)
    E (student - truth)^2 = s2 / (n - d_w - 1) [ d_sw + d_s / (N - d_s - 1) (d_w - d_sw) ]

(the paper has n and N for the denominators).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from outgrow.errors import InputError

__all__ = ["DongWorld", "dong_world", "simulated_variances"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class DongWorld:
    """Two subspaces and a truth in both.

    Parameters
    ----------
    weak, strong : ndarray of shape (D, d_w) and (D, d_s)
        Orthonormal columns.
    truth : ndarray of shape (D,)
    noise : float
        s2.
    """

    weak: Floats
    strong: Floats
    truth: Floats
    noise: float


def dong_world(
    seed: int, *, narrow: int = 20, wide: int = 60, overlap: int = 8, dimension: int = 100, noise: float = 1.0
) -> DongWorld:
    """Draw a world.

    Parameters
    ----------
    seed : int
    narrow, wide : int
        d_s of the student and d_w of the supervisor.
    overlap : int
        d_sw, from 1.
    dimension : int
        D.
    noise : float

    Raises
    ------
    InputError
        When the subspaces do not fit.
    """
    if not 0 < overlap <= min(narrow, wide) or narrow + wide - overlap > dimension:
        raise InputError(
            f"subspaces of {narrow} and {wide} directions with {overlap} in common do not fit into {dimension} dimensions"
        )
    random = np.random.default_rng([seed, 0])
    basis = np.linalg.qr(random.normal(size=(dimension, dimension)))[0]
    shared = basis[:, :overlap]
    weak = basis[:, :wide]
    strong = np.column_stack([shared, basis[:, wide : wide + narrow - overlap]])
    # Turned within its own span, so that no column is a shared direction by itself.
    weak = weak @ np.linalg.qr(random.normal(size=(wide, wide)))[0]
    strong = strong @ np.linalg.qr(random.normal(size=(narrow, narrow)))[0]
    return DongWorld(weak, strong, shared @ random.normal(size=overlap), noise)


def simulated_variances(
    world: DongWorld, seed: int, *, teach: int = 300, transfer: int = 200, draws: int = 200
) -> tuple[float, float]:
    """Return the mean squared errors of supervisor and student, which are variances here, over draws of all rows.

    Errors are exact for each draw: rows to come are standard normal, so an error is the squared distance of coefficients.
    """
    random = np.random.default_rng([seed, 1])
    dimension = len(world.truth)
    errors = []
    for _ in range(draws):
        z = random.normal(size=(teach, dimension))
        y = z @ world.truth + np.sqrt(world.noise) * random.normal(size=teach)
        weak = world.weak @ np.linalg.lstsq(z @ world.weak, y, rcond=None)[0]
        z = random.normal(size=(transfer, dimension))
        student = world.strong @ np.linalg.lstsq(z @ world.strong, z @ weak, rcond=None)[0]
        errors.append([((weak - world.truth) ** 2).sum(), ((student - world.truth) ** 2).sum()])
    first, second = np.mean(errors, axis=0)
    return float(first), float(second)
