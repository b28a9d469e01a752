"""What an encoder is, how one is named, and the one table of those that come with the package."""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from outgrow.encoders.batching import Shard, consecutive
from outgrow.errors import InputError, nearest

__all__ = [
    "BaseEncoder",
    "Counts",
    "Encoder",
    "check_layer",
    "encoder",
    "encoder_table",
    "load_encoder",
    "save_encoder",
]

Layer = int | None
Views = dict[Layer, NDArray[np.float32]]
GROUP = "outgrow.encoders"


@dataclass(frozen=True)
class Counts:
    """What was met while texts were read.

    Parameters
    ----------
    rows, tokens : int
        Texts, and tokens after cutting.
    cut : int
        Texts longer than the token limit, which were truncated.
    unknown : int
        Tokens the encoder has no vector of its own for.
    empty : int
        Texts without any token, whose vector is zero.
    """

    rows: int = 0
    tokens: int = 0
    cut: int = 0
    unknown: int = 0
    empty: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(a + b for a, b in zip(self.values(), other.values(), strict=True)))

    def values(self) -> tuple[int, int, int, int, int]:
        """The five numbers, in order."""
        return self.rows, self.tokens, self.cut, self.unknown, self.empty

    def sentences(self, name: str, limit: float = 0.05, unknown_limit: float = 0.05) -> list[str]:
        """Say the shares, and warn of a share of cut texts above ``limit`` and of unknown tokens above ``unknown_limit``."""
        if not self.rows:
            return []
        cut, unknown = self.cut / self.rows, self.unknown / max(self.tokens, 1)
        said = [
            f"{name}: {self.rows:,} texts, {self.tokens:,} tokens; {cut:.1%} of the texts were cut at the token limit, "
            f"{unknown:.1%} of the tokens are unknown to it"
            + (f", {self.empty:,} texts have no token" if self.empty else "")
        ]
        if cut > limit:
            said.append(
                f"warning: {name} sees only the beginning of {cut:.1%} of the texts; raise max_tokens if the ends matter"
            )
        if unknown > unknown_limit:
            said.append(f"warning: {unknown:.1%} of the tokens are unknown to {name}, which does not see them")
        return said


@runtime_checkable
class Encoder(Protocol):
    """A frozen model that makes views. :class:`BaseEncoder` has sound defaults for most of it."""

    name: str
    say: Callable[[str], None] | None
    unknown_limit: float

    @property
    def depth(self) -> Layer:
        """The last layer's number, or None when there is only one view."""

    @property
    def width(self) -> int:
        """Columns of a view; known once fitted."""

    def spec(self) -> dict[str, Any]:
        """Return JSON from which :func:`encoder` rebuilds it, with a digest or revision of the model; never any text."""

    def recipe(self, layer: Layer) -> Any:
        """Return everything the numbers of one view depend on besides the inputs, for its fingerprint."""

    def fit(self, inputs: Sequence[str]) -> Self:
        """Learn what it needs from a task's inputs (most need nothing)."""

    def plan(self, inputs: Sequence[str]) -> list[Shard]:
        """Cut the inputs into shards."""

    def read(self, inputs: Sequence[str], layers: Sequence[Layer]) -> tuple[Views, Counts]:
        """Return ``{layer: (n, width) float32}`` and what was met."""

    def encode(self, inputs: Sequence[str], layers: Sequence[Layer]) -> Views:
        """Return ``{layer: (n, width) float32}``."""

    def save_state(self, folder: Path) -> None:
        """Write what ``fit`` learned, as npy or JSON, without text."""

    def load_state(self, folder: Path) -> Self:
        """Read what :meth:`save_state` wrote."""

    def describe(self) -> str:
        """One line for people."""


class BaseEncoder:
    """Defaults: one view, nothing to fit, shards of neighbouring rows."""

    name: str = ""
    shard_rows = 20_000
    # Told a sentence before a download or a conversion.
    say: Callable[[str], None] | None = None
    # Share of unknown tokens above which a person is warned.
    unknown_limit = 0.05

    @property
    def depth(self) -> Layer:
        """None: there is one view."""
        return None

    def fit(self, inputs: Sequence[str]) -> Self:
        """Learn nothing."""
        return self

    def plan(self, inputs: Sequence[str]) -> list[Shard]:
        """Cut the inputs into shards of neighbouring rows."""
        return consecutive(len(inputs), self.shard_rows)

    def read(self, inputs: Sequence[str], layers: Sequence[Layer]) -> tuple[Views, Counts]:
        """Encode, and count what was met."""
        raise NotImplementedError

    def encode(self, inputs: Sequence[str], layers: Sequence[Layer] = (None,)) -> Views:
        """Return ``{layer: (n, width) float32}``."""
        return self.read(inputs, layers)[0]

    def save_state(self, folder: Path) -> None:
        """Write nothing."""

    def load_state(self, folder: Path) -> Self:
        """Read nothing."""
        return self


def sound_text(inputs: Sequence[str]) -> list[str]:
    """Return the texts with lone surrogates, which no tokenizer takes, replaced by question marks.

    Raises
    ------
    InputError
        When an input is no text; its position is named.
    """
    out = []
    for i, text in enumerate(inputs):
        if not isinstance(text, str):
            raise InputError(f"encoders read text, and input {i} is of type {type(text).__name__}")
        try:
            text.encode()
        except UnicodeEncodeError:
            text = text.encode("utf-8", "replace").decode()
        out.append(text)
    return out


