"""How a view is named.

A view is asked for as ``"smollm2/18"`` (encoder, layer), ``"tfidf"`` (the only one, or the last layer), ``"org/name/12"`` (a Hub id),
``"./folder/12"``, or as a mapping ``{encoder: smollm2, layer: 18, pooling: last}``. Layer 0 is the embeddings, layer k the hidden state
after k blocks, and the last layer what the model gives out (after its final norm, where it has one).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from outgrow.encoders.encoder import Encoder, Layer, encoder
from outgrow.errors import InputError

__all__ = ["ViewSpec", "Wanted", "groups", "named", "parse", "token_view"]


@dataclass(frozen=True)
class ViewSpec:
    """One view a person asks for.

    Parameters
    ----------
    encoder : str
        Name of the encoder.
    layer : int or None
        None is the only view, or the last layer.
    options : mapping
        Options of the encoder that differ from its defaults.
    """

    encoder: str
    layer: Layer = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The view's name: ``smollm2/18``, and with options ``smollm2/18[pooling=last]``."""
        options = ",".join(f"{k}={self.options[k]}" for k in sorted(self.options))
        return self.encoder + (f"/{self.layer}" if self.layer is not None else "") + (f"[{options}]" if options else "")

    def make(self) -> Encoder:
        """Make its encoder."""
        return encoder(self.encoder, **self.options)

    def group(self) -> str:
        """What views read in one pass have in common."""
        return ViewSpec(self.encoder, None, self.options).name


Wanted = str | Mapping[str, Any] | ViewSpec


def parse(view: str | Mapping[str, Any] | ViewSpec) -> ViewSpec:
    """Read what a person wrote for a view.

    Raises
    ------
    InputError
        When it is no name, mapping or layer number.
    """
    if isinstance(view, ViewSpec):
        return view
    if isinstance(view, Mapping):
        given = dict(view)
        if not isinstance(given.get("encoder"), str):
            raise InputError(f"a view needs the key 'encoder'; there is {sorted(map(str, given))}")
        inner = parse(given.pop("encoder"))
        layer = given.pop("layer", None)
        if layer is not None and inner.layer is not None and layer != inner.layer:
            raise InputError(f"view {inner.name!r} is given layer {layer!r} too; give one of them")
        return ViewSpec(
            inner.encoder,
            _layer(layer, inner.encoder) if layer is not None else inner.layer,
            {**inner.options, **given},
        )
    if not isinstance(view, str) or not view.strip():
        raise InputError(f"a view is a name like 'smollm2/18' or a mapping with 'encoder', not {type(view).__name__}")
    text, _, rest = view.strip().partition("[")
    options = dict(_option(part, view) for part in rest.rstrip("]").split(",") if part.strip()) if rest else {}
    head, _, last = text.rpartition("/")
    if head and last.isdecimal() and not Path(text).expanduser().is_dir():
        return ViewSpec(head, int(last), options)
    return ViewSpec(text, None, options)


def _option(part: str, view: str) -> tuple[str, Any]:
    key, equals, value = (p.strip() for p in part.partition("="))
    if not equals:
        raise InputError(f"view {view!r}: write options as [name=value,...]")
    return key, int(value) if value.isdecimal() else value


def _layer(layer: Any, name: str) -> int:
    if isinstance(layer, bool) or not isinstance(layer, int) or layer < 0:
        raise InputError(f"layer of {name!r} must be a whole number from 0, not {layer!r}")
    return layer


def token_view(model: str, max_tokens: int | None = None, revision: str | None = None) -> str:
    """Return the name of the view of a model's token ids, which its fine-tuned learners share."""
    given = {"encoder": "tokens", "of": model, "max_tokens": max_tokens, "revision": revision}
    return parse({k: v for k, v in given.items() if v is not None}).name


def named(views: Iterable[str | Mapping[str, Any] | ViewSpec] | str | Mapping[str, Any] | ViewSpec) -> list[ViewSpec]:
    """Read one view or several, without repeats, in order."""
    several: Iterable[str | Mapping[str, Any] | ViewSpec] = (
        [views] if isinstance(views, str | Mapping | ViewSpec) else views
    )
    specs = [parse(v) for v in several]
    return list({spec.name: spec for spec in specs}.values())


def groups(specs: Iterable[ViewSpec]) -> list[list[ViewSpec]]:
    """Put together the views that one encoder makes in one pass."""
    found: dict[str, list[ViewSpec]] = {}
    for spec in specs:
        found.setdefault(spec.group(), []).append(spec)
    return list(found.values())
