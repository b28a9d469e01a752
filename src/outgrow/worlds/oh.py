"""Three patches: a linear supervisor, a two-layer student, and data that bridge them (Oh, Song, Yun 2025, arXiv 2510.24812).

A row is three patches of R^d, in random order, and y = +-1. Signals are orthogonal: ``mu_1, mu_-1`` of one length and ``nu_1, nu_-1`` of
another. Noise patches are N(0, I) across them. By kind:

    easy (p_e)      mu_y, noise, noise                  what a linear model can use
    hard (p_h)      +nu_y or -nu_y, noise, noise        the sign is random, so no linear model can
    bridge (p_b)    mu_y, +nu_y or -nu_y, noise         both

    supervisor  f_w(x) = sum_p <w, x_p>,  w from 0, logistic loss on the truth of n_w rows
    student     f(x) = F_1 - F_-1,  F_s = (1/m) sum_r sum_p relu(<w_sr, x_p>),  small start, logistic loss on sign f_w of n other rows

both by full-batch gradient descent. The paper's d, signal lengths, m and steps could not be read; those of :data:`REGIMES` show its
regimes here.

**Known answer.** The supervisor is right on hard rows half the time, so its error tends to p_h / 2. Hard rows get random labels, whose
pulls on nu cancel; only bridge rows teach the student nu. With few rows for the dimension it fits every label, and its test error goes
to 0 when ``n p_b^2 |nu|^4 / d`` is large and stays above .12 p_h when it is small. With many rows, at an early time, it is right where its
labels are wrong; trained on, it falls back to its supervisor.

Only the noise is stored: a signal patch is one of eight vectors, along the first four axes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from outgrow.errors import InputError

__all__ = [
    "KINDS",
    "REGIMES",
    "OhData",
    "Regime",
    "Student",
    "first_rows",
    "oh_boundary",
    "oh_data",
    "oh_run",
    "supervise",
    "train_student",
    "train_supervisor",
]

Floats = NDArray[np.float32]
KINDS = ("easy", "hard", "bridge")
SIGNALS = 4
FILTERS = 10
START = 0.03
SUPERVISOR_STEPS = 100
SUPERVISOR_RATE = 2.0


@dataclass(frozen=True)
class Regime:
    """Sizes of one run.

    Parameters
    ----------
    d : int
        Dimension of a patch.
    mu, nu : float
        Lengths of the easy and the hard signal.
    taught, rows : int
        Rows of the supervisor (n_w) and of the student (n).
    rate : float
        Step of gradient descent on the student.
    steps : int
    shares : tuple of float
        p_e, p_h, p_b.
    test : int
    """

    d: int
    mu: float
    nu: float
    taught: int
    rows: int
    rate: float
    steps: int
    shares: tuple[float, float, float] = (0.3, 0.3, 0.4)
    test: int = 2000

    @property
    def dial(self) -> float:
        """``n p_b^2 |nu|^4 / d``."""
        return self.rows * self.shares[2] ** 2 * self.nu**4 / self.d


REGIMES = {
    "harmful": Regime(4000, 5.0, 6.0, 2000, 75, 2.0, 50),
    "benign": Regime(4000, 5.0, 6.0, 2000, 1000, 2.0, 40),
    "abundant": Regime(200, 3.0, 4.0, 5000, 8000, 0.5, 200),
    "overtrained": Regime(200, 5.0, 3.0, 1000, 8000, 4.0, 200),
}
"""Sizes at which each regime is seen. The first two fit every label after five steps, the last ends where ten times its steps end."""


@dataclass(frozen=True, eq=False)
class OhData:
    """Rows of the world.

    Parameters
    ----------
    truth : ndarray of shape (n,)
        +1 or -1.
    kind : ndarray of shape (n,)
        Index into :data:`KINDS`.
    easy, hard : ndarray of shape (n,)
        Coefficient of mu_y and of nu_y: 0 or 1, and 0, 1 or -1.
    noise : ndarray of shape (N, d - 4)
        All noise patches, in the order of the rows.
    owner : ndarray of shape (n + 1,)
        Where each row's noise patches start; they are two, and one on bridge rows.
    mu, nu : float
    """

    truth: NDArray[np.int64]
    kind: NDArray[np.int64]
    easy: Floats
    hard: Floats
    noise: Floats
    owner: NDArray[np.int64]
    mu: float
    nu: float

    def __len__(self) -> int:
        return len(self.truth)

    def signals(self) -> tuple[Floats, Floats]:
        """Return the easy and the hard patch of every row along the first four axes: (n, 4) each, zero where a row has none."""
        one = (self.truth < 0).astype(np.int64)
        axes = np.eye(SIGNALS, dtype=np.float32)
        return self.mu * self.easy[:, None] * axes[one], self.nu * self.hard[:, None] * axes[2 + one]

    def summed(self, patches: Floats) -> Floats:
        """Add up a figure (N, k) of the noise patches over the patches of each row: (n, k)."""
        return np.asarray(np.add.reduceat(patches, self.owner[:-1], axis=0))

    def patches(self) -> Floats:
        """Return the rows as the paper writes them, (n, 3, d), patches in a fixed order."""
        d = self.noise.shape[1] + SIGNALS
        out = np.zeros((len(self), 3, d), np.float32)
        easy, hard = self.signals()
        for i in range(len(self)):
            at = 0
            for signal in (easy[i], hard[i]):
                if signal.any():
                    out[i, at, :SIGNALS] = signal
                    at += 1
            own = self.noise[self.owner[i] : self.owner[i + 1]]
            out[i, at : at + len(own), SIGNALS:] = own
        return out


def oh_data(random: np.random.Generator, n: int, regime: Regime) -> OhData:
    """Draw n rows.

    Raises
    ------
    InputError
        Shares that do not sum to one, or a dimension without room for noise.
    """
    if abs(sum(regime.shares) - 1) > 1e-9 or min(regime.shares) < 0 or regime.d <= SIGNALS or n < 1:
        raise InputError(
            f"this world needs shares that sum to one, a dimension above {SIGNALS} and a row, not {regime.shares}, {regime.d} and {n}"
        )
    data = _drawn(random, n, regime)
    return replace(data, noise=random.standard_normal((int(data.owner[-1]), regime.d - SIGNALS), dtype=np.float32))


def _drawn(random: np.random.Generator, n: int, regime: Regime) -> OhData:
    """Draw n rows without their noise."""
    truth = random.integers(0, 2, n) * 2 - 1
    kind = random.choice(3, size=n, p=regime.shares)
    sign = random.integers(0, 2, n) * 2 - 1
    owner = np.concatenate([[0], np.cumsum(np.where(kind == 2, 1, 2))])
    easy, hard = (kind != 1).astype(np.float32), np.where(kind != 0, sign, 0).astype(np.float32)
    return OhData(truth, kind, easy, hard, np.zeros((0, 0), np.float32), owner, regime.mu, regime.nu)


def train_supervisor(
    data: OhData, steps: int = SUPERVISOR_STEPS, rate: float = SUPERVISOR_RATE
) -> tuple[Floats, Floats]:
    """Fit the linear supervisor to the truth; return its weights along the signals (4,) and across them (d - 4,).

    The step is ``rate`` over an estimate of twice the loss's curvature, so that the descent is stable at every size.
    """
    easy, hard = data.signals()
    signal, noise = easy + hard, data.summed(data.noise)
    y = data.truth.astype(np.float32)
    n = len(y)
    steep = (_top(signal) + _top(noise)) / (4 * n)
    w, v = np.zeros(SIGNALS, np.float32), np.zeros(noise.shape[1], np.float32)
    for _ in range(steps):
        push = y * _slope(y * (signal @ w + noise @ v)) / n
        w += rate / (2 * steep) * (push @ signal)
        v += rate / (2 * steep) * (push @ noise)
    return w, v


def _top(x: Floats) -> float:
    """Return the largest eigenvalue of x'x, by a few power iterations; a little below it."""
    v = np.ones(x.shape[1], np.float32)
    for _ in range(12):
        v = x.T @ (x @ (v / np.linalg.norm(v)))
    return float(np.linalg.norm(v))


