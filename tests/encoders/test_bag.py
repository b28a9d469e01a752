from __future__ import annotations

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from outgrow.encoders.bag import TfidfEncoder
from outgrow.encoders.encoder import load_encoder, save_encoder
from outgrow.errors import InputError

TEXTS = ["a good film", "a bad film with a plot", "the plot is good good", "", "zyzzyva quux"]


def test_inner_products_equal_scikit_learns():
    ours = TfidfEncoder().fit(TEXTS).encode(TEXTS)[None]
    theirs = TfidfVectorizer().fit_transform(TEXTS).toarray()
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours @ ours.T, theirs @ theirs.T, atol=1e-6)


def test_characters_read_smiles():
    smiles = ["CCO", "c1ccccc1O", "CC(=O)O", "C"]
    ours = TfidfEncoder("char").fit(smiles).encode(smiles)[None]
    theirs = TfidfVectorizer(analyzer="char", ngram_range=(2, 4), lowercase=False).fit_transform(smiles).toarray()
    np.testing.assert_allclose(ours @ ours.T, theirs @ theirs.T, atol=1e-6)
    assert not np.array_equal(ours[0], TfidfEncoder("char").fit(smiles).encode(["cco"])[None][0])


def test_the_commonest_columns_are_kept():
    enc = TfidfEncoder(features=2).fit(["a1 b1", "a1 b1", "a1 c1"])
    assert enc.width == 2
    _, counts = enc.read(["a1 b1 c1 d1"], [None])
    assert (counts.tokens, counts.unknown) == (4, 2)


def test_an_empty_text_is_a_zero_vector():
    views, counts = TfidfEncoder().fit(TEXTS).read(["", "good"], [None])
    assert not views[None][0].any()
    assert np.linalg.norm(views[None][1]) == pytest.approx(1)
    assert counts.empty == 1


def test_saved_state_reads_new_text_alike_and_holds_no_word(tmp_path):
    enc = TfidfEncoder().fit(TEXTS)
    save_encoder(enc, tmp_path)
    again = load_encoder(tmp_path)
    np.testing.assert_array_equal(again.encode(["a good zyzzyva"], [None])[None], enc.encode(["a good zyzzyva"])[None])
    for file in tmp_path.rglob("*"):
        raw = file.read_bytes()
        assert b"zyzzyva" not in raw
        assert "zyzzyva".encode("utf-16-le") not in raw


def test_unfitted_and_empty():
    with pytest.raises(InputError, match="not fitted"):
        TfidfEncoder().encode(["a"])
    with pytest.raises(InputError, match="no token in any of the 2 inputs"):
        TfidfEncoder().fit(["", " "])


def test_lone_surrogates_are_read():
    assert np.isfinite(TfidfEncoder().fit(["bad \ud800 half", "film"]).encode(["x \udfff film"])[None]).all()
