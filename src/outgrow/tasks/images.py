"""Packaged sets of pictures, and the views of them that need no encoder.

A view is a function from the matrix of pixels to another matrix. The weak ones show a part or a blur of the picture; ``fourier`` is the
strong one: random Fourier features of the pixels, on which a linear head approximates a machine with a Gaussian kernel (Rahimi and Recht
2007). Their frequencies are drawn from a fixed seed and read no data.
"""

from __future__ import annotations

import gzip
import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outgrow.errors import FetchError

__all__ = ["DIGIT_VIEWS", "FASHION_VIEWS", "digits", "digits_shift", "fashion", "fashion_missing"]

View = Callable[[NDArray[Any]], NDArray[np.float64]]
_Floats = NDArray[np.float64]

SHIFTS = ("noise", "rotation", "occlusion")
FASHION = "datasets/fashion-mnist"
FASHION_FILES = {
    "train-images-idx3-ubyte.gz": "b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7",
    "train-labels-idx1-ubyte.gz": "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056",
    "t10k-images-idx3-ubyte.gz": "cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa",
    "t10k-labels-idx1-ubyte.gz": "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05",
}
FASHION_CLASSES = (
    "t-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)


def digits(folder: Path | None) -> dict[str, Any]:
    """Return scikit-learn's digits: 8 x 8 pixels from 0 to 16."""
    from sklearn.datasets import load_digits

    data = load_digits()
    return {"inputs": data.data, "truth": data.target, "kind": "classes"}


def digits_shift(folder: Path | None) -> dict[str, Any]:
    """Return every digit twice: as it is, and shifted in one of three ways, which are three further domains.

    Noise has a standard deviation of 3 pixel values of 16; rotations are 10 to 30 degrees either way; an occlusion blanks 3 x 3 pixels
    anywhere. A third of the digits has each, by a fixed seed. The two versions of a digit are one group.
    """
    from scipy.ndimage import rotate

    clean = digits(None)
    images = clean["inputs"].reshape(-1, 8, 8)
    n = len(images)
    random = np.random.default_rng(20)
    kind = random.permutation(np.arange(n) % len(SHIFTS))
    shifted = images.copy()
    for i in range(n):
        if SHIFTS[kind[i]] == "noise":
            shifted[i] += random.normal(0.0, 3.0, size=(8, 8))
        elif SHIFTS[kind[i]] == "rotation":
            shifted[i] = rotate(images[i], random.choice([-1, 1]) * random.uniform(10, 30), reshape=False, order=1)
        else:
            a, b = random.integers(0, 6, 2)
            shifted[i, a : a + 3, b : b + 3] = 0.0
    both = np.concatenate([images, np.clip(shifted, 0, 16)]).reshape(2 * n, 64)
    return {
        "inputs": both,
        "truth": np.tile(clean["truth"], 2),
        "kind": "classes",
        "names": [f"{i}-clean" for i in range(n)] + [f"{i}-{SHIFTS[k]}" for i, k in enumerate(kind)],
        "groups": np.tile(np.arange(n), 2),
        "domains": ["clean"] * n + [SHIFTS[k] for k in kind],
    }


def fashion_folder() -> Path | None:
    """Return where Debian's package dataset-fashion-mnist lies, in the shared data folders that XDG_DATA_DIRS names."""
    shared = os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    places = (Path(base) / FASHION for base in shared.split(":") if base)
    return next((p for p in places if all((p / name).is_file() for name in FASHION_FILES)), None)


def fashion_missing() -> str:
    """Return the sentence that says why Fashion-MNIST is not there, and what to do; empty where it is."""
    if fashion_folder() is not None:
        return ""
    return (
        "the packaged set 'fashion' is not on this machine: install Debian's package dataset-fashion-mnist, or put its four files "
        f"into {FASHION} of a folder that XDG_DATA_DIRS names"
    )


def fashion(folder: Path | None) -> dict[str, Any]:
    """Return Fashion-MNIST: 28 x 28 pixels from 0 to 1, the 60,000 training images and then the 10,000 test images.

    Raises
    ------
    FetchError
        The files are not there, or are others.
    """
    place = fashion_folder()
    if place is None:
        raise FetchError(fashion_missing())
    read = {}
    for name, sha256 in FASHION_FILES.items():
        raw = (place / name).read_bytes()
        if hashlib.sha256(raw).hexdigest() != sha256:
            raise FetchError(f"{name} of the packaged set 'fashion' is another file: install the package anew")
        # The header of an idx file is four bytes and four more for each dimension.
        read[name] = np.frombuffer(gzip.decompress(raw), dtype=np.uint8, offset=16 if "images" in name else 8)
    images = np.concatenate([read[f"{part}-images-idx3-ubyte.gz"] for part in ("train", "t10k")]).reshape(-1, 784)
    labels = np.concatenate([read[f"{part}-labels-idx1-ubyte.gz"] for part in ("train", "t10k")])
    names = [f"train-{i}" for i in range(60000)] + [f"test-{i}" for i in range(10000)]
    truth = np.array(FASHION_CLASSES)[labels]
    inputs = images.astype(np.float32) / np.float32(255)
    return {"inputs": inputs, "truth": truth, "names": names, "classes": list(FASHION_CLASSES)}


# --- views --------------------------------------------------------------------------------------------------------------------------


def _square(side: int, read: Callable[[_Floats], _Floats]) -> View:
    def view(inputs: NDArray[Any]) -> _Floats:
        images = np.asarray(inputs, dtype=np.float64).reshape(-1, side, side)
        return read(images).reshape(len(images), -1)

    return view


def _blocks(images: _Floats, down: int, across: int) -> _Floats:
    """Average blocks of pixels: ``down`` rows of blocks, ``across`` columns of them."""
    n, h, w = images.shape
    return images.reshape(n, down, h // down, across, w // across).mean((2, 4))


def _profile(images: _Floats) -> _Floats:
    return np.concatenate([images.mean(1), images.mean(2)], axis=1)


def _fourier(scale: float, side: int, width: int) -> Callable[[_Floats], _Floats]:
    def read(images: _Floats) -> _Floats:
        small = _blocks(images, side, side).reshape(len(images), -1)
        random = np.random.default_rng(0)
        frequency = random.normal(size=(small.shape[1], width)) * scale
        return np.cos(small @ frequency + random.uniform(0, 2 * np.pi, width))

    return read


DIGIT_VIEWS: Mapping[str, View] = {
    "coarse": _square(8, lambda x: _blocks(x, 4, 4)),
    "centre": _square(8, lambda x: x[:, 2:6, 2:6]),
    "profile": _square(8, _profile),
    "fourier": _square(8, _fourier(0.3 / 16, 8, 128)),
}
FASHION_VIEWS: Mapping[str, View] = {
    "coarse": _square(28, lambda x: _blocks(x, 4, 4)),
    "upper": _square(28, lambda x: _blocks(x[:, :14], 2, 4)),
    "profile": _square(28, _profile),
    "fourier": _square(28, _fourier(0.15, 14, 160)),
}