def _slope(margin: Floats) -> Floats:
    """Return 1 / (1 + exp(margin))."""
    return np.asarray(0.5 * (1 - np.tanh(margin / 2)), dtype=np.float32)


def supervise(weights: tuple[Floats, Floats], data: OhData) -> NDArray[np.int64]:
    """Return (n,) what a supervisor names, +1 or -1."""
    easy, hard = data.signals()
    score = (easy + hard) @ weights[0] + data.summed((data.noise @ weights[1])[:, None])[:, 0]
    return np.where(score >= 0, 1, -1)


@dataclass(eq=False)
class Student:
    """The two-layer network: filters of both signs, along the signals and across them.

    Parameters
    ----------
    along : ndarray of shape (4, 2m)
        The first m columns add to class +1, the others to class -1.
    across : ndarray of shape (d - 4, 2m)
    """

    along: Floats
    across: Floats

    @classmethod
    def start(cls, random: np.random.Generator, d: int, *, axes: int | None = None) -> Student:
        """Draw small filters, N(0, .03^2 / d), along the signals and along some or all axes across them."""
        width = SIGNALS + (d - SIGNALS if axes is None else axes)
        w = (START / np.sqrt(d) * random.standard_normal((width, 2 * FILTERS))).astype(np.float32)
        return cls(w[:SIGNALS].copy(), w[SIGNALS:].copy())

    @property
    def sides(self) -> Floats:
        """(2m,) what a filter adds: 1 / m or -1 / m."""
        m = self.along.shape[1] // 2
        return np.repeat(np.array([1.0, -1.0], np.float32) / m, m)

    def score(self, data: OhData) -> Floats:
        """Return (n,) what the filters of class 1 add less what those of class -1 add."""
        easy, hard = data.signals()
        seen = np.maximum(easy @ self.along, 0) + np.maximum(hard @ self.along, 0)
        return np.asarray((seen + data.summed(np.maximum(data.noise @ self.across, 0))) @ self.sides)


