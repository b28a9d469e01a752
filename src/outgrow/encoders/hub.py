"""Where transformers' models come from: the Hub, its cache, or a folder; with its noise and its telemetry off."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from outgrow.errors import FetchError, MissingExtra

__all__ = ["folder_digest", "has_transformers", "is_folder", "loading", "quiet", "snapshot", "transformers_or_extra"]

_WANTED = ("*.safetensors", "*.json", "*.model", "*.txt", "*.jinja")
# Weights a second time, in other layouts.
_LEFT = ("*/*", "consolidated*", "onnx*", "openvino*")


def is_folder(name: str) -> bool:
    """Say whether an encoder's name means a local folder."""
    return name.startswith((".", "/", "~")) or (Path(name).is_dir() and (Path(name) / "config.json").is_file())


def folder_digest(folder: Path) -> str:
    """Digest of the weights, the configuration and the tokenizer in a folder."""
    from outgrow.store import file_digest

    digest = hashlib.sha256()
    for path in sorted(
        p for p in folder.iterdir() if p.suffix in {".safetensors", ".json", ".model", ".txt", ".jinja"}
    ):
        digest.update(f"{path.name} {file_digest(path)}\n".encode())
    return digest.hexdigest()[:32]


def snapshot(name: str, revision: str | None, local: bool = False) -> Path:
    """Fetch a Hub id (or find it in the Hub's cache, where ``local``) and return the folder named by its commit."""
    from huggingface_hub import snapshot_download

    where = f"{name!r}" + (f" at revision {revision!r}" if revision else "")
    try:
        return Path(
            snapshot_download(
                name,
                revision=revision,
                allow_patterns=list(_WANTED),
                ignore_patterns=list(_LEFT),
                local_files_only=local,
            )
        )
    except Exception as error:
        offline = os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}
        why = "HF_HUB_OFFLINE is set and it is not in the Hub's cache" if offline else f"{type(error).__name__}"
        raise FetchError(
            f"encoder {where} could not be fetched from the Hub ({why}); check the name and the network, or give a local folder"
        ) from error


def has_transformers() -> bool:
    """Say whether transformers is installed, without importing it."""
    import importlib.util

    return importlib.util.find_spec("transformers") is not None


def transformers_or_extra(what: str) -> Any:
    """Import transformers with its telemetry off.

    Raises
    ------
    MissingExtra
        When it is not installed.
    """
    for name in ("HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK"):
        os.environ.setdefault(name, "1")
    try:
        import transformers
    except ImportError as error:
        raise MissingExtra(what, "hf") from error
    return transformers


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence transformers' bars and notes, and give them back after."""
    from transformers.utils import logging

    bars, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


@contextlib.contextmanager
def loading(name: str) -> Iterator[None]:
    """Turn what transformers raises for a broken model into a FetchError."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as error:
        raise FetchError(
            f"encoder {name!r} cannot be loaded by transformers ({type(error).__name__}); it may be incomplete or of another kind"
        ) from error
