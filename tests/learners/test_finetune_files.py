"""Fine-tuned students on disk: checkpoints, saved students, broken files; and one training in two processes."""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from outgrow.errors import FetchError, InputError, StoreError
from outgrow.learners import FineTune, FineTuneValue, finetune_base
from outgrow.store import home
from outgrow.supervisors import ModelSupervisor
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.rows import Rows

from . import tuned_victim

Reviews = tuple[Rows, NDArray[np.str_]]
VICTIM = Path(__file__).parent / "tuned_victim.py"


def given(folder: Path, llama: Path, reviews: Reviews, **options: Any) -> Path:
    folder.mkdir(exist_ok=True)
    texts = reviews[0].view("inputs")[:96]
    yes = np.where(reviews[1][:96] == "yes", 0.7, 0.25).tolist()
    fixed = {"batch": 8, "lr": 3e-3, "lora": 2, "checkpoint": 0.0, "keep": [0.25]}
    about = {"texts": texts, "yes": yes, "model": str(llama), "options": {**fixed, **options}}
    (folder / "given.json").write_text(json.dumps(about), "utf-8")
    return folder


def run(folder: Path, *args: str) -> int:
    return subprocess.run([sys.executable, str(VICTIM), str(folder), *args], timeout=240).returncode


def result(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "out.json").read_text("utf-8")))


def test_killed_and_resumed_to_the_same_bits(
    llama: Path, reviews: Reviews, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The victim replaces this in its own process; here it is given back.
    monkeypatch.setattr(finetune_base, "train", finetune_base.train)
    tuned_victim.fit(given(tmp_path, llama, reviews, checkpoint=None), None)
    whole = result(tmp_path)
    assert whole["steps"] == list(range(12))
    assert whole["kept"] != whole["logits"]
    assert run(given(tmp_path, llama, reviews), "7") == -signal.SIGKILL
    (folder,) = (home() / "partial").glob("finetune-*")
    assert [p.name for p in folder.iterdir() if not p.name.startswith(".")] == ["step-000000007"]
    tuned_victim.fit(tmp_path, None)
    assert result(tmp_path)["steps"] == list(range(7, 12)), "nothing is trained twice"
    assert {**result(tmp_path), "steps": []} == {**whole, "steps": []}
    assert not folder.exists(), "a finished fit leaves nothing behind"


def test_a_checkpoint_cut_short(
    llama: Path, reviews: Reviews, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class StopHere(Exception):
        pass

    train = finetune_base.train

    def stopping(*args: Any, **options: Any) -> Any:
        def tick(step: int) -> None:
            if step == 3:
                raise StopHere

        return train(*args, **options, tick=tick)

    monkeypatch.setattr(finetune_base, "train", stopping)
    rows = reviews[0][:64]
    weak = WeakLabels.from_probs(np.eye(2)[np.arange(64) % 2], ["no", "yes"])
    learner = FineTune(str(llama), batch=16, lr=3e-3, checkpoint=0.0)
    with pytest.raises(StopHere):
        learner.fit(rows, weak)
    (file,) = (home() / "partial").glob("finetune-*/step-000000003/state.safetensors")
    file.write_bytes(file.read_bytes()[:-100])
    monkeypatch.setattr(finetune_base, "train", train)
    with caplog.at_level(logging.WARNING, "outgrow"):
        learner.fit(rows, weak)
    assert [r.getMessage() for r in caplog.records if r.name == "outgrow"] == [
        "a checkpoint is damaged (StoreError) and is dropped; the fit goes on from the one before, or from its beginning"
    ]
    whole = FineTune(str(llama), batch=16, lr=3e-3, checkpoint=None).fit(rows, weak)
    np.testing.assert_array_equal(learner.logits(rows), whole.logits(rows))


@pytest.mark.parametrize("options", [{}, {"lora": 2}, {"layers": "last 1"}, {"layers": "head"}])
def test_saved_and_loaded(llama: Path, reviews: Reviews, weak: WeakLabels, tmp_path: Path, options: Any) -> None:
    rows = reviews[0]
    learner = FineTune(str(llama), batch=16, lr=3e-3, checkpoint=None, keep=(0.5,), **options).fit(rows, weak)
    learner.save(tmp_path / "student")
    loaded = FineTune.load(tmp_path / "student")
    np.testing.assert_array_equal(loaded.logits(rows), learner.logits(rows))
    assert np.abs(learner.model_.head.weight.detach().numpy()).max() > 0
    assert loaded.get_params() == {**learner.get_params(), "keep": [0.5]}
    assert loaded.fingerprint_ == learner.fingerprint_
    raw = b"".join(p.read_bytes() for p in (tmp_path / "student").rglob("*") if p.is_file())
    assert not any(text.encode() in raw for text in rows.view("inputs") if len(text) > 20)
    with pytest.raises(StoreError, match="is a FineTune, not a FineTuneValue"):
        FineTuneValue.load(tmp_path / "student")
    half = learner.earlier(0.5)
    assert half.n_iter_ == round(0.5 * learner.n_iter_)
    assert not np.array_equal(half.logits(rows), learner.logits(rows))
    with pytest.raises(InputError, match=r"nothing was kept after 0.1 .* name it in keep"):
        learner.earlier(0.1)
    table = ModelSupervisor(half, on="inputs", name="half").label(rows)
    np.testing.assert_allclose(table.probs[:, 0], half.predict_proba(rows))
    FineTune(str(llama), batch=16, lr=3e-3, checkpoint=None).fit(rows[:40], table[:40])


def test_values_saved_and_loaded(llama: Path, reviews: Reviews, tmp_path: Path) -> None:
    rows = reviews[0][:64]
    values = WeakLabels.from_probs(20 + 3.0 * (np.arange(64) % 2), None)
    learner = FineTuneValue(str(llama), batch=16, checkpoint=None).fit(rows, values)
    learner.save(tmp_path / "student")
    np.testing.assert_array_equal(FineTuneValue.load(tmp_path / "student").predict(rows), learner.predict(rows))


def test_a_student_of_another_model_is_not_loaded(
    llama: Path, reviews: Reviews, weak: WeakLabels, tmp_path: Path
) -> None:
    import shutil

    base = tmp_path / "base"
    shutil.copytree(llama, base)
    learner = FineTune(str(base), batch=16, lora=2, checkpoint=None).fit(reviews[0][:40], weak[:40])
    learner.save(tmp_path / "student")
    file = base / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-4] + b"abcd")
    with pytest.raises(InputError, match=r"trained on model .* with bytes .* is here; get that one"):
        FineTune.load(tmp_path / "student")
    file.write_bytes(file.read_bytes()[:-500])
    with pytest.raises(FetchError, match=r"cannot be loaded by transformers .*incomplete"):
        FineTune(str(base), checkpoint=None).fit(reviews[0][:40], weak[:40])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"model": "smolm"}, "'smolm' is not a model that is known here.*did you mean 'smollm2'"),
        ({"model": "glove"}, "'glove' is no transformers model, so it cannot be fine-tuned"),
        ({"model": 3}, "model is a name such as 'smollm2', not a int"),
        ({"lora": 0}, "lora is 0; give a whole number of at least 1"),
        ({"lora": 2, "layers": "head"}, "lora trains inside the layers"),
        ({"layers": "first 2"}, "layers is 'first 2'; give 'all', 'head', or 'last n'"),
        ({"layers": "last 9"}, "layers is 'last 9' and the model .* has 2"),
        ({"epochs": 0}, "epochs is 0"),
        ({"batch": 2.5}, "batch is 2.5"),
        ({"lr": 0}, "lr is 0; give a number above 0"),
        ({"warmup": 2}, "warmup is 2; give a number of at least 0 and at most 1"),
        ({"schedule": "cosin"}, "schedule is 'cosin'; did you mean 'cosine'"),
        ({"dtype": "float16"}, "dtype is 'float16'"),
        ({"keep": [1.5]}, "an entry of keep is 1.5"),
        ({"gradient_checkpointing": 1}, "gradient_checkpointing must be true or false, not 1"),
        ({"lr": 1e38, "epochs": 3}, "the loss is .* at step .*; lower lr"),
    ],
)
def test_parameters_out_of_range(
    llama: Path, reviews: Reviews, weak: WeakLabels, options: dict[str, Any], sentence: str
) -> None:
    learner = FineTune(**{"model": str(llama), "batch": 16, "checkpoint": None, **options})
    with pytest.raises(InputError, match=sentence) as met:
        learner.fit(reviews[0][:40], weak[:40])
    assert "\n" not in str(met.value)


