"""A study: one file a person can read, and its strict reader.

An unknown key is an error that names the nearest known one. A list is a grid; a nested list of supervisors is one stacked table.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from outgrow.errors import StudyError, nearest
from outgrow.studies.tuned import FineTuneSpec, spread

__all__ = ["SplitSpec", "StudentSpec", "Study", "TaskSpec"]


class Strict(BaseModel):
    """A part of a study; frozen, and with no keys but its own."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class TaskSpec(Strict):
    """Where inputs and truth come from: exactly one of ``packaged``, ``file``, ``hub``, ``arrays``.

    ``arrays`` names .npy files: ``inputs``, ``truth``, ``groups``, ``domains``, and any further view by its name. ``sample`` takes so
    many rows; ``truth_rows`` keeps the truth of so many random rows and hides the rest.
    """

    packaged: str | None = None
    file: str | None = None
    hub: str | None = None
    arrays: dict[str, str] | None = None
    name: str | None = None
    input: str | list[str] | None = None
    truth: str | None = None
    id: str | None = None
    group: str | None = None
    kind: Literal["classes", "value"] | None = None
    classes: list[str] | None = None
    encoding: str | None = None
    on_conflict: Literal["error", "unknown"] | None = None
    config: str | None = None
    split: str | None = None
    revision: str | None = None
    sample: int | None = Field(default=None, gt=0)
    truth_rows: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _one_origin(self) -> TaskSpec:
        given = [k for k in ("packaged", "file", "hub", "arrays") if getattr(self, k) is not None]
        if len(given) != 1:
            raise ValueError(f"a task has one of packaged, file, hub or arrays; this one has {given or 'none'}")
        if given[0] in ("file", "hub") and self.input is None:
            raise ValueError(f"a task from a {given[0]} needs input: the column that holds the inputs")
        if given[0] == "arrays" and "inputs" not in (self.arrays or {}):
            raise ValueError("a task from arrays needs inputs: a .npy file")
        return self


class SplitSpec(Strict):
    """Rows per role; what is not given follows the rule of :func:`outgrow.split`, as do ``test_seed`` and ``teach_domain``."""

    teach: int | None = Field(default=None, ge=0)
    transfer: int | None = Field(default=None, gt=0)
    select: int | None = Field(default=None, ge=0)
    test: int | None = Field(default=None, ge=0)
    test_seed: int = 0
    teach_domain: str | None = None


class StudentSpec(Strict):
    """A view and the head that reads it, or a model that is fine-tuned. ``encoder: inputs`` is a numeric task's own matrix.

    ``tol`` is the gradient at which a linear head stops (default 1e-6): a looser one saves time where many heads are fitted.
    ``{finetune: smollm2, lora: 8}`` is read as ``{encoder: smollm2, finetune: {lora: 8}}``.
    """

    encoder: str
    layer: int | None = None
    pooling: Literal["mean", "last"] | None = None
    max_tokens: int | None = Field(default=None, gt=0)
    dtype: Literal["auto", "float32", "bfloat16"] | None = None
    revision: str | None = None
    head: Literal["linear", "ridge"] | None = None
    penalty: Annotated[float, Field(gt=0)] | Literal["cv"] = "cv"
    tol: Annotated[float, Field(gt=0, lt=1)] | None = None
    finetune: FineTuneSpec | None = None
    name: str | None = None

    @model_validator(mode="after")
    def _whole(self) -> StudentSpec:
        if self.finetune is not None:
            given = [k for k in ("layer", "head", "tol") if getattr(self, k) is not None] + ["penalty"] * (
                self.penalty != "cv"
            )
            if given:
                raise ValueError(
                    f"a fine-tuned student has no {given[0]}; leave it out, or name an encoder in place of finetune"
                )
        return self

    def view(self) -> dict[str, Any]:
        """Return the part that names a view, as the encoders read it."""
        if self.finetune is not None:
            ids = {"encoder": "tokens", "of": self.encoder, "max_tokens": self.max_tokens, "revision": self.revision}
            return {k: v for k, v in ids.items() if v is not None}
        keys = ("encoder", "layer", "pooling", "max_tokens", "dtype", "revision")
        return {k: getattr(self, k) for k in keys if getattr(self, k) is not None}


