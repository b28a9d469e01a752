"""Random-feature networks: a student that stops early outgrows a narrower teacher (Medvedev et al. 2025, arXiv 2503.02877).

Teacher and student are two-layer networks with a random bottom layer and a trained top. The teacher has M units and is the best fit to
the truth in the population; the student has so many that its kernel is its limit, and follows gradient flow on the teacher's values,
stopped at the best time t. With the student kernel's eigenvalues s_k and eigenfunctions e_k, and f_T the teacher,

    student_t = sum_k (1 - exp(-s_k t)) <f_T, e_k> e_k
    L_ST(t)   = sum_k (<f*, e_k> - (1 - exp(-s_k t)) <f_T, e_k>)^2                     L_TE = |f* - f_T|^2

Both worlds are exact: nothing but the teacher's units is drawn.

**Linear units** ``w . x``, ``x ~ N(0, diag(1, r, ..., r))`` with N weak directions, N large and r N = 4; ``f* = x_1``. In the limit the
teacher's error lies outside x_1 but for the share L_TE of x_1 that it misses, so that stopping between 1 and 1 / r gives

    L_ST = L_TE^2       (a slope of 2; no better is possible)

**ReLU units** ``max(0, u . x)``, u and x uniform on the sphere of R^d, ``f* = sqrt(d) x_1``. Eigenfunctions are spherical harmonics;
with Gegenbauer polynomials C_l normalised to 1 at 1, the kernel is ``sum_l m_l C_l(u . v)``, its eigenvalues m_l / N(d, l). The paper
proves L_ST = O(L_TE^1.49) up to logarithms.

At t without end the student is the teacher: L_ST = L_TE.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from outgrow.errors import InputError

__all__ = ["Harmonics", "Teacher", "best_stop", "linear_teacher", "relu_harmonics", "relu_teacher"]

Floats = NDArray[np.float64]
DEGREES = (0, 1, 2, 4, 6, 8, 10, 12)
TIMES = 400


@dataclass(frozen=True, eq=False)
class Teacher:
    """A fitted teacher, by the student kernel's eigenspaces.

    Parameters
    ----------
    error : float
        L_TE, of a truth of norm 1.
    along : ndarray of shape (k,)
        ``<f_T, f*>`` within an eigenspace where the truth has a part, else 0.
    power : ndarray of shape (k,)
        Squared norm of f_T within each eigenspace; what lies beyond them comes last, with the eigenvalue that follows.
    truth : ndarray of shape (k,)
        That of the truth.
    eigenvalues : ndarray of shape (k,)
        s_k.
    """

    error: float
    along: Floats
    power: Floats
    truth: Floats
    eigenvalues: Floats

    def student(self, times: Floats) -> Floats:
        """Return (len(times),) errors of the student stopped at these times."""
        taken = 1 - np.exp(-np.outer(times, self.eigenvalues))
        return np.asarray((self.truth - 2 * taken * self.along + taken**2 * self.power).sum(axis=1))


def best_stop(teacher: Teacher) -> tuple[float, float]:
    """Return the least error over stopping times, and the time: a grid of logarithms from before the fastest to past the slowest rate."""
    rates = teacher.eigenvalues[teacher.eigenvalues > 0]
    times = np.geomspace(0.01 / rates.max(), 100 / rates.min(), TIMES)
    errors = teacher.student(times)
    at = int(errors.argmin())
    return float(errors[at]), float(times[at])


def linear_teacher(units: int, seed: int, *, directions: int = 4000, trace: float = 4.0) -> Teacher:
    """Fit a teacher of linear units in the population.

    Parameters
    ----------
    units : int
        M.
    seed : int
    directions : int
        N, the weak ones.
    trace : float
        r N.

    Raises
    ------
    InputError
        When there are as many units as directions: the teacher has no error then.
    """
    if not 0 < units <= directions // 2:
        raise InputError(f"a teacher of linear units needs from 1 to {directions // 2} of them, not {units}")
    rate = trace / directions
    random = np.random.default_rng([seed, 0, units])
    # Units in coordinates of unit variance.
    rows = random.normal(size=(units, directions + 1)) * np.sqrt(np.r_[1.0, np.full(directions, rate)])
    top = np.linalg.solve(rows @ rows.T, rows[:, 0])
    fitted = top @ rows
    share = float(fitted[0])
    power = np.array([share**2, float(fitted[1:] @ fitted[1:])])
    return Teacher(
        1 - 2 * share + float(power.sum()), np.array([share, 0.0]), power, np.array([1.0, 0.0]), np.array([1.0, rate])
    )


@dataclass(frozen=True, eq=False)
class Harmonics:
    """The ReLU kernel on the sphere by degrees.

    Parameters
    ----------
    dimension : int
    weight : ndarray of shape (len(DEGREES),)
        m_l.
    eigenvalues : ndarray of shape (len(DEGREES) + 1,)
        m_l / N(d, l); the last is that of the next even degree, which stands for all beyond.
    """

    dimension: int
    weight: Floats
    eigenvalues: Floats


def _kernel(cosine: Floats, dimension: int) -> Floats:
    """E max(0, u.x) max(0, v.x) over the sphere, for the cosine of u and v."""
    clipped = np.clip(cosine, -1.0, 1.0)
    bend = np.sqrt(1 - clipped**2) + clipped * (np.pi - np.arccos(clipped))
    return np.asarray(bend / (2 * np.pi * dimension))


def _zonal(cosine: Floats, degree: int, dimension: int) -> Floats:
    from scipy.special import eval_gegenbauer

    alpha = (dimension - 2) / 2
    return np.asarray(eval_gegenbauer(degree, alpha, cosine) / eval_gegenbauer(degree, alpha, 1.0))


def _count(degree: int, dimension: int) -> float:
    """Return how many spherical harmonics of a degree there are."""
    from scipy.special import binom

    if degree == 0:
        return 1.0
    return float((2 * degree + dimension - 2) / degree * binom(degree + dimension - 3, degree - 1))


def relu_harmonics(dimension: int) -> Harmonics:
    """Decompose the kernel by Gauss-Gegenbauer quadrature."""
    from scipy.special import roots_gegenbauer

    if dimension < 3:
        raise InputError(f"the sphere of a world of ReLU units needs at least 3 dimensions, not {dimension}")
    points, mass = roots_gegenbauer(400, (dimension - 2) / 2)
    mass = mass / mass.sum()
    kernel = _kernel(points, dimension)
    degrees = [*DEGREES, DEGREES[-1] + 2]
    weight = np.array([_count(k, dimension) * float(mass @ (kernel * _zonal(points, k, dimension))) for k in degrees])
    counts = np.array([_count(k, dimension) for k in degrees])
    return Harmonics(dimension, weight[:-1], weight / counts)


def relu_teacher(units: int, seed: int, harmonics: Harmonics) -> Teacher:
    """Fit a teacher of ReLU units in the population.

    Parameters
    ----------
    units : int
        M.
    seed : int
    harmonics : Harmonics
    """
    d = harmonics.dimension
    random = np.random.default_rng([seed, 1, units])
    u = random.normal(size=(units, d))
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    cosine = u @ u.T
    np.fill_diagonal(cosine, 1.0)
    gram = _kernel(cosine, d)
    reach = u[:, 0] / (2 * np.sqrt(d))
    top = np.linalg.solve(gram, reach)
    total = float(top @ gram @ top)
    power = np.array(
        [w * float(top @ _zonal(cosine, k, d) @ top) for k, w in zip(DEGREES, harmonics.weight, strict=True)]
    )
    along = np.zeros(len(DEGREES) + 1)
    at = DEGREES.index(1)
    along[at] = float(top @ reach)
    truth = np.zeros(len(DEGREES) + 1)
    truth[at] = 1.0
    beyond = max(total - float(power.sum()), 0.0)
    return Teacher(
        1 - 2 * float(top @ reach) + total, along, np.r_[power, beyond], truth, np.asarray(harmonics.eigenvalues)
    )
