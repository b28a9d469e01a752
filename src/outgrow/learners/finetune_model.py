"""A transformer with a linear head on one pooled position: built, frozen in part, given LoRA, saved."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from outgrow.encoders.hub import loading, quiet, transformers_or_extra
from outgrow.encoders.passes import blocks, pool
from outgrow.encoders.source import ModelSource
from outgrow.errors import InputError, MissingExtra, StoreError
from outgrow.learners.finetune_shard import whole

__all__ = ["Pooled", "build", "pooling_of", "trained"]

_FINAL_NORMS = ("norm", "ln_f", "final_layer_norm", "final_layernorm", "final_norm")


class Pooled(nn.Module):
    """Logits ``shift + scale * head(pool(trunk(tokens)))``.

    The head starts at zero, as the public code of Burns et al. 2023 has it, so before the first step every class is as likely as its
    shift says, and every value is the weighted mean of the labels.

    Parameters
    ----------
    trunk : torch.nn.Module
        A transformers model without head.
    width, outputs : int
    pooling : {"last", "mean"}
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, trunk: Any, width: int, outputs: int, pooling: str):
        super().__init__()
        self.trunk = trunk
        self.pooling = pooling
        self.head = nn.Linear(width, outputs)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.register_buffer("shift", torch.zeros(outputs))
        self.register_buffer("scale", torch.ones(outputs))

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return (b, outputs) logits of right-padded ids and mask (b, t)."""
        pooled = self.pooled(ids, mask)
        with torch.autocast(pooled.device.type, enabled=False):
            return self.head(pooled) * self.scale + self.shift

    def pooled(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return (b, width), what the head reads."""
        return pool(self.trunk(input_ids=ids, attention_mask=mask).last_hidden_state, mask, self.pooling)


def pooling_of(config: Any) -> str:
    """Return "last" for a model that reads from left to right, whose last token alone has seen the text, and "mean" for others."""
    names = getattr(config, "architectures", None) or ()
    causal = getattr(config, "is_decoder", False) or any("CausalLM" in n or "LMHead" in n for n in names)
    kind = getattr(config, "model_type", "")
    return "last" if causal or kind in ("llama", "gpt2", "gemma", "gemma3_text", "qwen2", "mistral") else "mean"


def build(
    source: ModelSource,
    outputs: int,
    *,
    pooling: str | None,
    lora: int | None,
    layers: str,
    dtype: str,
    checkpointing: bool,
    seed: int,
) -> Pooled:
    """Load a model's weights and make it ready to be trained.

    Parameters
    ----------
    source : ModelSource
    outputs : int
        Classes, or 1.
    pooling : {"last", "mean"}, optional
        Default: :func:`pooling_of`.
    lora : int, optional
        Rank of the adapters; None trains the weights themselves.
    layers : str
        "all", "last n" or "head".
    dtype : {"float32", "bfloat16"}
        Of the arithmetic. What is trained is float32; weights that only stand below adapters are kept in ``dtype``.
    checkpointing : bool
        Compute activations again in the backward pass instead of keeping them.
    seed : int
        Of the adapters' first values.

    Raises
    ------
    FetchError, MissingExtra
        When the model, or peft, cannot be had.
    InputError
        More last layers than there are.
    """
    transformers = transformers_or_extra(f"fine-tuning {source.name!r}")
    folder = source.weights()
    config = source.config()
    kept = getattr(torch, dtype) if lora is not None else torch.float32
    with quiet(), loading(source.name):
        trunk = transformers.AutoModel.from_pretrained(str(folder), dtype=kept, use_safetensors=True)
    if getattr(trunk.config, "is_encoder_decoder", False):
        trunk = trunk.get_encoder()
    if hasattr(trunk.config, "use_cache"):
        trunk.config.use_cache = False
    _without_dropout(trunk)
    trunk.eval()
    _choose(trunk, config, source.name, layers, lora, seed)
    if checkpointing:
        # transformers 5 renamed it, and warns of the old name.
        enable = getattr(trunk, "activation_checkpointing_enable", None) or trunk.gradient_checkpointing_enable
        enable({"use_reentrant": False})
        # Models recompute only while they train; without dropout that is the one difference.
        trunk.train()
    return Pooled(trunk, int(config.hidden_size), outputs, pooling or pooling_of(config))


def _without_dropout(trunk: Any) -> None:
    """A fit is the same bits wherever it was stopped, and targets that follow the logits follow the model's own answer."""
    for module in trunk.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        for name in ("attention_dropout", "dropout", "activation_dropout"):
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, 0.0)


def _choose(trunk: Any, config: Any, name: str, layers: str, lora: int | None, seed: int) -> None:
    """Mark what is trained."""
    depth = int(getattr(config, "num_hidden_layers", 0))
    stack = blocks(trunk, depth) if depth else None
    chosen: list[Any] = [trunk]
    if layers == "head":
        chosen = []
    elif layers.startswith("last "):
        last = int(layers.removeprefix("last "))
        if stack is None or last > depth:
            raise InputError(
                f"layers is {layers!r} and the model {name!r} has {depth}; give a number up to that, or 'all'"
            )
        chosen = list(stack[-last:])
    trunk.requires_grad_(False)
    if lora is not None:
        # Linear maps inside blocks only: adapters on an embedding or a language head are other methods.
        inside = chosen if chosen != [trunk] or stack is None else stack
        _adapt(trunk, inside, lora, seed)
        return
    norms = [m for n, m in trunk.named_modules() if n.rpartition(".")[2] in _FINAL_NORMS and "layers." not in n]
    for module in [*chosen, *(norms if layers.startswith("last ") else [])]:
        module.requires_grad_(True)


def _adapt(trunk: Any, inside: list[Any], rank: int, seed: int) -> None:
    try:
        import peft
    except ImportError as error:
        raise MissingExtra("lora", "hf") from error
    from transformers.pytorch_utils import Conv1D

    wanted = {id(m) for block in inside for m in block.modules() if isinstance(m, nn.Linear | Conv1D)}
    names = [n for n, m in trunk.named_modules() if id(m) in wanted]
    transposed = any(isinstance(m, Conv1D) for m in trunk.modules())
    config = peft.LoraConfig(
        r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules=names, bias="none", fan_in_fan_out=transposed
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        peft.inject_adapter_in_model(config, trunk)
    for parameter in trunk.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()


def trained(model: Pooled) -> dict[str, Tensor]:
    """Return what training changed, by name: parameters that have a gradient, and how the outputs are scaled."""
    own = {name: whole(p.detach()) for name, p in model.named_parameters() if p.requires_grad}
    return own | {"shift": model.shift, "scale": model.scale}


def put_back(model: Pooled, tensors: Mapping[str, Tensor]) -> None:
    """Write what :func:`trained` returned into a model built in the same way.

    Raises
    ------
    StoreError
        When the names or shapes are those of another model.
    """
    there = trained(model)
    same = there.keys() == tensors.keys() and all(there[n].shape == tensors[n].shape for n in there)
    if not same:
        raise StoreError(
            "the saved weights are of another model or other layers than this student names; save it again"
        )
    with torch.no_grad():
        for name, tensor in there.items():
            tensor.copy_(tensors[name])


def write(model: Pooled, file: Path) -> None:
    """Write what training changed as safetensors."""
    from safetensors.torch import save_file

    save_file({n: t.cpu().contiguous().clone() for n, t in trained(model).items()}, file)