class Study(Strict):
    """Everything that a run needs to know.

    Parameters
    ----------
    task : TaskSpec
    supervisors : list
        ``{probe: view}``, ``{rules: vader}``, ``{file: path, ...}``; a nested list is one stacked table.
    students : list of StudentSpec
    methods : list
        Names, or ``{name: {parameter: value}}``.
    seeds : list of int
        An integer k stands for 0..k-1. Seeds redraw teach, transfer and select; the test rows are one set per study.
    metric : str, optional
        What gain, PGR and verdict use; by default accuracy, balanced accuracy when a class is rare, mse for values.
    forecasts, audits : list of str, optional
        By default all there are.
    self : bool or mapping, optional
        Whether each student's own language model is asked too, without any label (:mod:`outgrow.studies.own`), and how: ``template``,
        ``words`` and the other options of a prompt. By default wherever it can be.
    ceiling : {"transfer", "teach"}
        The rows whose truth the ceiling learns. On the teach rows it is ``direct``: one fit serves as both.
    name : str
        Of the folder with the results.
    """

    task: TaskSpec
    supervisors: list[Any] = Field(min_length=1)
    students: list[StudentSpec] = Field(min_length=1)
    methods: list[Any] = Field(default_factory=lambda: ["naive"], min_length=1)
    split: SplitSpec = SplitSpec()
    seeds: list[Annotated[int, Field(ge=0, lt=2**32)]] = Field(default_factory=lambda: [0, 1, 2, 3, 4], min_length=1)
    metric: Literal["accuracy", "balanced_accuracy", "log_loss", "brier", "mse", "r2"] | None = None
    forecasts: list[str] | None = None
    audits: list[str] | None = None
    ceiling: Literal["transfer", "teach"] = "transfer"
    self_: bool | dict[str, Any] | None = Field(None, alias="self")
    name: str = Field("study", pattern=r"^[\w.-]{1,80}$")
    folder: Path = Field(Path("."), exclude=True)

    @field_validator("seeds", mode="before")
    @classmethod
    def _count(cls, value: Any) -> Any:
        if isinstance(value, int) and not isinstance(value, bool):
            if value < 1:
                raise ValueError(f"must be at least 1, not {value}")
            return list(range(value))
        if not isinstance(value, list):
            raise ValueError(f"must be a whole number, or a list of them, not {value!r}")
        if twice := [v for i, v in enumerate(value) if v in value[:i]]:
            raise ValueError(f"has {twice[0]!r} more than once")
        return value

    @field_validator("students", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        return [student_of(v) for v in value] if isinstance(value, list) else value

    @field_validator("methods")
    @classmethod
    def _methods(cls, value: list[Any]) -> list[Any]:
        made = [method_of(entry) for entry in value]
        if twice := [name for i, (name, params) in enumerate(made) if (name, params) in made[:i]]:
            raise ValueError(f"has {twice[0]!r} more than once")
        return value

    @field_validator("supervisors")
    @classmethod
    def _supervisors(cls, value: list[Any]) -> list[Any]:
        for entry in value:
            if entry == []:
                raise ValueError("a nested list of supervisors is one stacked table, and this one is empty")
            for one in entry if isinstance(entry, list) else [entry]:
                if not isinstance(one, str | dict) or not one:
                    raise ValueError(f"a supervisor is a mapping such as {{probe: wordllama}}, not {one!r}")
        return value

    # --- reading -----------------------------------------------------------------------------------------------------------------

    @classmethod
    def read(cls, source: str | Path | Mapping[str, Any] | Study) -> Study:
        """Read a study from a YAML file, or from a mapping.

        Raises
        ------
        StudyError
            One sentence: which key, which value, what is meant or allowed.
        """
        if isinstance(source, Study):
            return source
        if isinstance(source, Mapping):
            return cls.checked(dict(source), "the study")
        path = Path(source)
        data = read_yaml(path)
        data.setdefault("name", stem(path))
        return cls.checked(data, str(path)).model_copy(update={"folder": path.parent})

    @classmethod
    def checked(cls, data: dict[str, Any], where: str) -> Study:
        """Make a study of a mapping; errors begin with where it stood."""
        try:
            if "studies" in data:
                raise StudyError(
                    f"{where}: it holds several studies, which only 'outgrow run' takes; name a file of one"
                )
            if "folder" in data:
                raise StudyError(f"{where}: unknown key 'folder'; a study's folder is the one its file lies in")
            return cls.model_validate(data)
        except ValidationError as error:
            raise StudyError(f"{where}: {_sentence(error)}") from None

    def plain(self) -> dict[str, Any]:
        """Return the study as a JSON value, defaults filled in."""
        return self.model_dump(mode="json", exclude_none=True, by_alias=True)

    def write(self, path: Path) -> None:
        """Write the study as YAML, defaults filled in."""
        from outgrow.store import write_text

        write_text(path, yaml.safe_dump(self.plain(), sort_keys=False, allow_unicode=True))


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a study's file.

    Raises
    ------
    StudyError
        It cannot be read, is no YAML, or holds no mapping.
    """
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise StudyError(f"cannot read the study {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise StudyError(f"the study {path} is not UTF-8 at byte {error.start}; save it as UTF-8") from error
    try:
        data = yaml.load(text, UniqueLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise StudyError(
            f"the study {path} is no YAML{where}: {getattr(error, 'problem', 'it cannot be parsed')}"
        ) from error
    if not isinstance(data, dict):
        raise StudyError(
            f"the study {path} must hold keys such as task, supervisors, students; it holds a {type(data).__name__}"
        )
    return data


def stem(path: Path) -> str:
    """Return the name that a study's file gives it."""
    return "".join(c if c.isalnum() or c in "._-" else "-" for c in path.stem)[:80] or "study"


class UniqueLoader(yaml.SafeLoader):
    """YAML's safe loader that refuses a key given twice, instead of keeping the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Refuse a key that the mapping already has."""
        seen = set()
        for key_node, _ in node.value:
            key = str(self.construct_object(key_node, deep=True))
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands there twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def student_of(value: Any) -> Any:
    """Turn ``smollm2/18`` into ``{encoder: smollm2, layer: 18}``; leave mappings as they are."""
    if not isinstance(value, str):
        named = isinstance(value, dict) and isinstance(value.get("finetune"), str)
        return spread(value) if named else value
    encoder, _, layer = value.rpartition("/")
    return {"encoder": encoder, "layer": int(layer)} if encoder and layer.isdigit() else {"encoder": value}


def method_of(entry: Any) -> tuple[str, dict[str, Any]]:
    """Return the name and parameters of one entry of ``methods``.

    Raises
    ------
    StudyError
        For an unknown method or parameter.
    """
    import inspect

    from outgrow.catalogue import find

    if isinstance(entry, str):
        name, params = entry, dict[str, Any]()
    elif isinstance(entry, dict) and len(entry) == 1:
        name, params = next(iter(entry.items()))
        params = params or {}
    else:
        raise StudyError(f"a method is a name, or one name with its parameters, not {entry!r}")
    if not isinstance(params, dict):
        raise StudyError(f"the parameters of method {name!r} must be a mapping, not {params!r}")
    known = [p for p in inspect.signature(find("methods", name)).parameters if p != "learner"]
    for key in params:
        if key not in known:
            raise StudyError(f"method {name!r} has no parameter {key!r}{nearest(str(key), known)}")
    return name, params


def _sentence(error: ValidationError) -> str:
    """Say the first thing that is wrong, as a person would."""
    found = error.errors(include_url=False)
    first = found[0]
    place = [str(p) for p in first["loc"] if not _alternative(p)]
    branches = [e for e in found if [str(p) for p in e["loc"] if not _alternative(p)] == place]
    where = ".".join(place)
    if first["type"] == "extra_forbidden":
        inside = _model_at(place[:-1])
        known = [f.alias or k for k, f in inside.model_fields.items() if k != "folder"] if inside else []
        known += [*FineTuneSpec.model_fields] if inside is StudentSpec else []
        return f"unknown key {where!r}{nearest(place[-1], known)}"
    if first["type"] == "missing":
        return f"the key {where!r} is missing"
    if first["type"] == "value_error":
        return f"{where}: {first['ctx']['error']}" if where else str(first["ctx"]["error"])
    given = first.get("input")
    kinds = {type(None): "nothing", dict: "a mapping", list: "a list"}
    shown = repr(given) if isinstance(given, str | int | float) else kinds.get(type(given), type(given).__name__)
    if given == []:
        shown = "an empty one"
    said = " or ".join(dict.fromkeys(_must(e["msg"]) for e in branches))
    return f"{where!r} must be {said}, not {shown}"


def _must(message: str) -> str:
    """Turn pydantic's message into what the value must be."""
    for theirs, ours in _MESSAGES.items():
        message = message.replace(theirs, ours)
    return message[:1].lower() + message[1:]


_MESSAGES = {
    "Input should be ": "",
    "a valid dictionary or instance of TaskSpec": "a mapping such as {packaged: movies}",
    "a valid dictionary or instance of StudentSpec": "a view such as minilm/3, or a mapping with an encoder",
    "a valid dictionary or instance of SplitSpec": "a mapping such as {teach: 500}",
    "a valid dictionary": "a mapping",
    "a valid boolean": "true, false",
    "a valid integer": "a whole number",
    "a valid ": "a ",
    "List should have at least 1 item after validation, not 0": "a list with at least one entry",
    "String should match pattern": "letters, digits and . _ - only: it must match",
}


def _alternative(part: Any) -> bool:
    """Whether a part of a place is pydantic's name for one alternative of a field, and no key of the file."""
    return isinstance(part, str) and (
        part in ("str", "float", "int", "bool") or "[" in part or part.startswith("constrained-")
    )


def _model_at(place: list[str]) -> type[BaseModel] | None:
    parts: dict[str, type[BaseModel]] = {"task": TaskSpec, "split": SplitSpec, "students": StudentSpec}
    return parts.get(place[0]) if place else Study
