"""Fine-tuned students in a study: ``{finetune: smollm2, lora: 8}``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["FineTuneSpec", "built", "check_tuned", "learner_of", "shown", "spread"]

HEADS = {"classes": "finetune", "value": "finetune_value"}
CURVE = "No learning curve of {}: it would take several more fine-tuned fits a seed."


class FineTuneSpec(BaseModel):
    """How a student's model is fine-tuned; what is not given is as in :class:`~outgrow.learners.finetune.FineTune`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    lora: int | None = Field(default=None, gt=0)
    layers: str | None = None
    epochs: int | None = Field(default=None, gt=0)
    lr: Annotated[float, Field(gt=0)] | None = None
    batch: int | None = Field(default=None, gt=0)
    schedule: Literal["linear", "cosine", "constant"] | None = None
    warmup: Annotated[float, Field(ge=0, le=1)] | None = None
    weight_decay: Annotated[float, Field(ge=0)] | None = None
    gradient_checkpointing: bool | None = None
    batch_tokens: int | None = Field(default=None, gt=0)

    def given(self) -> dict[str, Any]:
        """Return what was given."""
        return self.model_dump(exclude_none=True)


def spread(value: Mapping[str, Any]) -> dict[str, Any]:
    """Turn ``{finetune: smollm2, lora: 8, name: x}`` into ``{encoder: smollm2, finetune: {lora: 8}, name: x}``."""
    rest = dict(value)
    model = rest.pop("finetune")
    if "encoder" in rest:
        raise ValueError(f"a student has one of encoder and finetune; this one has {rest['encoder']!r} and {model!r}")
    own = {k: rest.pop(k) for k in list(rest) if k in FineTuneSpec.model_fields}
    return {"encoder": model, "finetune": own, **rest}


def shown(encoder: str, given: Mapping[str, Any], others: Mapping[str, Any]) -> str:
    """Return a fine-tuned student's name in tables: its model, and what was given."""
    told = ", ".join(f"{k}={v}" for k, v in {**given, **others}.items())
    return f"{encoder} fine-tuned" + (f" ({told})" if told else "")


def learner_of(student: Any, view: str, kind: str, seed: int) -> dict[str, Any]:
    """Return JSON from which :func:`built` makes the learner."""
    own = ("max_tokens", "pooling", "dtype", "revision")
    options = {**student.finetune.given(), **{k: v for k in own if (v := getattr(student, k)) is not None}}
    return {"head": HEADS[kind], "on": view, "model": student.encoder, **options, "random_state": seed}


def check_tuned(student: Any, view: str, kind: str) -> None:
    """Say before any work which option of a fine-tuned student is out of range, and what is not installed.

    Raises
    ------
    InputError, MissingExtra
    """
    import importlib.util

    from outgrow.errors import MissingExtra

    built(learner_of(student, view, kind, 0)).check()
    for package in ("transformers", *(["peft"] if student.finetune.lora is not None else [])):
        if importlib.util.find_spec(package) is None:
            raise MissingExtra(f"fine-tuning {student.encoder!r}", "hf")


def built(spec: Mapping[str, Any]) -> Any:
    """Build a fine-tuned learner from its JSON."""
    import importlib

    # By name: the learner's own fingerprint covers its code, and an edit of it must not rename the results of heads.
    module = importlib.import_module("outgrow.learners.finetune")
    made = {"finetune": module.FineTune, "finetune_value": module.FineTuneValue}[spec["head"]]
    return made(**{k: v for k, v in spec.items() if k != "head"})