# --- the table -------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Entry:
    """One line of the table: where the class is, and what a person should know before fetching it."""

    factory: str
    what: str
    archive: str | None = None
    layers: int | None = None
    width: int | None = None


TABLE: Mapping[str, Entry] = {
    "tfidf": Entry("outgrow.encoders.bag:TfidfEncoder", "bag of hashed words (TF-IDF), fitted on the task's inputs"),
    "wordllama": Entry(
        "outgrow.encoders.static:WordLlama", "static token vectors, 32,000 x 256", "wordllama", None, 256
    ),
    "glove": Entry("outgrow.encoders.static:Glove", "GloVe 6B word vectors, 400,000 x 50", "glove", None, 50),
    "minilm": Entry("outgrow.encoders.text:TextEncoder", "all-MiniLM-L6-v2, 22M parameters", "minilm", 6, 384),
    "smollm2": Entry("outgrow.encoders.text:TextEncoder", "SmolLM2-135M-Instruct", "smollm2", 30, 576),
    "gemma3": Entry("outgrow.encoders.text:TextEncoder", "Gemma 3 270M (its own terms of use)", "gemma3", 18, 640),
}


# Not for a person to name: a fine-tuned student reads it.
INNER: Mapping[str, Entry] = {"tokens": Entry("outgrow.encoders.tokens:TokenEncoder", "token ids of a model")}


def encoder_table() -> dict[str, Entry]:
    """Return the packaged encoders by name; other names are Hub ids, local folders, or entry points of other packages."""
    return dict(TABLE)


def encoder(name: str, **options: Any) -> Encoder:
    """Make an encoder by name.

    Parameters
    ----------
    name : str
        Packaged (see :func:`encoder_table`), from another package's entry point (group ``outgrow.encoders``), a Hub id ``org/name``, or a
        folder with a transformers model.
    **options
        As the encoder's class takes them: ``pooling``, ``max_tokens``, ``dtype``, ``revision`` for models of transformers,
        ``analyzer``, ``features`` for TF-IDF.

    Raises
    ------
    InputError
        Unknown name or option; the nearest known one is said.
    """
    plugins = (
        {} if name in TABLE or name in INNER else {e.name: e for e in importlib.metadata.entry_points(group=GROUP)}
    )
    if name in plugins:
        make = plugins[name].load()
    elif name in TABLE or name in INNER or is_model_name(name):
        entry = TABLE.get(name) or INNER.get(name)
        module, _, attribute = (entry.factory if entry else "outgrow.encoders.text:TextEncoder").partition(":")
        make = getattr(importlib.import_module(module), attribute)
    else:
        raise InputError(f"no encoder is called {name!r}{nearest(name, [*TABLE, *plugins])}")
    known = [p for p in inspect.signature(make).parameters if p != "name"]
    for option in options:
        if option not in known:
            raise InputError(f"encoder {name!r} has no option {option!r}{nearest(option, known)}")
    named = {"name": name} if "name" in inspect.signature(make).parameters else {}
    return make(**named, **options)


def is_model_name(name: str) -> bool:
    """Say whether a name has the form of a Hub id or of a folder."""
    if name.startswith((".", "/", "~")) or re.match(r"[A-Za-z]:[\\/]", name):
        return True
    return re.fullmatch(r"[\w.-]+/[\w.-]+", name) is not None and not name.rpartition("/")[2].isdecimal()


def check_layer(enc: Encoder, layer: Layer) -> Layer:
    """Return the layer meant (None: the last); say in a sentence when there is no such layer."""
    if enc.depth is None:
        if layer is not None:
            raise InputError(
                f"{enc.name} has one view and no layers; ask for {enc.name!r} instead of '{enc.name}/{layer}'"
            )
        return None
    if layer is None:
        return enc.depth
    if not 0 <= layer <= enc.depth:
        raise InputError(f"{enc.name} has layers 0 to {enc.depth}; there is no layer {layer}")
    return layer


# --- saving ----------------------------------------------------------------------------------------------------------------------------

SPEC = "encoder.json"


def save_encoder(enc: Encoder, folder: Path) -> None:
    """Write an encoder's spec and state, no text and no model weights, into a folder."""
    from outgrow.store import private_folder, write_json

    write_json(private_folder(Path(folder)) / SPEC, enc.spec())
    enc.save_state(Path(folder))


def load_encoder(folder: Path) -> Encoder:
    """Rebuild what :func:`save_encoder` wrote.

    Raises
    ------
    InputError
        When the model found under its name has other bytes than the one it was saved with.
    """
    from outgrow.store import read_json

    saved = read_json(Path(folder) / SPEC)
    model = saved.pop("model", None)
    enc = encoder(**saved)
    found = enc.spec().get("model")
    if model is not None and found != model:
        raise InputError(
            f"the student was trained on encoder {saved['name']!r} with model {model}, but {found} is here; its views would differ"
        )
    return enc.load_state(Path(folder))
