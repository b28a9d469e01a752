from __future__ import annotations

import numpy as np
import pytest

from outgrow.encoders.encoder import encoder
from outgrow.encoders.static import Glove


def fake_glove() -> Glove:
    enc = Glove()
    table = np.arange(3 * 50, dtype=np.float32).reshape(3, 50)
    enc._loaded = {"film": 0, "good": 1, "!": 2}, table
    return enc


def test_a_text_is_the_mean_of_its_known_words():
    enc = fake_glove()
    table = enc._loaded[1]
    views, counts = enc.read(["Good film, zyzzyva!", "", "good"], [None])
    np.testing.assert_allclose(views[None][0], table.mean(0))
    assert not views[None][1].any()
    np.testing.assert_array_equal(views[None][2], table[1])
    assert (counts.rows, counts.tokens, counts.unknown, counts.empty) == (3, 6, 2, 1)
    assert "warning: 33.3% of the tokens are unknown to glove" in counts.sentences("glove")[1]


def test_parts_of_a_compound_are_looked_up():
    views, counts = fake_glove().read(["good-film"], [None])
    np.testing.assert_allclose(views[None][0], fake_glove()._loaded[1][:2].mean(0))
    assert counts.unknown == 0


def test_means_do_not_depend_on_neighbours():
    enc, words = fake_glove(), ["good", "film", "!", "x"]
    rng = np.random.default_rng(0)
    some = [" ".join(rng.choice(words, size=k)) for k in rng.integers(0, 9, size=2500)]
    whole = enc.encode(some)[None]
    np.testing.assert_allclose(whole[1234], enc.encode([some[1234]])[None][0], rtol=1e-6)


@pytest.mark.packaged("wordllama")
def test_wordllama_reads_similar_texts_alike():
    enc = encoder("wordllama")
    views, counts = enc.read(["a wonderful movie", "a great film", "quarterly tax forms", "", "x" * 50_000], [None])
    m = views[None].astype(float)
    m /= np.linalg.norm(m, axis=1, keepdims=True).clip(min=1e-9)
    assert m[0] @ m[1] > m[0] @ m[2] + 0.2
    assert not m[3].any()
    assert counts.empty == 1


@pytest.mark.packaged("glove")
def test_glove_knows_words():
    views, counts = encoder("glove").read(["the king and the queen", "zyzzyvaquux"], [None])
    assert counts.unknown == 1
    assert np.linalg.norm(views[None][0]) > 1
    assert not views[None][1].any()
