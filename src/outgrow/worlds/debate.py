"""A made-up debate: arguments as noisy evidence vectors, so that the mechanism can be tested where it must work.

Lang, Huang, Li 2025, *Debate Helps Weak-to-Strong Generalization* (arXiv 2501.13124), let two copies of a strong model argue and weak
judges read. A strong model that fits a laptop argues too badly to test that idea, so here an argument is a vector. Debate m about row i
gives, for the side c of two,

    e[i, c, m] = g_c(H_s[i]) + noise,        g_1 = delta max(0, u),  g_0 = delta max(0, -u),  u = the first principal components of H_s

so each side shows what speaks for it, as far as a strong model finds it *without labels*: ``u`` comes from the strong features alone.
A judge is a logistic head on ``[H_w[i], e[i, 0, m], e[i, 1, m]]``, taught on teach rows with truth; labels are the mean over M judges.
Where components of the strong features go with truth, the truthful side has more to show by a margin that grows with ``delta``; at
``delta = 0`` arguments are noise.

Ours, since the paper works on text: everything but the shape of the argument, two sides, M transcripts and the mean. Consultancy (one side,
drawn per row and debate, is heard) comes in two forms: one speech, and as many speeches as a debate has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from outgrow.errors import InputError

__all__ = ["DebateWorld", "arguments", "consultations", "debate_world", "figures"]

Floats = NDArray[np.float64]
MOST = 16
TAKEN = (1, 2, 4, 8, 16)
REFITS = 4


@dataclass(frozen=True, eq=False)
class DebateWorld:
    """Rows as a weak and as a strong model see them, their truth, and their roles.

    Parameters
    ----------
    weak : ndarray of shape (n, d_w)
    strong : ndarray of shape (n, d_s)
    truth : ndarray of shape (n,)
        0 or 1.
    teach, transfer, test : ndarray
        Row numbers.
    """

    weak: Floats
    strong: Floats
    truth: NDArray[np.int64]
    teach: NDArray[np.int64]
    transfer: NDArray[np.int64]
    test: NDArray[np.int64]


def debate_world(
    seed: int,
    *,
    teach: int = 500,
    transfer: int = 2000,
    test: int = 2000,
    wide: int = 24,
    narrow: int = 8,
    salient: int = 4,
    share: float = 0.7,
) -> DebateWorld:
    """Draw a world.

    The strong features are a random rotation of independent normal ones, ``salient`` of which have three times the spread. Truth is the
    sign of a linear score of all of them; ``share`` of its variance comes from the salient ones. The weak features are noisy mixtures.

    Parameters
    ----------
    seed : int
        Redraws everything: the rotation, the score, the rows.
    teach, transfer, test : int
        Rows of each role.
    wide, narrow : int
        d_s and d_w.
    salient : int
        How many directions stand out.
    share : float
        From 0 to 1.
    """
    if not 0 <= share <= 1 or not 0 < salient < wide:
        raise InputError(f"a debate world needs share in [0, 1] and 0 < salient < wide, not {share}, {salient}, {wide}")
    random = np.random.default_rng([seed, 0])
    n = teach + transfer + test
    hidden = random.normal(size=(n, wide))
    score = random.normal(size=wide)
    score[:salient] *= np.sqrt(share) / np.linalg.norm(score[:salient])
    score[salient:] *= np.sqrt(1 - share) / np.linalg.norm(score[salient:])
    truth = (hidden @ score + 0.2 * random.normal(size=n) > 0).astype(np.int64)
    spread = np.r_[np.full(salient, 3.0), np.ones(wide - salient)]
    turn = np.linalg.qr(random.normal(size=(wide, wide)))[0]
    weak = hidden @ random.normal(size=(wide, narrow)) / np.sqrt(wide) + 0.5 * random.normal(size=(n, narrow))
    ids = random.permutation(n)
    return DebateWorld(
        weak, hidden * spread @ turn, truth, ids[:teach], ids[teach : teach + transfer], ids[teach + transfer :]
    )


def evidence(strong: Floats, parts: int) -> Floats:
    """Return the first principal components of the strong features, each of unit variance: (n, parts)."""
    centred = strong - strong.mean(axis=0)
    left = np.linalg.svd(centred, full_matrices=False)[0][:, :parts]
    return left * np.sqrt(len(strong))


def arguments(strong: Floats, debates: int, delta: float, seed: int, *, parts: int = 4, noise: float = 1.0) -> Floats:
    """Let both sides argue about every row. There is no truth to pass.

    Parameters
    ----------
    strong : ndarray of shape (n, d_s)
    debates : int
        How many transcripts; each has noise of its own.
    delta : float
        What an argument carries; 0 for nothing.
    seed : int
    parts : int
        Length of an evidence vector.
    noise : float
        Standard deviation of the noise of each entry.

    Returns
    -------
    ndarray of shape (debates, n, 2, parts)
    """
    found = evidence(strong, parts)
    sides = delta * np.stack([np.maximum(-found, 0.0), np.maximum(found, 0.0)], axis=1)
    random = np.random.default_rng([seed, 1])
    return sides[None] + noise * random.normal(size=(debates, *sides.shape))


def consultations(heard: Floats, seed: int, *, again: Floats | None = None) -> Floats:
    """Keep of each debate the arguments of one side, drawn per row and debate.

    Parameters
    ----------
    heard : ndarray of shape (debates, n, 2, parts)
    seed : int
    again : ndarray of the same shape, optional
        A second speech of every side; the consultant then speaks twice, and the mean of both is kept.

    Returns
    -------
    ndarray of shape (debates, n, 2 parts + 1)
        The side's evidence in its own columns, zeros in the other's, and which side spoke.
    """
    debates, n, _, parts = heard.shape
    side = np.random.default_rng([seed, 2]).integers(0, 2, size=(debates, n))
    said = heard if again is None else (heard + again) / 2
    own = said * (np.arange(2) == side[..., None])[..., None]
    return np.concatenate([own.reshape(debates, n, 2 * parts), side[..., None].astype(np.float64)], axis=2)


def judged(world: DebateWorld, features: Floats, taught: NDArray[np.int64] | None = None) -> Floats:
    """Teach a logistic judge on teach rows and return its probability of class 1 for every row: (n,)."""
    from outgrow.learners.linear import LinearHead

    rows = world.teach if taught is None else taught
    head = LinearHead().fit(features[rows], world.truth[rows])
    return np.asarray(head.predict_proba(features)[:, 1])


def figures(
    world: DebateWorld,
    delta: float,
    seed: int,
    *,
    taken: Sequence[int] = TAKEN,
    students: bool = True,
    parts: int = 4,
) -> dict[str, float]:
    """Measure one world: how right labels on transfer rows are by each kind of supervision, and students on test rows.

    Parameters
    ----------
    world : DebateWorld
    delta : float
        What arguments carry.
    seed : int
        Of the arguments, of the sides that consultants take, and of resampled teach rows.
    taken : sequence of int
        Sizes of ensembles; the largest is how many debates are held. An accuracy is the mean over disjoint ensembles of that size.
    students : bool
        Whether to train students on the strong features with the labels of the judge alone and of four debates.
    parts : int
        Length of an evidence vector.

    Returns
    -------
    dict of str to float
        Accuracies: ``alone`` (a judge without arguments), ``refits`` (mean of four, each on resampled teach rows), ``debate K`` and
        ``consult K``, ``consult twice K`` for ensembles of K; ``student of alone``, ``student of debate``, ``ceiling``.
    """
    heard = arguments(world.strong, max(taken), delta, seed, parts=parts)
    again = arguments(world.strong, max(taken), delta, seed + 1_000_003, parts=parts)
    kinds = {
        "debate": heard.reshape(*heard.shape[:2], -1),
        "consult": consultations(heard, seed),
        "consult twice": consultations(heard, seed, again=again),
    }
    out: dict[str, float] = {}

    def right(probs: Floats) -> float:
        rows = world.transfer
        return float(((probs[rows] > 0.5) == world.truth[rows]).mean())

    alone = judged(world, world.weak)
    out["alone"] = right(alone)
    random = np.random.default_rng([seed, 3])
    refits = [judged(world, world.weak, random.choice(world.teach, len(world.teach))) for _ in range(REFITS)]
    out["refits"] = right(np.mean(refits, axis=0))
    four: Floats = alone
    for kind, features in kinds.items():
        # Consultancy is compared at the paper's four; only the debate's curve goes further.
        sizes = [k for k in taken if kind == "debate" or k <= REFITS]
        members = np.stack([judged(world, np.hstack([world.weak, f])) for f in features[: max(sizes)]])
        for k in sizes:
            groups = members[: len(members) // k * k].reshape(-1, k, members.shape[1]).mean(axis=1)
            out[f"{kind} {k}"] = float(np.mean([right(g) for g in groups]))
        if kind == "debate":
            four = members[:REFITS].mean(axis=0)
    if students:
        out["student of alone"] = _student(world, alone)
        out["student of debate"] = _student(world, four)
        out["ceiling"] = _student(world, world.truth.astype(np.float64))
    return out


def _student(world: DebateWorld, labels: Floats) -> float:
    """Train a head on the strong features of transfer rows with soft labels; return its accuracy on test rows."""
    from outgrow.learners.linear import LinearHead

    soft = labels[world.transfer]
    head = LinearHead().fit(world.strong[world.transfer], np.column_stack([1 - soft, soft]))
    named = head.predict_proba(world.strong[world.test]).argmax(axis=1)
    return float((named == world.truth[world.test]).mean())
