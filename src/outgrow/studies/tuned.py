"""Fine-tuned students in a study: ``{finetune: smollm2, lora: 8}``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from outgrow.errors import StudyError, nearest

__all__ = ["FineTuneSpec", "built", "chain_words", "check_tuned", "learner_of", "linked", "shown", "spread"]

VIEWED = ("max_tokens", "pooling", "dtype", "revision")
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
    keep: list[Annotated[float, Field(gt=0, le=1)]] | None = None
    held_out: Annotated[float, Field(ge=0, le=0.9)] | None = None
    looks: int | None = Field(default=None, gt=0)
    text_epochs: int | None = Field(default=None, ge=0)
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
    told = ", ".join(f"{k}={v}" for k, v in {**given, **others}.items() if k != "keep")
    return f"{encoder} fine-tuned" + (f" ({told})" if told else "")


def learner_of(student: Any, view: str, kind: str, seed: int) -> dict[str, Any]:
    """Return JSON from which :func:`built` makes the learner."""
    options = {**student.finetune.given(), **{k: v for k in VIEWED if (v := getattr(student, k)) is not None}}
    return {"head": HEADS[kind], "on": view, "model": student.encoder, **options, "random_state": seed}


def chain_words(chain: Any) -> Any:
    """Return a chain as a method's name shows it: a fine-tuned link by its model and what was given."""
    if not isinstance(chain, list) or not any(isinstance(link, dict) for link in chain):
        return chain
    told = [
        shown(str(link["finetune"]), {k: v for k, v in link.items() if k != "finetune"}, {})
        if isinstance(link, dict) and "finetune" in link
        else str(link)
        for link in chain
    ]
    return f"[{', '.join(told)}]"


def linked(params: Mapping[str, Any], last: Mapping[str, Any]) -> dict[str, Any]:
    """Return a method's parameters with the learners of a mixed chain: ``[minilm/3, {finetune: smollm2, lora: 4}]``.

    A view's name is a head of the task's kind where the student is fine-tuned; else the method reads it as the student's own head on
    that view.

    Parameters
    ----------
    params : mapping
        With the key ``chain``.
    last : mapping
        JSON of the study's learner, the last link.

    Raises
    ------
    StudyError
        A link that is neither, or an option that does not exist.
    """
    chain, head = params["chain"], str(last["head"])
    if not isinstance(chain, list):
        return dict(params)
    value = head in ("ridge", HEADS["value"])
    seed = last.get("random_state", 0)
    made: list[Any] = []
    for link in chain:
        if isinstance(link, dict):
            made.append(built(_link(link, value, seed)))
        elif isinstance(link, str) and head.startswith("finetune"):
            from outgrow.studies.work import learner

            made.append(learner({"head": "ridge" if value else "linear", "on": link, "random_state": seed}))
        else:
            made.append(link)
    return {**params, "chain": made}


def _link(link: Mapping[str, Any], value: bool, seed: int) -> dict[str, Any]:
    from outgrow.encoders.views import token_view

    rest = dict(link)
    model = rest.pop("finetune", None)
    if not isinstance(model, str):
        raise StudyError(f"a link of a chain is the name of a view, or {{finetune: model}}; {dict(link)!r} is neither")
    known = [*FineTuneSpec.model_fields, *VIEWED]
    for key in rest:
        if key not in known:
            raise StudyError(f"a fine-tuned link of a chain has no option {key!r}{nearest(str(key), known)}")
    try:
        own = FineTuneSpec.model_validate({k: v for k, v in rest.items() if k not in VIEWED}).given()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise StudyError(
            f"the option {'.'.join(map(str, first['loc']))!r} of a fine-tuned link: {first['msg']}; given {first['input']!r}"
        ) from None
    view = token_view(model, rest.get("max_tokens"), rest.get("revision"))
    more = {k: rest[k] for k in VIEWED if k in rest}
    kind = "value" if value else "classes"
    return {"head": HEADS[kind], "on": view, "model": model, **own, **more, "random_state": seed}


def check_tuned(student: Any, view: str, kind: str) -> None:
    """Say before any work which option of a fine-tuned student is out of range, and what is not installed.

    Raises
    ------
    InputError, MissingExtra
    """
    import importlib

    built(learner_of(student, view, kind, 0)).check()
    check = importlib.import_module("outgrow.learners.finetune_check")
    check.check_installed(student.encoder, student.finetune.lora)


def built(spec: Mapping[str, Any]) -> Any:
    """Build a fine-tuned learner from its JSON."""
    import importlib

    # By name: the learner's own fingerprint covers its code, and an edit of it must not rename the results of heads.
    module = importlib.import_module("outgrow.learners.finetune")
    made = {"finetune": module.FineTune, "finetune_value": module.FineTuneValue}[spec["head"]]
    return made(**{k: v for k, v in spec.items() if k != "head"})
