"""Power-law latents that supervisors see in part (Xue, Li, Mirzasoleiman 2025, arXiv 2502.00620).

Latent z of k = 60 independent normal entries whose variances fall as a power law; the student's view holds all of them, a supervisor's
view a random few, each with noise:

    z_i ~ N(0, i^-0.8),   H_s = z + .05 e  (n, k),   H_w = z[:, A] + tau e  (n, |A|),   |A| in 5..50,  tau log-uniform in .01..1
    y = z . c + .1 e,     c ~ N(0, I_k)

The supervisor is a ridge head of strength beta on ``H_w`` of n labelled rows, its student a ridge head of the same strength on ``H_s`` of n
other rows with the supervisor's values, the ceiling that head with y: no intercepts, every mean is zero.

**Known answer.** On rows without labels, ``|P_s (I - P_w) y|^2 / n`` of :mod:`outgrow.forecasts.projection` tells how far student and
ceiling end up apart; exactly, ``sqrt(err(student)) <= sqrt(E (student - ceiling)^2) + sqrt(err(ceiling))`` on any rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from outgrow.errors import InputError

__all__ = ["XueWorld", "ridge_values", "xue_world"]

Floats = NDArray[np.float64]
LATENTS = 60
DECAY = 0.8
STRONG_NOISE = 0.05
TRUTH_NOISE = 0.1


@dataclass(frozen=True, eq=False)
class XueWorld:
    """One world and many supervisors.

    Parameters
    ----------
    strong : ndarray of shape (3, n, k)
        The student's view of teach, transfer and test rows.
    weak : tuple of ndarray of shape (3, n, d_j)
        A view a supervisor.
    truth : ndarray of shape (3, n)
    beta : float
        Strength of all heads.
    """

    strong: Floats
    weak: tuple[Floats, ...]
    truth: Floats
    beta: float

    def outcome(self, j: int) -> dict[str, float]:
        """Teach supervisor j and its student; return squared errors and the gap to the ceiling on test rows.

        Returns
        -------
        dict of str to float
            ``supervisor``, ``student``, ``ceiling`` (mean squared errors against the noisy truth) and ``gap``, E (student - ceiling)^2.
        """
        view, y = self.weak[j], self.truth
        told, floor = (ridge_values(view[0], y[0], view[r], self.beta) for r in (1, 2))
        student = ridge_values(self.strong[1], told, self.strong[2], self.beta)
        ceiling = ridge_values(self.strong[1], y[1], self.strong[2], self.beta)
        squares = {"supervisor": floor - y[2], "student": student - y[2], "ceiling": ceiling - y[2]}
        return {
            **{k: float((v**2).mean()) for k, v in squares.items()},
            "gap": float(((student - ceiling) ** 2).mean()),
        }


def xue_world(seed: int, *, supervisors: int = 40, n: int = 500, beta: float = 0.01) -> XueWorld:
    """Draw a world.

    Parameters
    ----------
    seed : int
    supervisors : int
    n : int
        Rows of each role.
    beta : float
        Above 0.
    """
    if supervisors < 1 or n < 2 or beta <= 0:
        raise InputError(
            f"this world needs a supervisor, two rows a role and beta above 0, not {supervisors}, {n}, {beta}"
        )
    random = np.random.default_rng([seed, 11])
    spread = np.arange(1, LATENTS + 1) ** (-DECAY / 2)
    latent = random.normal(size=(3, n, LATENTS)) * spread
    truth = latent @ random.normal(size=LATENTS) + TRUTH_NOISE * random.normal(size=(3, n))
    strong = latent + STRONG_NOISE * random.normal(size=latent.shape)
    views = []
    for _ in range(supervisors):
        seen = random.choice(LATENTS, size=int(random.integers(5, 51)), replace=False)
        tau = 10 ** random.uniform(-2, 0)
        views.append(latent[:, :, seen] + tau * random.normal(size=(3, n, len(seen))))
    return XueWorld(strong, tuple(views), truth, beta)


def ridge_values(view: Floats, values: Floats, new: Floats, beta: float) -> Floats:
    """Return a ridge head's values (m,) on new rows: ``new (H'H / n + beta I)^-1 H'y / n``, without an intercept.

    Parameters
    ----------
    view : ndarray of shape (n, d)
    values : ndarray of shape (n,)
    new : ndarray of shape (m, d)
    beta : float
    """
    n, d = view.shape
    head = np.linalg.solve(view.T @ view / n + beta * np.eye(d), view.T @ values / n)
    return np.asarray(new @ head)
