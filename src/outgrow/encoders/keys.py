"""The fingerprint of a view: what the encoder is, and what it reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from outgrow.encoders.encoder import Encoder, Layer, check_layer
from outgrow.encoders.views import ViewSpec, Wanted, named
from outgrow.errors import InputError
from outgrow.fingerprints import fingerprint
from outgrow.tasks.rows import INPUTS

__all__ = ["check_text", "key_of", "view_key"]


def check_text(task: Any, specs: Sequence[ViewSpec]) -> None:
    """Say in a sentence that text encoders do not read numbers."""
    if isinstance(task.inputs, np.ndarray) and task.inputs.dtype.kind not in "OUS":
        raise InputError(
            f"the task's inputs are numbers, and encoder {specs[0].encoder!r} reads text; use the view 'inputs' itself"
        )


def key_of(enc: Encoder, layer: Layer, task: Any) -> str:
    """Return the fingerprint of one view."""
    return fingerprint("view", enc.recipe(layer), task.key)


def view_key(task: Any, view: Wanted) -> str:
    """Return the fingerprint of one view of a task, without making it."""
    (spec,) = named(view)
    if spec.name == INPUTS:
        return str(task.key)
    check_text(task, [spec])
    enc = spec.make()
    return key_of(enc, check_layer(enc, spec.layer), task)
