"""What the processor does in hardware: bfloat16 is only worth it where it is."""

from __future__ import annotations

import functools
import platform
from pathlib import Path

__all__ = ["bf16_in_hardware", "resolve_dtype"]

_FLAGS = {"avx512_bf16", "amx_bf16"}


@functools.cache
def bf16_in_hardware(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Say whether the processor multiplies bfloat16 matrices in hardware.

    Emulated bfloat16 is slower than float32 and rounds for nothing, and torch offers it everywhere; so the processor's own flags are
    read (``avx512_bf16`` or ``amx_bf16`` on x86, ``bf16`` on ARM under Linux). Where they cannot be read the answer is no.
    """
    try:
        lines = cpuinfo.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return False
    flags: set[str] = set()
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip().lower() in {"flags", "features"}:
            flags = set(value.split())
            break
    arm = platform.machine().lower() in {"aarch64", "arm64"}
    return bool(flags & _FLAGS) or (arm and "bf16" in flags)


def resolve_dtype(dtype: str) -> str:
    """Return ``"bfloat16"`` or ``"float32"`` for ``auto``, by the processor; other names stay."""
    if dtype == "auto":
        return "bfloat16" if bf16_in_hardware() else "float32"
    return dtype
