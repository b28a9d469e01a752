"""A model that is trained in pieces: each process holds a share of every weight, its gradient and its moments (torch's fully_shard, FSDP2).

``accelerate launch --config_file fsdp.yaml`` asks for it; CONFIG names the file that comes with outgrow. Blocks and trunk are cut, the
head is small and stays whole. Every process builds the model whole before it is cut, and gathers it after: what is saved is the memory
of training.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from outgrow.encoders.passes import blocks
from outgrow.errors import InputError

__all__ = ["CONFIG", "add_up", "asked", "clip", "groups", "in_pieces", "is_shard", "shard", "whole"]

CONFIG = Path(__file__).with_name("fsdp.yaml")


def asked() -> bool:
    """Say whether this process was started to train in pieces: accelerate's launcher says so in its environment."""
    return os.environ.get("ACCELERATE_USE_FSDP", "").lower() in ("1", "true", "yes")


def shard(model: Any, size: int) -> Any:
    """Cut a model's trunk into shares of the running processes, in place; leave it whole where nobody asked or there is one process.

    Raises
    ------
    InputError
        Weights of several types, as LoRA in bfloat16 has them.
    """
    if size < 2 or not asked():
        return model
    from torch.distributed.fsdp import fully_shard

    trunk = model.trunk
    if len({p.dtype for p in trunk.parameters()}) > 1:
        raise InputError(
            "a model in pieces needs weights of one type, and these are of several; use dtype float32, or train without fsdp"
        )
    depth = int(getattr(trunk.config, "num_hidden_layers", 0))
    for module in [*(list(blocks(trunk, depth) or ()) if depth else []), trunk]:
        fully_shard(module)
    return model


def is_shard(tensor: Tensor) -> bool:
    """Say whether a tensor is one process's share."""
    return hasattr(tensor, "full_tensor")


def in_pieces(model: Any) -> bool:
    """Say whether a model was cut."""
    return any(is_shard(p) for p in model.parameters())


def whole(tensor: Tensor) -> Tensor:
    """Return a tensor with the shares of all processes; every process must ask."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def groups(own: list[Tensor]) -> list[list[Tensor]]:
    """Return what is trained in groups that an optimiser can take at once: shares, and whole weights."""
    return [g for g in ([p for p in own if is_shard(p)], [p for p in own if not is_shard(p)]) if g]


def add_up(own: list[Tensor], crew: Any) -> None:
    """Sum gradients over processes, each of which has the loss of its own rows divided by the rows of all.

    Parameters
    ----------
    own : list of Tensor
        What is trained.
    crew : Crew
    """
    gradients = [p.grad for p in own if p.grad is not None]
    crew.add([g for g in gradients if not is_shard(g)])
    for gradient in gradients:
        if hasattr(gradient, "to_local"):
            # fully_shard has taken the mean; gloo knows no other factor.
            gradient.to_local().mul_(crew.size)


def clip(own: list[Tensor], most: float, crew: Any) -> None:
    """Scale gradients in place so that the norm of all of them together is at most ``most``.

    Parameters
    ----------
    own : list of Tensor
        What is trained, its gradients already summed over processes.
    most : float
    crew : Crew
    """
    shares, plain = ([p.grad for p in own if p.grad is not None and is_shard(p) == cut] for cut in (True, False))
    if not shares:
        torch.nn.utils.clip_grad_norm_(own, most)
        return
    local: list[Any] = [g.to_local() for g in shares if hasattr(g, "to_local")]
    squared = torch.stack([g.double().pow(2).sum() for g in local]).sum()[None]
    crew.add([squared])
    norm = math.sqrt(float(squared) + sum(float(g.double().pow(2).sum()) for g in plain))
    # torch's own rule, so that a model in pieces takes the steps of a whole one.
    factor = min(1.0, most / (norm + 1e-6))
    for gradient in (*local, *plain):
        gradient.mul_(factor)
