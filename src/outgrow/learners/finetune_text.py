"""A language model reads the task's texts before it is shown any label (Burns et al. 2023, arXiv 2312.09390, section 4.4).

    minimise over the trunk:   - mean over tokens t > 1 of all texts of  log p(x_t given x_1 .. x_{t-1})

The paper calls it generative fine-tuning and, as recalled and not checked, found it to help reward models by ten to twenty points of PGR.
What is trained is what the fit trains afterwards (adapters, the last layers, or all weights), at the same rate and schedule; the output
matrix is the model's own: its embeddings where these are tied, else read from its files and left as it is.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from outgrow.encoders.batching import token_batches
from outgrow.encoders.source import ModelSource
from outgrow.errors import InputError
from outgrow.learners.finetune_loop import Alone, Course, Crew, Keeper, Progress, optimiser_of, order, padded
from outgrow.learners.finetune_model import Pooled, pooling_of

__all__ = ["output_matrix", "read_texts", "text_loss"]

_OUTPUTS = ("lm_head.weight", "embed_out.weight")
# Logits of a whole vocabulary are held at once; a quarter of a gigabyte in float32.
_LOGITS = 2**26


def output_matrix(source: ModelSource, model: Pooled) -> Tensor:
    """Return the (vocabulary, width) matrix that turns the trunk's hidden states into logits of the next token.

    Raises
    ------
    InputError
        A model that does not read from left to right, or has no such matrix.
    """
    config = source.config()
    if pooling_of(config) != "last":
        raise InputError(
            f"the model {source.name!r} does not read from left to right, so it cannot be trained on text first; leave text_epochs out"
        )
    if getattr(config, "tie_word_embeddings", False):
        matrix: Tensor = model.trunk.get_input_embeddings().weight
        return matrix
    from safetensors import safe_open

    for file in sorted(source.weights().glob("*.safetensors")):
        with safe_open(file, framework="pt") as stored:
            for name in _OUTPUTS:
                if name in stored.keys():  # noqa: SIM118  no mapping
                    return stored.get_tensor(name).to(model.head.weight)
    raise InputError(
        f"the model {source.name!r} was saved without its language model head, so it cannot be trained on text first; "
        "name one that has it, or leave text_epochs out"
    )


def read_texts(
    model: Pooled,
    output: Tensor,
    tokens: list[NDArray[np.int64]],
    course: Course,
    epochs: int,
    *,
    keeper: Keeper | None = None,
    crew: Crew | None = None,
    tick: Callable[[int], None] = lambda step: None,
) -> list[float]:
    """Train the trunk in place to tell each next token.

    Parameters
    ----------
    model : Pooled
    output : Tensor of shape (vocabulary, width)
        See :func:`output_matrix`.
    tokens : list of n arrays
        Token ids of each text; one of a single token teaches nothing.
    course : Course
        Of the fit that follows; rate, batches and schedule are taken from it.
    epochs : int
    keeper, crew, tick
        As in :func:`~outgrow.learners.finetune_loop.train`.

    Returns
    -------
    list of float
        Mean loss of a token, by step.

    Raises
    ------
    InputError
        When no text has two tokens, or the loss is not finite.
    """
    crew = crew or Alone()
    course = dataclasses.replace(course, epochs=epochs, keep=(), until=1.0)
    lengths = np.array([len(t) for t in tokens], dtype=np.int64)
    if not (lengths > 1).any():
        raise InputError(
            "no text has two tokens, so there is nothing to tell from what is before; leave text_epochs out"
        )
    steps = order(lengths, course)
    optimiser = optimiser_of(model, course)
    at = (keeper.resume(model, optimiser) if keeper is not None else None) or Progress()
    own = [p for p in model.trunk.parameters() if p.requires_grad]
    while at.step < len(steps):
        tick(at.step)
        rows = steps[at.step]
        for group in optimiser.param_groups:
            group["lr"] = course.rate(at.step, len(steps))
        total = int((lengths[rows] - 1).clip(min=0).sum())
        lost = torch.zeros(1, dtype=torch.float64)
        parts = _parts(lengths[rows], course.batch_tokens, output)
        for part in parts[crew.rank :: crew.size] if total else ():
            loss = _loss(model, output, [tokens[rows[i]] for i in part], course.dtype) / total
            loss.backward()
            lost += loss.detach().double().cpu()
        for p in own:
            if p.grad is None:
                p.grad = torch.zeros_like(p)
        crew.add([lost, *(p.grad for p in own if p.grad is not None)])
        if not math.isfinite(float(lost)):
            raise InputError(
                f"the loss on text is {float(lost)} at step {at.step} of {len(steps)}; lower lr (it is {course.lr:g})"
            )
        torch.nn.utils.clip_grad_norm_(own, course.clip)
        optimiser.step()
        optimiser.zero_grad()
        at.step += 1
        at.losses.append(float(lost))
        if keeper is not None:
            # The end is kept too, or a fit killed after it would read all texts again.
            keeper.keep(model, optimiser, at, now=at.step == len(steps))
    return at.losses


def text_loss(model: Pooled, output: Tensor, tokens: Sequence[NDArray[np.int64]], course: Course) -> float:
    """Return the mean loss of a token over texts, in nats."""
    lengths = np.array([len(t) for t in tokens], dtype=np.int64)
    total = int((lengths - 1).clip(min=0).sum())
    with torch.no_grad():
        parts = _parts(lengths, course.batch_tokens, output)
        return float(sum(_loss(model, output, [tokens[i] for i in p], course.dtype).item() for p in parts)) / total


def _parts(lengths: NDArray[np.int64], most: int, output: Tensor) -> list[NDArray[np.int64]]:
    """Return positions read at once: texts of two tokens or more, few enough for their logits to be held."""
    there = np.flatnonzero(lengths > 1)
    return [there[p] for p in token_batches(lengths[there], max(1, min(most, _LOGITS // len(output))))]


def _loss(model: Pooled, output: Tensor, tokens: list[NDArray[np.int64]], dtype: str) -> Tensor:
    """Return the summed loss of all tokens but the first of each text."""
    ids, mask = padded(tokens, output.device)
    with torch.autocast(output.device.type, dtype=torch.bfloat16, enabled=dtype == "bfloat16"):
        hidden = model.trunk(input_ids=ids, attention_mask=mask).last_hidden_state[:, :-1]
        logits = hidden[mask[:, 1:].bool()] @ output.T
    return torch.nn.functional.cross_entropy(logits.float(), ids[:, 1:][mask[:, 1:].bool()], reduction="sum")