def train_student(
    student: Student,
    data: OhData,
    labels: NDArray[np.int64],
    rate: float,
    steps: int,
    looks: Collection[int] = (),
    look: Callable[[int], None] = lambda step: None,
) -> None:
    """Descend the logistic loss on labels (n,) of +-1, in place; call ``look(step)`` after the steps that are named."""
    easy, hard = data.signals()
    y = labels.astype(np.float32)
    n, sides = len(y), student.sides
    counts = np.diff(data.owner)
    for step in range(1, steps + 1):
        heard = data.noise @ student.across
        one, two = easy @ student.along, hard @ student.along
        score = (np.maximum(one, 0) + np.maximum(two, 0) + data.summed(np.maximum(heard, 0))) @ sides
        push = (y * _slope(y * score) / n).astype(np.float32)
        # Into the buffer of the forward pass: the derivative of every noise patch with respect to its filter's input.
        np.multiply(heard > 0, np.repeat(push, counts)[:, None], out=heard)
        student.across += rate * (data.noise.T @ heard) * sides
        student.along += rate * (easy.T @ ((one > 0) * push[:, None]) + hard.T @ ((two > 0) * push[:, None])) * sides
        if step in looks:
            look(step)


def oh_run(seed: int, regime: Regime, looks: Sequence[int] = ()) -> list[dict[str, float]]:
    """Teach a supervisor, label fresh rows with it and train a student; look at it after some steps and at the end.

    Parameters
    ----------
    seed : int
    regime : Regime
    looks : sequence of int
        Steps; the last is always looked at.

    Returns
    -------
    list of dict of str to float
        A look: ``step``; on the student's rows ``fitted`` (agrees with its labels), ``true`` (with the truth) and ``turned`` (right where
        the label is wrong); on test rows ``test``, ``test hard``, ``weak``, ``weak hard``.
    """
    random = np.random.default_rng([seed, 13])
    supervisor = train_supervisor(oh_data(random, regime.taught, regime))
    data, test = oh_data(random, regime.rows, regime), oh_data(random, regime.test, regime)
    labels, named = supervise(supervisor, data), supervise(supervisor, test)
    student = Student.start(random, regime.d)
    wrong, hard = labels != data.truth, test.kind == 1
    out: list[dict[str, float]] = []

    def look(step: int) -> None:
        mine, new = (np.where(student.score(d) >= 0, 1, -1) for d in (data, test))
        right = new == test.truth
        out.append(
            {
                "step": step,
                "fitted": float((mine == labels).mean()),
                "true": float((mine == data.truth).mean()),
                "turned": float((mine == data.truth)[wrong].mean()) if wrong.any() else float("nan"),
                "test": float(right.mean()),
                "test hard": float(right[hard].mean()),
                "weak": float((named == test.truth).mean()),
                "weak hard": float((named == test.truth)[hard].mean()),
            }
        )

    train_student(student, data, labels, regime.rate, regime.steps, {*looks, regime.steps}, look)
    return out


