"""The files of a transformers model by name: packaged, a Hub id, or a local folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from outgrow.encoders.hub import folder_digest, is_folder, loading, quiet, snapshot, transformers_or_extra
from outgrow.errors import FetchError, MissingExtra

__all__ = ["ModelSource"]


class ModelSource:
    """Where one model's configuration, tokenizer and weights are; each is looked up once, when first asked for.

    Parameters
    ----------
    name : str
        A packaged model, a Hub id ``org/name`` or a folder.
    revision : str, optional
        Branch, tag or commit of a Hub id.
    packaged : bool
        Whether the name is that of a packaged model.
    what : str
        What the model serves as, for sentences.
    """

    def __init__(self, name: str, revision: str | None = None, *, packaged: bool, what: str = "encoder"):
        self.name = name
        self.revision = revision
        self.packaged = packaged
        self.what = what
        self._parts: dict[str, Any] = {}

    def digest(self) -> str:
        """Name the model's bytes; a packaged model is not fetched for it."""
        if "digest" not in self._parts:
            if self.packaged:
                from outgrow.encoders.gguf import packaged_digest

                self._parts["digest"] = packaged_digest(self.name)
            elif is_folder(self.name):
                self._parts["digest"] = folder_digest(self.folder())
            else:
                self._parts["digest"] = self.folder().name
        return str(self._parts["digest"])

    def folder(self, say: Callable[[str], None] | None = None) -> Path:
        """Return the folder with the model, fetched if need be.

        Raises
        ------
        FetchError
            When it cannot be obtained, or a local folder holds no model.
        """
        if "folder" not in self._parts:
            transformers_or_extra(f"{self.what} {self.name!r}")
            if self.packaged:
                from outgrow.encoders.gguf import packaged_model

                self._parts["folder"] = packaged_model(self.name, say)
            elif is_folder(self.name):
                folder = Path(self.name).expanduser()
                if not (folder / "config.json").is_file():
                    raise FetchError(
                        f"folder {self.name!r} has no config.json; save a transformers model there, or name another"
                    )
                self._parts["folder"] = folder
            else:
                self._parts["folder"] = snapshot(self.name, self.revision)
        return Path(self._parts["folder"])

    def at_hand(self) -> bool:
        """Say whether the digest can be told without a network."""
        if self.packaged or is_folder(self.name) or "folder" in self._parts:
            return True
        try:
            transformers_or_extra(f"{self.what} {self.name!r}")
            self._parts["folder"] = snapshot(self.name, self.revision, local=True)
        except (FetchError, MissingExtra):
            return False
        return True

    def config(self, say: Callable[[str], None] | None = None) -> Any:
        """Return transformers' configuration, of the text part where there are several."""
        if "config" not in self._parts:
            transformers = transformers_or_extra(f"{self.what} {self.name!r}")
            with quiet(), loading(self.name):
                config = transformers.AutoConfig.from_pretrained(str(self.folder(say)))
            self._parts["config"] = getattr(config, "text_config", None) or config
        return self._parts["config"]

    def tokenizer(self, say: Callable[[str], None] | None = None) -> Any:
        """Return the model's tokenizer."""
        if "tokenizer" not in self._parts:
            transformers = transformers_or_extra(f"{self.what} {self.name!r}")
            with quiet(), loading(self.name):
                self._parts["tokenizer"] = transformers.AutoTokenizer.from_pretrained(str(self.folder(say)))
        return self._parts["tokenizer"]

    def weights(self, say: Callable[[str], None] | None = None) -> Path:
        """Return the folder after seeing that its weights are safetensors.

        Raises
        ------
        FetchError
            When they are not.
        """
        folder = self.folder(say)
        if not list(folder.glob("*.safetensors")):
            raise FetchError(
                f"{self.what} {self.name!r} has no safetensors weights, and nothing here unpickles; "
                "convert it, or name another"
            )
        return folder

    def limit(self, most: int, say: Callable[[str], None] | None = None) -> int:
        """Return the token limit: ``most``, or less where the model or its tokenizer reads less."""
        limits = [most]
        positions = getattr(self.config(say), "max_position_embeddings", None)
        for own in (positions, self.tokenizer(say).model_max_length):
            if isinstance(own, int) and own > 0:
                limits.append(own)
        return min(limits)
