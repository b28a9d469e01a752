"""One pass of a transformer over a batch: pooled hidden states of several layers, stopping after the deepest one that is read.

Hooks on the blocks pool each hidden state where it arises, so no more than one is held, and an exception leaves the model after the
deepest block: the rest of it and its head never run. A model whose blocks cannot be found gives all hidden states, without early exit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

__all__ = ["LayerReader", "pool"]


class _EnoughError(Exception):
    """The deepest layer that is read has been seen."""


def pool(hidden: torch.Tensor, mask: torch.Tensor, pooling: str) -> torch.Tensor:
    """Reduce (b, t, d) hidden states to (b, d) float32 under a right-padded mask (b, t).

    ``mean`` is the mean over the unmasked positions, ``last`` the last unmasked one. A row without any is zero.
    """
    import torch

    lengths = mask.sum(1)
    if pooling == "last":
        rows = torch.arange(len(hidden), device=hidden.device)
        last = hidden[rows, (lengths - 1).clamp(min=0)].float()
        return last * (lengths > 0).unsqueeze(1)
    # masked_fill, not a product: a padded position may hold NaN.
    kept = hidden.float().masked_fill(~mask.bool().unsqueeze(2), 0.0)
    return kept.sum(1) / lengths.clamp(min=1).unsqueeze(1)


class LayerReader:
    """Reads pooled layers of a transformers model.

    Parameters
    ----------
    model : torch.nn.Module
        A model without head, in evaluation mode.
    depth : int
        Number of its blocks, so the number of its last layer.
    pooling : {"mean", "last"}
    """

    def __init__(self, model: Any, depth: int, pooling: str):
        self.model = model
        self.depth = depth
        self.pooling = pooling
        self.blocks = blocks(model, depth)

    def __call__(self, ids: torch.Tensor, mask: torch.Tensor, layers: Sequence[int]) -> dict[int, NDArray[np.float32]]:
        """Return ``{layer: (b, d) float32}`` for token ids and mask of shape (b, t)."""
        import torch

        seen: dict[int, torch.Tensor] = {}
        deepest = max(layers)

        def take(layer: int, hidden: torch.Tensor) -> None:
            if layer in layers:
                seen[layer] = pool(hidden, mask, self.pooling)
            if layer == deepest:
                raise _EnoughError

        with torch.inference_mode():
            if self.blocks is None:
                out = self.model(input_ids=ids, attention_mask=mask, output_hidden_states=True)
                for layer in layers:
                    seen[layer] = pool(out.hidden_states[layer], mask, self.pooling)
            else:
                handles = self._hooks(take, deepest)
                try:
                    out = self.model(input_ids=ids, attention_mask=mask)
                    # The last layer is what the model gives out, after its final norm.
                    seen[self.depth] = pool(out.last_hidden_state, mask, self.pooling)
                except _EnoughError:
                    pass
                finally:
                    for handle in handles:
                        handle.remove()
        return {layer: seen[layer].cpu().numpy() for layer in layers}

    def _hooks(self, take: Any, deepest: int) -> list[Any]:
        assert self.blocks is not None

        def before(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            take(0, args[0] if args else kwargs["hidden_states"])

        handles = [self.blocks[0].register_forward_pre_hook(before, with_kwargs=True)]
        for number, block in enumerate(self.blocks[: min(deepest, self.depth - 1)], start=1):

            def after(_: Any, __: Any, out: Any, number: int = number) -> None:
                take(number, out[0] if isinstance(out, tuple) else out)

            handles.append(block.register_forward_hook(after))
        return handles


def blocks(model: Any, depth: int) -> list[Any] | None:
    """Return the model's blocks in order: the list of ``depth`` modules with most parameters; None when there is none."""
    import torch

    found: list[Any] = [m for m in model.modules() if isinstance(m, torch.nn.ModuleList) and len(m) == depth]
    if not found:
        return None
    sizes = [sum(p.numel() for p in m.parameters()) for m in found]
    return list(found[sizes.index(max(sizes))])
