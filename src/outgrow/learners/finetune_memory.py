"""Memory of a training on a processor: what one batch has freed is given back before the next, which has another length."""

from __future__ import annotations

import ctypes
import sys

__all__ = ["give_back_large_blocks"]

_M_MMAP_THRESHOLD = -3
_LARGE = 4 << 20


def give_back_large_blocks() -> bool:
    """Let the C library map each block of 4 MiB or more by itself, for the rest of this process; return whether it is one that can.

    glibc raises that bound to 32 MiB as it goes, and keeps blocks below it for later ones. Activations of batches of other lengths do not
    fit into these, so that a training holds half as much again as its largest batch needs.
    """
    if not sys.platform.startswith("linux"):
        return False
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    return set_option is not None and set_option(_M_MMAP_THRESHOLD, _LARGE) == 1
