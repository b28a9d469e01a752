"""Fine-tuned students on disk: what training changed, the tokenizer, and JSON that names the model below; no text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from outgrow.errors import InputError, StoreError
from outgrow.learners.finetune_checkpoint import device
from outgrow.learners.finetune_model import put_back, write

__all__ = ["load", "save"]

ABOUT = "head.json"
WEIGHTS = "tuned.safetensors"


def save(learner: Any, folder: Path) -> None:
    """Write a fitted learner; see :meth:`~outgrow.learners.finetune_base.FineTuned.save`."""
    from sklearn.utils.validation import check_is_fitted

    from outgrow.store import private_folder, write_json

    check_is_fitted(learner, "model_")
    folder = private_folder(folder)
    write(learner.model_, folder / WEIGHTS)
    source = learner._source()
    source.tokenizer().save_pretrained(folder / "tokenizer")
    classes = getattr(learner, "classes_", None)
    about = {
        "learner": type(learner).__name__,
        "params": learner.get_params(deep=False),
        "model": source.digest(),
        "outputs": int(learner.model_.head.out_features),
        "dtype": learner._dtype(),
        "classes": None if classes is None else {"names": classes.tolist(), "dtype": classes.dtype.str},
        "fitted": {k: getattr(learner, k) for k in ("penalty_", "n_iter_", "lr_", "stopped_", "fingerprint_")},
        "looks": learner.looks_,
        "loss": learner.loss_,
        "state": learner.state_,
    }
    write_json(folder / ABOUT, about)


def load(kind: type, folder: Path) -> Any:
    """Read a fitted learner of a kind; see :meth:`~outgrow.learners.finetune_base.FineTuned.load`."""
    from safetensors.torch import load_file

    from outgrow.store import read_json

    if not (folder / ABOUT).is_file() or not (folder / WEIGHTS).is_file():
        raise StoreError(f"no saved learner there: it needs the files {WEIGHTS} and {ABOUT}")
    about = read_json(folder / ABOUT)
    if about["learner"] != kind.__name__:
        raise StoreError(f"the saved learner is a {about['learner']}, not a {kind.__name__}")
    made: Any = kind(**about["params"])
    found = made._source().digest()
    if found != about["model"]:
        raise InputError(
            f"the student was trained on model {made.model!r} with bytes {about['model']}, but {found} is here; get that one"
        )
    model = made._build(about["outputs"])
    put_back(model, load_file(folder / WEIGHTS))
    made.model_ = model.to(device()).eval()
    made.state_ = {name: np.asarray(value) for name, value in about["state"].items()}
    made.loss_, made.looks_, made.text_loss_ = np.asarray(about["loss"]), list(about["looks"]), np.zeros(0)
    # Only what training ended with is on disk.
    made.kept_, made.total_ = {}, int(about["fitted"]["n_iter_"])
    if about["classes"] is not None:
        made.classes_ = np.array(about["classes"]["names"], dtype=np.dtype(about["classes"]["dtype"]))
    for name, value in about["fitted"].items():
        setattr(made, name, value)
    return made
