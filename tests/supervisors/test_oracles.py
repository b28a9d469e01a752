"""Our label models against crowd-kit and cleanlab, on the same votes. Both are in the dev extra only."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from outgrow.supervisors.votes import dawid_skene, majority

NAMES = ("a", "b", "c")


def votes_of_crowd(c: int, seed: int = 0, n: int = 400, m: int = 6, cover: float = 0.7) -> np.ndarray:
    """Votes (n, m, c) of voters with confusions of their own; every row has one at least."""
    random = np.random.default_rng(seed)
    truth = random.choice(c, size=n, p=[0.6, 0.4] if c == 2 else [0.5, 0.3, 0.2])
    confusion = np.stack([random.dirichlet(np.ones(c), size=c) + 2 * np.eye(c) for _ in range(m)])
    confusion /= confusion.sum(axis=2, keepdims=True)
    votes = np.zeros((n, m, c))
    for j in range(m):
        said = (random.random((n, 1)) > confusion[j, truth].cumsum(axis=1)).sum(axis=1)
        votes[np.arange(n), j, np.minimum(said, c - 1)] = 1
    votes[random.random((n, m)) >= cover] = 0
    first = votes.sum(axis=(1, 2)) == 0
    votes[first, 0, truth[first]] = 1
    return votes


def as_frame(votes: np.ndarray) -> pd.DataFrame:
    row, voter, said = np.nonzero(votes)
    return pd.DataFrame({"task": row, "worker": voter, "label": [NAMES[k] for k in said]})


def crowdkit(name: str) -> type:
    with warnings.catch_warnings():
        # Its imports warn about libraries of its own.
        warnings.simplefilter("ignore")
        module = pytest.importorskip("crowdkit.aggregation")
    return getattr(module, name)


def fitted(model: object, votes: np.ndarray) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = model.fit(as_frame(votes)).probas_  # type: ignore[attr-defined]
    return made.loc[range(len(votes)), list(NAMES[: votes.shape[2]])].to_numpy()


@pytest.mark.parametrize("c", [2, 3])
@pytest.mark.parametrize("cover", [1.0, 0.5])
def test_dawid_skene_equals_crowdkit(c: int, cover: float) -> None:
    votes = votes_of_crowd(c, cover=cover)
    theirs = fitted(crowdkit("DawidSkene")(n_iter=500, tol=1e-9), votes)
    ours = dawid_skene(votes, tol=1e-11, steps=500)
    assert ours.steps > 5
    assert np.abs(ours.posterior(votes) - theirs).max() < 1e-3
    assert not np.array_equal(majority(votes).argmax(axis=1), theirs.argmax(axis=1))


@pytest.mark.parametrize("c", [2, 3])
def test_one_coin_equals_crowdkit(c: int) -> None:
    votes = votes_of_crowd(c, seed=1)
    # With a tolerance it stops at the first fall of its bound, before it has settled.
    theirs = fitted(crowdkit("OneCoinDawidSkene")(n_iter=60, tol=-1.0), votes)
    ours = dawid_skene(votes, coin=True, tol=1e-11, steps=500)
    assert np.abs(ours.posterior(votes) - theirs).max() < 1e-3


@pytest.mark.parametrize("c", [2, 3])
def test_shares_of_votes_equal_crowdkit_and_majorities_cleanlab(c: int) -> None:
    votes = votes_of_crowd(c, seed=2)
    count = votes.sum(axis=1)
    theirs = fitted(crowdkit("MajorityVote")(), votes)
    assert np.allclose(theirs, count / count.sum(axis=1, keepdims=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        multi = pytest.importorskip("cleanlab.multiannotator")
    table = np.where(votes.any(axis=2), votes.argmax(axis=2).astype(float), np.nan)
    named = multi.get_majority_vote_label(table, verbose=False)
    clear = (majority(votes) == 1).any(axis=1)
    assert clear.mean() > 0.7
    assert np.array_equal(majority(votes).argmax(axis=1)[clear], np.asarray(named)[clear])
