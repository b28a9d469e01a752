"""What a fine-tuned fit will cost, before any work: tokens times weights times this machine's rate, and bytes of memory.

    seconds = (forward + backward) passes of the tokens, at the measured seconds a weight and token; see :mod:`outgrow.encoders.estimate`

A backward pass of all weights is two forward passes; of adapters one, because weights that are not trained need no gradient of their own;
of the last n layers, that share of two. Attention, the optimiser and the head are left in the three quarters of the rate that the
estimate of encoders allows for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from outgrow.encoders.estimate import pass_seconds

__all__ = ["FitCost", "fit_cost", "passes_of"]

# Words a packaged model knows, so that nothing is fetched to tell.
_VOCABULARY = {"smollm2": 49152, "gemma3": 262144, "minilm": 30522}
_USUAL = 50_000
# float32 numbers that one block keeps for its backward pass, in units of its width: norms, projections and the wide middle.
_KEPT = 18
# The program, and what loading the weights takes beside them.
_PROGRAM = 800 * 10**6
# A C library keeps what batches of other lengths have freed; measured 1.9 on SmolLM2.
_UNUSED = 2.0
_ADAM = 4


@dataclass(frozen=True)
class FitCost:
    """What one fit takes.

    Parameters
    ----------
    seconds : float
        Of this machine with its present number of threads.
    bytes : int
        Of memory: the program, weights, gradients, moments, and what the largest part of a batch keeps for its backward pass.
    """

    seconds: float
    bytes: int


def passes_of(learner: Any, depth: int) -> float:
    """Return how many forward passes a training pass over a token is worth."""
    if learner.layers == "head":
        return 1.0
    share = 1.0
    if learner.layers.startswith("last "):
        share = min(1.0, int(learner.layers.removeprefix("last ")) / depth)
    # Activations need a gradient down to the first trained block; weights only where they are trained themselves.
    return 1.0 + share * (1.0 if learner.lora is not None else 2.0) + (1.0 if learner.gradient_checkpointing else 0.0)


def fit_cost(learner: Any, rows: int, tokens: float, read: int = 0, longest: float | None = None) -> FitCost | None:
    """Estimate a fit and the answers asked of it; nothing is fetched.

    Parameters
    ----------
    learner : FineTune or FineTuneValue
    rows : int
        Rows learned from.
    tokens : float
        Mean tokens of a text.
    read : int
        Rows it answers for afterwards.
    longest : float, optional
        Tokens of the longest text; default the mean. Rows of like length are read together, so one batch is of such texts alone.

    Returns
    -------
    FitCost or None
        None where the model's size cannot be told before it is fetched.
    """
    from outgrow.encoders.encoder import encoder

    enc: Any = encoder(learner.model, **({} if learner.revision is None else {"revision": learner.revision}))
    if not enc.at_hand() or enc.depth is None:
        return None
    depth, width = int(enc.depth), int(enc.width)
    tokens = min(tokens, learner.max_tokens)
    each = pass_seconds(tokens, depth, width)
    inside = 12 * depth * width**2
    words = _words(learner)
    train = passes_of(learner, depth) * learner.epochs * learner.until * (1 - learner.held_out)
    watched = learner.held_out * learner.looks
    # The output matrix is read forward and backward, and takes its own share beside the blocks.
    text = learner.text_epochs * (passes_of(learner, depth) + 2 * words * width / inside)
    seconds = each * (rows * (train + watched + text) + read)
    at_once = min(learner.batch_tokens, learner.batch * min(longest or tokens, learner.max_tokens))
    blocks = depth if learner.lora is not None or learner.layers == "all" else _last(learner.layers)
    kept = 0 if learner.layers == "head" else _KEPT * width * 4 * (1 if learner.gradient_checkpointing else blocks)
    size = inside + words * width
    own = _trained(learner, depth, width, size)
    weights = (2 if learner.lora is not None and learner._dtype() == "bfloat16" else 4) * size
    logits = 12 * min(at_once * words, 2**26) if learner.text_epochs else 0
    return FitCost(seconds, int(_PROGRAM + weights + own * 4 * (_ADAM - 1) + at_once * kept * _UNUSED + logits))


def _last(layers: str) -> int:
    return int(layers.removeprefix("last ")) if layers.startswith("last ") else 0


def _words(learner: Any) -> int:
    if learner.model in _VOCABULARY:
        return _VOCABULARY[learner.model]
    return int(getattr(learner._source().config(), "vocab_size", None) or _USUAL)


def _trained(learner: Any, depth: int, width: int, size: int) -> float:
    """Return how many weights are trained, roughly."""
    share = 1.0 if learner.layers == "all" else _last(learner.layers) / depth
    if learner.lora is not None:
        # Seven maps a block, of about two and a half widths in and out together.
        return 7 * 2.5 * width * learner.lora * depth * share
    return size if learner.layers == "all" else 12 * depth * width**2 * share
