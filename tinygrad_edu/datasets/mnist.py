"""MNIST's idx files, plain or gzipped, read from a folder; nothing is downloaded.

The format (LeCun, Cortes and Burges, "The MNIST database of handwritten digits"): two zero bytes,
a type code (8: unsigned bytes), the number of axes, one big-endian 32-bit length per axis, the data.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

UNSIGNED_BYTE = 0x08


def read_idx(path: str | Path) -> np.ndarray[Any, Any]:
    """The array of unsigned bytes in an idx file; `.gz` files are unpacked.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not an idx file of bytes, or it is shorter or longer than its header says.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
        if path.suffix == ".gz" or data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: the gzip file is damaged or truncated ({error}); get it again.") from None
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] != UNSIGNED_BYTE or not 1 <= data[3] <= 4:
        raise ValueError(f"{path}: this is not an idx file of bytes: it begins with {data[:4].hex(' ') or 'nothing'}.")
    axes = data[3]
    start = 4 + 4 * axes
    if len(data) < start:
        raise ValueError(f"{path}: truncated inside its header.")
    shape = struct.unpack(f">{axes}I", data[4:start])
    if len(data) - start != math.prod(shape):
        raise ValueError(
            f"{path}: the header says {' x '.join(map(str, shape))} = {math.prod(shape)} bytes, "
            f"{len(data) - start} are there; the file is truncated or damaged."
        )
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def load_mnist(root: str | Path, kind: str = "t10k") -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Images (n, 28, 28) and labels (n,), bytes as stored, from `root` or `root/MNIST/raw`.

    Args:
        root: the folder with `{kind}-images-idx3-ubyte` and `{kind}-labels-idx1-ubyte`, plain or .gz.
        kind: "train" (60,000 images) or "t10k" (10,000).
    Raises:
        FileNotFoundError: a file is missing; the message names it.
        ValueError: a file is damaged, or images and labels do not belong together.
    """
    images = read_idx(find(root, f"{kind}-images-idx3-ubyte"))
    labels = read_idx(find(root, f"{kind}-labels-idx1-ubyte"))
    if images.ndim != 3 or images.shape[1:] != (28, 28):
        raise ValueError(f"{kind}-images-idx3-ubyte in {root}: expected images of 28 x 28, found shape {images.shape}.")
    if labels.shape != images.shape[:1] or (labels.size and labels.max() > 9):
        raise ValueError(
            f"{kind}-labels-idx1-ubyte in {root}: expected {len(images)} labels from 0 to 9, "
            f"found shape {labels.shape}."
        )
    return images, labels


def find(root: str | Path, name: str) -> Path:
    """The file of that name, plain or gzipped, in the folder or where torchvision would put it."""
    root = Path(root)
    for folder in (root, root / "MNIST" / "raw"):
        for candidate in (folder / name, folder / f"{name}.gz"):
            if candidate.is_file():
                return candidate
    raise FileNotFoundError(f"{name} (or {name}.gz) is not in {root}; put MNIST's idx files into that folder.")
