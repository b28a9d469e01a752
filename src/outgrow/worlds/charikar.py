"""Regression on pre-trained representations: where the gain is the misfit (Charikar, Pabbaraju, Shiragur 2024, arXiv 2405.15116).

A true representation ``h`` of inputs and 100 tasks, each a linear head on it:

    x ~ N(0, 500^2 I_8),     y_t = a_t . h(x) + c_t,     h: R^8 -> R^16 a ReLU network of 5 layers, width 16, its last layer rectified too

The weak and the strong model have representations ``h_w``, ``h_s``: R^8 -> R^16 of their own, and learn heads only. The weak head is fitted
to ``y_t`` on n rows, the student's head to the weak head's values on n fresh rows. Kinds of world:

    realizable    h_s = h;  h_w is pre-trained, 2 layers
    pretrained    h_s is pre-trained, 8 layers;  h_w is pre-trained, 2 layers
    perturbed     h_s and h_w are h with noise on its weights, .01 and .05
    low           as pretrained, with one task of 250 rows, which leaves the deeper network with the worse representation

**Known answer.** The student's values are the projection of the weak ones onto the linear functions of ``h_s``. Where these hold the
truth (realizable), Pythagoras gives

    E (y - weak)^2 - E (y - student)^2 = E (student - weak)^2          gain = misfit

in the population, for unconstrained heads an equality; elsewhere up to the student's own best error. In the low world, with the roles as
named by depth, gains should be negative, and exchanging the roles should make them positive; with networks this small only the first is
so: a network that was shown one task serves others badly, whichever its depth.

**Scaled down.** The paper takes 1000 epochs of AdamW over 10 tasks in turn, for representations and for heads. Here heads are solved by
least squares, and a pre-training step sees a batch of every task at once; :class:`Training` says how many. With ``turns``, tasks
come one after the other, as in the authors' notebook. The sizes of the perturbation and of the low world are ours: the paper's could not
be read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from outgrow.errors import InputError

__all__ = ["KINDS", "CharikarWorld", "Network", "Training", "charikar_world", "gains", "growing", "subspace_gain"]

Floats = NDArray[np.float64]
Kind = Literal["realizable", "pretrained", "perturbed", "low"]
KINDS: tuple[Kind, ...] = ("realizable", "pretrained", "perturbed", "low")
INPUTS = 8
WIDTH = 16
SCALE = 500.0
TRUE_DEPTH, WEAK_DEPTH, STRONG_DEPTH = 5, 2, 8
NOISE = {"strong": 0.01, "weak": 0.05}


@dataclass(frozen=True, eq=False)
class Network:
    """A ReLU network whose last layer is rectified too.

    Parameters
    ----------
    weights : tuple of ndarray of shape (width, inputs)
        One a layer.
    biases : tuple of ndarray of shape (width,)
    """

    weights: tuple[Floats, ...]
    biases: tuple[Floats, ...]

    def __call__(self, x: Floats) -> Floats:
        """Return (n, width) representations of (n, inputs) rows."""
        for w, b in zip(self.weights, self.biases, strict=True):
            x = np.maximum(x @ w.T + b, 0.0)
        return x

    @classmethod
    def draw(cls, depth: int, random: np.random.Generator, width: int = WIDTH) -> Network:
        """Draw one as torch starts a linear layer: uniform within 1 / sqrt(inputs)."""
        sizes = [INPUTS, *[width] * depth]
        weights, biases = [], []
        for inside, outside in pairwise(sizes):
            bound = 1 / np.sqrt(inside)
            weights.append(random.uniform(-bound, bound, (outside, inside)))
            biases.append(random.uniform(-bound, bound, outside))
        return cls(tuple(weights), tuple(biases))

    def shaken(self, size: float, random: np.random.Generator) -> Network:
        """Return it with normal noise of this standard deviation on every weight and bias."""
        return Network(
            tuple(w + size * random.normal(size=w.shape) for w in self.weights),
            tuple(b + size * random.normal(size=b.shape) for b in self.biases),
        )


@dataclass(frozen=True)
class Training:
    """How a representation is pre-trained: AdamW against given heads, the rate falling to nothing as a cosine.

    Parameters
    ----------
    tasks : int
        Heads, given and frozen.
    points : int
        Rows a head.
    steps : int
    batch : int
        Rows a head and step.
    rate : float
    """

    tasks: int = 10
    points: int = 2000
    steps: int = 2000
    batch: int = 32
    rate: float = 3e-3
    turns: int = 0


@dataclass(frozen=True, eq=False)
class CharikarWorld:
    """The true, the weak and the strong representation.

    Parameters
    ----------
    seed : int
    truth, weak, strong : Network
    """

    seed: int
    truth: Network
    weak: Network
    strong: Network

    def exchanged(self) -> CharikarWorld:
        """Return the world whose student was the weak model, and the other way round."""
        return CharikarWorld(self.seed, self.truth, self.strong, self.weak)


def heads(count: int, random: np.random.Generator, width: int = WIDTH) -> tuple[Floats, Floats]:
    """Draw ``count`` linear heads: (count, width) and (count,)."""
    bound = 1 / np.sqrt(width)
    return random.uniform(-bound, bound, (count, width)), random.uniform(-bound, bound, count)


def _steps(training: Training, random: np.random.Generator) -> Iterator[tuple[tuple[Any, Any], float]]:
    """Yield which (task, row) pairs a step reads, and its rate."""
    import torch

    def pairs(tasks: NDArray[np.int64], points: NDArray[np.int64]) -> tuple[Any, Any]:
        return torch.from_numpy(np.broadcast_to(tasks, points.shape).copy()), torch.from_numpy(points.copy())

    if training.turns:
        for _ in range(training.turns):
            for task in range(training.tasks):
                order = random.permutation(training.points)
                for at in range(0, training.points, training.batch):
                    some = order[at : at + training.batch]
                    yield pairs(np.array([task]), some), training.rate
        return
    every = np.arange(training.tasks)[:, None]
    for step in range(training.steps):
        points = random.integers(0, training.points, (training.tasks, training.batch))
        yield pairs(every, points), training.rate * 0.5 * (1 + np.cos(np.pi * step / training.steps))


def pretrain(truth: Network, depth: int, training: Training, seed: int, width: int = WIDTH) -> Network:
    """Train a representation of this depth to serve the given heads of ``truth``; heads and rows depend on the seed alone.

    Parameters
    ----------
    truth : Network
    depth : int
        Layers of the representation.
    training : Training
    seed : int
        The same seed gives networks of every depth the same tasks and rows.
    width : int
        Units of every layer; a head reads the first 16, or all where there are fewer.
    """
    import torch

    random = np.random.default_rng([seed, 1])
    a, c = heads(training.tasks, random)
    x = SCALE * random.normal(size=(training.tasks, training.points, INPUTS))
    y = np.einsum("tnd,td->tn", truth(x.reshape(-1, INPUTS)).reshape(*x.shape[:2], -1), a) + c[:, None]
    start = Network.draw(depth, np.random.default_rng([seed, 2, depth, width]), width)
    # Single precision, as networks are trained; the result is read in double.
    layers = [
        (
            torch.tensor(w, dtype=torch.float32, requires_grad=True),
            torch.tensor(b, dtype=torch.float32, requires_grad=True),
        )
        for w, b in zip(start.weights, start.biases, strict=True)
    ]
    to = torch.tensor(a[:, :width] if width < WIDTH else a, dtype=torch.float32)
    offset = torch.tensor(c, dtype=torch.float32)
    rows, goal = torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)
    solver = torch.optim.AdamW([p for layer in layers for p in layer], lr=training.rate, weight_decay=0.01)
    for pick, rate in _steps(training, np.random.default_rng([seed, 3, depth, width])):
        for group in solver.param_groups:
            group["lr"] = rate
        z = rows[pick]
        for w, b in layers:
            z = torch.relu(torch.nn.functional.linear(z, w, b))
        served = pick[0]
        out = (z * to[served]).sum(-1) + offset[served]
        loss = ((out - goal[pick]) ** 2).mean()
        solver.zero_grad()
        loss.backward()
        solver.step()
    return Network(
        tuple(w.detach().double().numpy() for w, _ in layers), tuple(b.detach().double().numpy() for _, b in layers)
    )


LOW = Training(tasks=1, points=250, steps=600)
SIZES = (4, 8, 16, 32, 64, 128, 256, 512)


def charikar_world(kind: Kind, seed: int, training: Training | None = None) -> CharikarWorld:
    """Draw a world.

    Parameters
    ----------
    kind : {"realizable", "pretrained", "perturbed", "low"}
    seed : int
        Redraws everything.
    training : Training, optional
        In place of the default; of no effect on a perturbed world.
    """
    if kind not in KINDS:
        raise InputError(f"a world of Charikar et al. is of kind {', '.join(KINDS)}, not {kind!r}")
    truth = Network.draw(TRUE_DEPTH, np.random.default_rng([seed, 0]))
    if kind == "perturbed":
        random = np.random.default_rng([seed, 4])
        return CharikarWorld(seed, truth, truth.shaken(NOISE["weak"], random), truth.shaken(NOISE["strong"], random))
    training = training or (LOW if kind == "low" else Training())
    weak = pretrain(truth, WEAK_DEPTH, training, seed)
    return CharikarWorld(
        seed, truth, weak, truth if kind == "realizable" else pretrain(truth, STRONG_DEPTH, training, seed)
    )


def least_squares(features: Floats, values: Floats) -> Floats:
    """Return the (d + 1, t) heads of least squared error on (n, d) features, intercept last; the smallest ones where many do."""
    design = np.column_stack([features, np.ones(len(features))])
    size = np.sqrt((design**2).mean(axis=0))
    size[size == 0] = 1.0
    found = np.linalg.lstsq(design / size, values, rcond=1e-10)[0]
    return np.asarray(found / size[:, None])


def read(features: Floats, head: Floats) -> Floats:
    """Return (n, t) values of heads."""
    return np.asarray(features @ head[:-1] + head[-1])


def gains(world: CharikarWorld, *, tasks: int = 100, points: int = 2000, fresh: bool = True) -> dict[str, Floats]:
    """Teach weak heads and students on new tasks and measure them on rows of their own.

    Parameters
    ----------
    world : CharikarWorld
    tasks : int
        New heads on the true representation.
    points : int
        Rows that a head learns from, and rows that errors and misfits are taken on.
    fresh : bool
        Whether a student learns from other rows than its supervisor did, as the theorem supposes; the authors' notebook reuses them.

    Returns
    -------
    dict of str to ndarray of shape (tasks,)
        ``weak``, ``student`` and ``ceiling``: mean squared errors; ``misfit``, on further rows; ``gain`` = weak - student.
    """
    random = np.random.default_rng([world.seed, 5])
    a, c = heads(tasks, random)
    x = [SCALE * random.normal(size=(points, INPUTS)) for _ in range(4)]
    teach, transfer, test, apart = x if fresh else (x[0], x[0], *x[2:])

    def goal(rows: Floats) -> Floats:
        return np.asarray(world.truth(rows) @ a.T + c)

    weak = least_squares(world.weak(teach), goal(teach))
    student = least_squares(world.strong(transfer), read(world.weak(transfer), weak))
    ceiling = least_squares(world.strong(transfer), goal(transfer))
    y = goal(test)
    errors = {
        "weak": ((read(world.weak(test), weak) - y) ** 2).mean(axis=0),
        "student": ((read(world.strong(test), student) - y) ** 2).mean(axis=0),
        "ceiling": ((read(world.strong(test), ceiling) - y) ** 2).mean(axis=0),
    }
    misfit = ((read(world.strong(apart), student) - read(world.weak(apart), weak)) ** 2).mean(axis=0)
    return {**errors, "misfit": misfit, "gain": errors["weak"] - errors["student"]}


def subspace_gain(seed: int, *, points: int = 100_000, noise: float = 0.5) -> tuple[float, float]:
    """Return gain and misfit where the student's functions are a linear subspace that holds the truth: equal, in the population.

    The supervisor is the truth of one task, plus a function of the inputs that the student cannot follow; the student learns from
    ``points`` rows, and both figures are taken on as many others.

    Parameters
    ----------
    seed : int
    points : int
    noise : float
        Size of what the supervisor adds, over the spread of the truth.
    """
    random = np.random.default_rng([seed, 6])
    truth = Network.draw(TRUE_DEPTH, np.random.default_rng([seed, 0]))
    a, c = heads(1, random)
    wave = random.normal(size=INPUTS)

    def both(rows: Floats) -> tuple[Floats, Floats, Floats]:
        h = truth(rows)
        y = h @ a.T + c
        return h, y, 0.7 * y + noise * y.std() * np.sin(3 * rows @ wave / SCALE)[:, None]

    h, _, weak = both(SCALE * random.normal(size=(points, INPUTS)))
    head = least_squares(h, weak)
    h, y, weak = both(SCALE * random.normal(size=(points, INPUTS)))
    student = read(h, head)
    gain = ((weak - y) ** 2).mean() - ((student - y) ** 2).mean()
    return float(gain), float(((student - weak) ** 2).mean())


def growing(seed: int, *, splits: int = 3, tasks: int = 30, points: int = 1000) -> dict[str, Floats]:
    """Teach one student by each of eight supervisors of growing size: ReLU features of random weights, 4 to 512 of them.

    The student reads the true representation with noise of .01 on its weights. Errors and misfits are means over ``splits`` draws of rows.

    Returns
    -------
    dict of str to ndarray of shape (8, tasks)
        ``weak``, ``student`` (squared errors) and ``misfit``.
    """
    random = np.random.default_rng([seed, 7])
    truth = Network.draw(TRUE_DEPTH, np.random.default_rng([seed, 0]))
    strong = truth.shaken(NOISE["strong"], random)
    a, c = heads(tasks, random)
    found: dict[str, list[Floats]] = {"weak": [], "student": [], "misfit": []}
    supervisors = [Network.draw(1, random, width=size) for size in SIZES]
    for _ in range(splits):
        teach, transfer, test = (SCALE * random.normal(size=(points, INPUTS)) for _ in range(3))
        y = truth(test) @ a.T + c
        for each in supervisors:
            weak = least_squares(each(teach), truth(teach) @ a.T + c)
            student = least_squares(strong(transfer), read(each(transfer), weak))
            said, ours = read(each(test), weak), read(strong(test), student)
            found["weak"].append(((said - y) ** 2).mean(axis=0))
            found["student"].append(((ours - y) ** 2).mean(axis=0))
            found["misfit"].append(((ours - said) ** 2).mean(axis=0))
    return {k: np.array(v).reshape(splits, len(SIZES), tasks).mean(axis=0) for k, v in found.items()}