@pytest.mark.parametrize("name", ["nobody/no-such-model", "/no/such/folder"])
def test_a_model_that_is_not_there(reviews: Reviews, weak: WeakLabels, name: str) -> None:
    with pytest.raises(FetchError, match=r"check the name and the network|no config\.json"):
        FineTune(name, checkpoint=None).fit(reviews[0], weak)


def test_labels_of_another_length(llama: Path, reviews: Reviews, weak: WeakLabels) -> None:
    with pytest.raises(InputError, match=r"different rows \(240 and 100\)"):
        FineTune(str(llama)).fit(reviews[0], weak[:100])
    with pytest.raises(InputError, match="X has 240 rows and the labels have 3"):
        FineTune(str(llama)).fit(reviews[0], ["no", "yes", "no"])
    with pytest.raises(InputError, match=r"reads the views \['inputs'\], and X is a bare array"):
        FineTune(str(llama)).fit(np.zeros((3, 2)), ["no", "yes", "no"])


LARGE = """
import resource, sys, numpy as np
from outgrow.errors import InputError
from outgrow.learners import FineTune, finetune_loop
from outgrow.tasks.rows import Rows
read = finetune_loop.forward
def little(*args):
    pages = int(open("/proc/self/statm").read().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 2**25,) * 2)
    return read(*args)
finetune_loop.forward = little
rows = Rows.from_arrays(inputs=["good bad " * 200] * 512)
try:
    FineTune(sys.argv[1], batch=512, batch_tokens=10**7, max_tokens=400, checkpoint=None).fit(rows, ["no", "yes"] * 256)
except InputError as error:
    print(error)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is limited by Linux's rule")
def test_a_batch_that_does_not_fit(llama: Path) -> None:
    said = subprocess.run([sys.executable, "-c", LARGE, str(llama)], capture_output=True, text=True, timeout=240)
    assert said.stdout.startswith(
        "a batch of 512 rows of up to 400 tokens does not fit in memory; lower batch_tokens"
    ), (
        said.stdout,
        said.stderr[-2000:],
    )