def first_rows(data: OhData, n: int) -> OhData:
    """Return the first n rows."""
    parts = {k: getattr(data, k)[:n] for k in ("truth", "kind", "easy", "hard")}
    return replace(data, **parts, noise=data.noise[: data.owner[n]], owner=data.owner[: n + 1])


def oh_boundary(
    seed: int,
    d: int,
    sizes: Sequence[int],
    lengths: Sequence[float],
    *,
    mu: float = 5.0,
    shares: tuple[float, float, float] = (0.3, 0.3, 0.4),
    pace: float = 20.0,
    steps: int = 40,
    test: int = 1000,
) -> list[dict[str, float]]:
    """Train students at several numbers of rows and lengths of the hard signal: the phase map.

    The supervisor is taken at its limit: right on easy and bridge rows, a coin on hard ones. N noise patches in more than N dimensions are
    drawn in axes of their own, as the triangular factor of a Wishart matrix (Bartlett 1933), so d costs nothing; the part of the small
    start across them, some .03 in a score, is left out. Rows of a smaller n are the first of a larger one.

    Parameters
    ----------
    seed : int
    d : int
    sizes : sequence of int
        n.
    lengths : sequence of float
        Of nu.
    mu : float
    shares : tuple of float
    pace : float
        The step is ``pace n / d``, so that a row's own margin grows alike at every size.
    steps, test : int

    Returns
    -------
    list of dict of str to float
        ``n``, ``nu``, ``fitted``, ``test``, ``test hard``.

    Raises
    ------
    InputError
        More noise patches than dimensions.
    """
    out = []
    for at, nu in enumerate(lengths):
        regime = Regime(d, mu, float(nu), 0, max(sizes), 0.0, steps, shares, test)
        random = np.random.default_rng([seed, 17, at])
        data, new = _drawn(random, max(sizes), regime), _drawn(random, test, regime)
        width = int(data.owner[-1])
        if width > d - SIGNALS:
            raise InputError(f"{width} noise patches need more than {d} dimensions to stand in axes of their own")
        data = replace(data, noise=_triangle(random, width, d - SIGNALS))
        new = replace(new, noise=random.standard_normal((int(new.owner[-1]), width), dtype=np.float32))
        coin = random.integers(0, 2, len(data)) * 2 - 1
        labels = np.where(data.kind == 1, coin, data.truth)
        for n in sizes:
            part = first_rows(data, n)
            student = Student.start(random, d, axes=width)
            train_student(student, part, labels[:n], pace * n / d, steps)
            right = np.where(student.score(new) >= 0, 1, -1) == new.truth
            out.append(
                {
                    "n": float(n),
                    "nu": float(nu),
                    "fitted": float(((student.score(part) >= 0) == (labels[:n] > 0)).mean()),
                    "test": float(right.mean()),
                    "test hard": float(right[new.kind == 1].mean()),
                }
            )
    return out


def _triangle(random: np.random.Generator, n: int, d: int) -> Floats:
    """Return (n, n) n normal vectors of d dimensions, turned so that the k-th lies in the first k axes."""
    low = np.tril(random.standard_normal((n, n), dtype=np.float32), -1)
    low[np.diag_indices(n)] = np.sqrt(random.chisquare(d - np.arange(n)))
    return low
