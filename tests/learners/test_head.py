from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError

from outgrow.errors import StoreError
from outgrow.learners import Learner, LinearHead, RidgeHead
from outgrow.learners.objective import CrossEntropy
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.rows import Rows

NAMES = [["no", "yes", "näh"], [3, -1, 2**40], [0.5, 1.5, 2.5], [False, True]]


def fitted(names, penalty="cv", dtype=None):
    random = np.random.default_rng(0)
    rows = Rows.from_arrays(f=random.normal(size=(40, 4)), g=random.normal(size=(40, 2)))
    table = WeakLabels.from_probs(random.dirichlet(np.ones(len(names)), 40), np.array(names, dtype=dtype))
    return LinearHead(on="f", penalty=penalty, tol=1e-5).fit(rows, table), rows


@pytest.mark.parametrize("names", NAMES)
def test_a_classifier_comes_back_as_it_was(tmp_path, names):
    head, rows = fitted(names)
    head.save(tmp_path / "deep" / "folder")
    back = LinearHead.load(tmp_path / "deep" / "folder")
    assert back.get_params() == head.get_params()
    np.testing.assert_array_equal(back.predict_proba(rows), head.predict_proba(rows))
    assert back.classes_.tolist() == names
    assert [type(c) for c in back.classes_.tolist()] == [type(c) for c in names]
    assert back.predict(rows).tolist() == head.predict(rows).tolist()
    for name in ("penalty_", "n_iter_", "converged_", "fingerprint_", "n_features_in_"):
        assert getattr(back, name) == getattr(head, name)


def test_names_held_as_objects(tmp_path):
    head, rows = fitted(["a", "long name"], dtype=object)
    head.save(tmp_path)
    back = LinearHead.load(tmp_path)
    assert back.classes_.dtype == object
    assert back.predict(rows).tolist() == head.predict(rows).tolist()


def test_a_regressor_comes_back_as_it_was(tmp_path):
    random = np.random.default_rng(0)
    x = random.normal(size=(30, 3))
    head = RidgeHead().fit(x, x[:, 0])
    head.save(tmp_path)
    back = RidgeHead.load(tmp_path)
    np.testing.assert_array_equal(back.predict(x), head.predict(x))
    assert back.penalty_ == head.penalty_
    with pytest.raises(StoreError, match="is a RidgeHead, not a LinearHead"):
        LinearHead.load(tmp_path)


def test_the_state_of_an_objective_is_kept(tmp_path):
    class Counting(CrossEntropy):
        def start(self, weak, weight):
            return {"shares": torch.tensor([0.25, 0.75])}

    x = np.random.default_rng(0).normal(size=(20, 2))
    head = LinearHead(penalty=1).fit(x, np.arange(20) % 2, objective=Counting())
    head.save(tmp_path)
    np.testing.assert_array_equal(LinearHead.load(tmp_path).state_["shares"], [0.25, 0.75])


def test_files_hold_parameters_and_numbers_only(tmp_path):
    head, _ = fitted(["no", "yes"], penalty=np.float64(0.5))
    head.save(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["head.json", "head.safetensors"]
    about = json.loads((tmp_path / "head.json").read_text())
    assert about["params"]["penalty"] == 0.5
    assert about["classes"]["names"] == ["no", "yes"]
    assert (tmp_path / "head.safetensors").stat().st_size < 2000, "no rows in it"


def test_an_empty_folder_and_an_unfitted_head_say_so(tmp_path):
    with pytest.raises(StoreError, match="no saved learner"):
        LinearHead.load(tmp_path)
    with pytest.raises(NotFittedError):
        LinearHead().save(tmp_path)
    with pytest.raises(NotFittedError):
        LinearHead().logits([[1.0]])


def test_both_are_learners():
    assert isinstance(LinearHead(), Learner)
    assert isinstance(RidgeHead(), Learner)


def test_the_folder_hands_names_on_without_loading_them():
    code = "import sys, outgrow.learners; assert not {'torch', 'sklearn', 'scipy'} & set(sys.modules); dir(outgrow.learners)"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
