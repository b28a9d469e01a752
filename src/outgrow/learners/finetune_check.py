"""Parameters of fine-tuned students: what is out of range, and the learning rate where none is given."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from outgrow.errors import InputError, MissingExtra, nearest

__all__ = ["check_installed", "check_parameters", "rate_for"]

CHOICES = {
    "schedule": ("linear", "cosine", "constant"),
    "dtype": ("auto", "float32", "bfloat16"),
    "pooling": (None, "last", "mean"),
}


_FULL = ((5 * 10**7, 2e-4), (4 * 10**8, 5e-5), (math.inf, 1e-5))
_LORA = ((2 * 10**8, 2e-3), (10**9, 5e-4), (math.inf, 8e-5))


def rate_for(parameters: int, lora: int | None, layers: str) -> float:
    """Return the learning rate used where none is given.

    Up to the sizes that were swept (``benchmarks/finetune_lr.py``, docs/finetune.md), one epoch of 500 to 2,000 rows: full 2e-4 up to 50
    million parameters (MiniLM), LoRA 2e-3 up to 200 million (MiniLM, SmolLM2), the head alone 1e-2. Above, the rates of public code for
    larger sets: full 5e-5 up to 400 million and 1e-5 above (Burns et al. 2023: gpt2 and gpt2-medium, gpt2-large and larger), LoRA 5e-4 up
    to a billion and 8e-5 above (EleutherAI's w2s: a half-billion and an eight-billion model).
    """
    if layers == "head":
        return 1e-2
    table = _LORA if lora is not None else _FULL
    return next(rate for largest, rate in table if parameters <= largest)


def check_installed(model: str, lora: int | None) -> None:
    """Raise when what fine-tuning needs is not installed; nothing of it is imported.

    Raises
    ------
    MissingExtra
    """
    import importlib.util

    for package in ("transformers", *(["peft"] if lora is not None else [])):
        if importlib.util.find_spec(package) is None:
            raise MissingExtra(f"fine-tuning {model!r}", "hf")


def check_parameters(learner: Any) -> None:
    """Raise when a parameter of a fine-tuned learner is out of range.

    Raises
    ------
    InputError
    """
    name = type(learner).__name__
    for option in ("epochs", "batch", "max_tokens", "batch_tokens"):
        whole(name, option, getattr(learner, option), 1)
    for option, least in (("random_state", 0), ("text_epochs", 0), ("looks", 1)):
        whole(name, option, getattr(learner, option), least)
    number(name, "until", learner.until, 0, 1, above=True)
    number(name, "held_out", learner.held_out, 0, 0.9)
    if learner.text_epochs and learner.layers == "head":
        raise InputError(f"{name}: text_epochs trains the layers, and layers is 'head'; leave one of them out")
    if learner.lora is not None:
        whole(name, "lora", learner.lora, 1)
        if learner.layers == "head":
            raise InputError(f"{name}: lora trains inside the layers, and layers is 'head'; leave one of them out")
    for option, low, high in (("warmup", 0, 1), ("weight_decay", 0, np.inf)):
        number(name, option, getattr(learner, option), low, high)
    for option in ("lr", "checkpoint"):
        if getattr(learner, option) is not None:
            number(name, option, getattr(learner, option), 0, np.inf, above=option == "lr")
    for option, known in CHOICES.items():
        value = getattr(learner, option)
        if value not in known:
            raise InputError(f"{name}: {option} is {value!r}{nearest(str(value), [k for k in known if k])}")
    if not isinstance(learner.keep, list | tuple):
        raise InputError(f"{name}: keep is {learner.keep!r}; give shares of training such as (0.25, 0.5)")
    for share in learner.keep:
        number(name, "an entry of keep", share, 0, 1, above=True)
    last = str(learner.layers).removeprefix("last ")
    if learner.layers not in ("all", "head") and not (last != learner.layers and last.isdecimal() and int(last) > 0):
        raise InputError(f"{name}: layers is {learner.layers!r}; give 'all', 'head', or 'last n' such as 'last 4'")
    if not isinstance(learner.gradient_checkpointing, bool):
        raise InputError(
            f"{name}: gradient_checkpointing must be true or false, not {learner.gradient_checkpointing!r}"
        )
    if not isinstance(learner.model, str):
        raise InputError(f"{name}: model is a name such as 'smollm2', not a {type(learner.model).__name__}")


def whole(name: str, option: str, value: Any, low: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < low:
        raise InputError(f"{name}: {option} is {value!r}; give a whole number of at least {low}")


def number(name: str, option: str, value: Any, low: float, high: float, above: bool = False) -> None:
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not number or not low <= value <= high or (above and value == low) or value == np.inf:
        most = "" if high == np.inf else f" and at most {high:g}"
        raise InputError(
            f"{name}: {option} is {value!r}; give a number {'above' if above else 'of at least'} {low:g}{most}"
        )
