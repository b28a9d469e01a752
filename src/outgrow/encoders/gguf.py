"""GGUF files become safetensors once: a load of the quantised file takes half a minute, of the other half a second."""

from __future__ import annotations

import contextlib
import functools
import io
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from outgrow.errors import FetchError, MissingExtra
from outgrow.store import atomic_write, file_digest, home, lock, read_json, write_json

__all__ = ["packaged_digest", "packaged_model"]

_LOG = logging.getLogger("outgrow")
_MANIFEST = "outgrow.json"
# Part of every key of a converted model: another conversion is another model.
CONVERSION = 1


def packaged_digest(name: str) -> str:
    """Name the bytes of a packaged model, without fetching it."""
    from outgrow.tasks.pins import archive

    pin = archive(name)
    return f"{pin.name}-{pin.recipe}" + (f"-gguf{CONVERSION}" if any(f.endswith(".gguf") for f in pin.files) else "")


def packaged_model(name: str, say: Callable[[str], None] | None = None) -> Path:
    """Return the folder of a packaged model in transformers' layout (safetensors, tokenizer), fetched and converted if need be.

    Raises
    ------
    FetchError, StoreError
        When it cannot be obtained, converted or written.
    MissingExtra
        Without transformers and gguf.
    """
    from outgrow.tasks.archives import fetch_archive

    folder = fetch_archive(name, say=say)
    files = sorted(folder.glob("*.gguf"))
    if not files:
        return folder
    goal = home() / "models" / packaged_digest(name)
    with lock(goal):
        if goal.is_dir() and not _sound(goal):
            _LOG.warning("the converted model %s is damaged and is made again from its archive", name)
            shutil.rmtree(goal)
            _sound.cache_clear()
        if not goal.is_dir():
            if say is not None:
                say(f"converting {name} to safetensors, once (about half a minute)")
            with atomic_write(goal) as part:
                part.mkdir(mode=0o700)
                convert(files[0], part)
                sums = {p.name: file_digest(p) for p in sorted(part.iterdir())}
                write_json(part / _MANIFEST, {"source": files[0].name, "files": sums})
    return goal


@functools.cache
def _sound(folder: Path) -> bool:
    try:
        return all(
            file_digest(folder / name) == digest for name, digest in read_json(folder / _MANIFEST)["files"].items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def convert(file: Path, goal: Path) -> None:
    """Write a GGUF language model as bfloat16 safetensors with its tokenizer into the folder ``goal``.

    The loaded object stays flagged as quantised, so its weights move to a clean one of the same configuration.
    """
    from outgrow.encoders.hub import quiet, transformers_or_extra

    transformers = transformers_or_extra(f"the model in {file.name}")
    try:
        import gguf  # noqa: F401
    except ImportError as error:
        raise MissingExtra(f"the model in {file.name}", "hf") from error
    import torch

    # Its bar for tensors knows no switch.
    with quiet(), contextlib.redirect_stderr(io.StringIO()):
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(str(file.parent), gguf_file=file.name)
            loaded: Any = transformers.AutoModelForCausalLM.from_pretrained(
                str(file.parent), gguf_file=file.name, dtype=torch.float32
            )
        except (ValueError, KeyError, NotImplementedError, RuntimeError) as error:
            raise FetchError(
                f"transformers {transformers.__version__} cannot read {file.name} ({type(error).__name__})"
            ) from error
        if hasattr(loaded.config, "quantization_config"):
            del loaded.config.quantization_config
        clean = type(loaded)(loaded.config)
        clean.load_state_dict(loaded.state_dict())
        clean.tie_weights()
        clean.to(torch.bfloat16).save_pretrained(goal)
        tokenizer.save_pretrained(goal)
