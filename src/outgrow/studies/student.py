"""A student to take home: head, encoder recipe, class names and what is known of its quality, in one folder without any training text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outgrow.errors import InputError, OutgrowError, StoreError
from outgrow.store import private_folder, read_json, write_json
from outgrow.tasks.rows import Rows, as_view

__all__ = ["Student", "load"]

FORMAT = 1


@dataclass(frozen=True, eq=False)
class Student:
    """A fitted student that answers for new inputs.

    Parameters
    ----------
    head : learner
        Fitted.
    encoder : Encoder or None
        None when it reads the numbers themselves.
    layer : int or None
    view : str
        Name of the view.
    about : mapping
        Where it comes from: study, cell, scores, verdict, fingerprints.
    """

    head: Any
    encoder: Any
    layer: int | None
    view: str
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def classes(self) -> NDArray[Any] | None:
        """Class names, None for values."""
        return getattr(self.head, "classes_", None)

    def rows(self, inputs: Sequence[str] | NDArray[Any]) -> Rows:
        """Encode new inputs as this student reads them."""
        if self.encoder is None:
            matrix = np.asarray(inputs, dtype=np.float64)
            if matrix.ndim != 2:
                raise InputError(f"this student reads rows of numbers (n, d), not an array of shape {matrix.shape}")
        else:
            if isinstance(inputs, str):
                raise InputError("give a list of texts, even for one text")
            texts = list(inputs)
            bad = next((i for i, t in enumerate(texts) if not isinstance(t, str)), None)
            if bad is not None:
                raise InputError(f"input {bad} is of type {type(texts[bad]).__name__}; this student reads texts")
            matrix = self.encoder.encode(texts, [self.layer])[self.layer]
        return Rows(np.arange(len(matrix)), {self.view: as_view(self.view, np.asarray(matrix))})

    def predict(self, inputs: Sequence[str] | NDArray[Any]) -> NDArray[Any]:
        """Return (n,) class names, or values."""
        return self.head.predict(self.rows(inputs))

    def predict_proba(self, inputs: Sequence[str] | NDArray[Any]) -> NDArray[np.float64]:
        """Return (n, c) probabilities in the order of ``classes``.

        Raises
        ------
        InputError
            For a student of values.
        """
        if self.classes is None:
            raise InputError("this student predicts values and has no probabilities; use predict")
        return self.head.predict_proba(self.rows(inputs))

    def save(self, folder: str | Path) -> Path:
        """Write the student: safetensors, JSON, and README.md, a card for people; no text of the task."""
        from outgrow.encoders.encoder import save_encoder
        from outgrow.store import write_text
        from outgrow.studies.card import card_of

        folder = private_folder(Path(folder))
        self.head.save(folder / "head")
        if self.encoder is not None:
            save_encoder(self.encoder, folder / "encoder")
        card = {"format": FORMAT, "view": self.view, "layer": self.layer}
        write_json(folder / "student.json", {**card, "encoded": self.encoder is not None, "about": dict(self.about)})
        write_text(folder / "README.md", card_of(folder))
        return folder


def load(folder: str | Path) -> Student:
    """Read a student that :meth:`Student.save` wrote.

    Raises
    ------
    StoreError
        When the folder holds no student, a damaged one, or one of a newer format.
    InputError
        When the encoder it was trained on is not the one found here.
    FetchError, MissingExtra
        When its encoder cannot be had.
    """
    folder = Path(folder)
    if not (folder / "student.json").is_file():
        raise StoreError(
            f"there is no student in {folder}: student.json is missing; give the folder that a run wrote as 'student'"
        )
    try:
        card = read_json(folder / "student.json")
        newer = card.get("format") != FORMAT
    except (ValueError, AttributeError) as error:
        raise _damaged(folder, error) from error
    if newer:
        raise StoreError(
            f"the student in {folder} has format {card.get('format')} and this version reads {FORMAT}; update outgrow"
        )
    try:
        head = load_head(folder / "head")
        encoder = None
        if card["encoded"]:
            from outgrow.encoders.encoder import load_encoder

            encoder = load_encoder(folder / "encoder")
        return Student(head, encoder, card["layer"], card["view"], card["about"])
    except OutgrowError:
        raise
    except Exception as error:  # a truncated file meets each library's own error
        raise _damaged(folder, error) from error


def _damaged(folder: Path, error: Exception) -> StoreError:
    return StoreError(f"the student in {folder} is damaged ({type(error).__name__}); run its study again")


def load_head(folder: Path) -> Any:
    """Read a saved head of whichever kind it is."""
    from outgrow.learners.linear import LinearHead
    from outgrow.learners.mixture import MixtureHead
    from outgrow.learners.ridge import RidgeHead

    kind = read_json(folder / "head.json")["learner"]
    if kind.startswith("FineTune"):
        import importlib

        return getattr(importlib.import_module("outgrow.learners"), kind).load(folder)
    kinds: dict[str, Any] = {"LinearHead": LinearHead, "MixtureHead": MixtureHead, "RidgeHead": RidgeHead}
    return kinds[kind].load(folder)
