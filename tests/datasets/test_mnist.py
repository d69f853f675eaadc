"""MNIST's idx files: what is read, and what is said about a missing or damaged one."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest

from tinygrad_edu.datasets import load_mnist, read_idx


def idx(array: np.ndarray) -> bytes:
    """An array of bytes in the idx format."""
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (5, 28, 28)).astype(np.uint8)


@pytest.fixture
def labels(rng):
    return rng.integers(0, 10, 5).astype(np.uint8)


def store(folder, images, labels, pack=False):
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in (("t10k-images-idx3-ubyte", images), ("t10k-labels-idx1-ubyte", labels)):
        data = idx(array)
        (folder / (f"{name}.gz" if pack else name)).write_bytes(gzip.compress(data) if pack else data)


@pytest.mark.parametrize("pack", [False, True], ids=["plain", "gz"])
@pytest.mark.parametrize("below", ["", "MNIST/raw"], ids=["flat", "torchvision's folders"])
def test_files_are_read_from_either_place(tmp_path, images, labels, pack, below):
    """Plain or gzipped, in the folder itself or where torchvision puts them."""
    store(tmp_path / below, images, labels, pack)
    found_images, found_labels = load_mnist(tmp_path)
    np.testing.assert_array_equal(found_images, images)
    np.testing.assert_array_equal(found_labels, labels)


def test_missing_file_is_named(tmp_path):
    """The message says which file to put where."""
    with pytest.raises(FileNotFoundError, match=r"t10k-images-idx3-ubyte \(or .*gz\) is not in"):
        load_mnist(tmp_path)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda data: data[:-10], "the header says 5 x 28 x 28 = 3920 bytes, 3910 are there"),
        (lambda data: data + b"x", "3921 are there"),
        (lambda data: b"GIF8" + data[4:], "not an idx file of bytes: it begins with 47 49 46 38"),
        (lambda data: b"", "it begins with nothing"),
        (lambda data: data[:7], "truncated inside its header"),
        (lambda data: b"\0\0\x0d\3" + data[4:], "not an idx file of bytes"),
        (lambda data: gzip.compress(data)[:-20], "damaged or truncated"),
    ],
    ids=["truncated", "too long", "another format", "empty", "header cut", "floats", "gzip cut"],
)
def test_damaged_file_is_named(tmp_path, images, labels, damage, says):
    """Each kind of damage is a ValueError that names the file and what is wrong."""
    store(tmp_path, images, labels)
    path = tmp_path / "t10k-images-idx3-ubyte"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match="t10k-images-idx3-ubyte") as error:
        load_mnist(tmp_path)
    assert says in str(error.value)


def test_labels_must_belong_to_the_images(tmp_path, images, labels):
    """Another number of labels, or a label above 9, is refused."""
    store(tmp_path, images, labels[:-1])
    with pytest.raises(ValueError, match="expected 5 labels from 0 to 9"):
        load_mnist(tmp_path)
    store(tmp_path, images, labels + 10)
    with pytest.raises(ValueError, match="expected 5 labels from 0 to 9"):
        load_mnist(tmp_path)


def test_images_must_be_28_by_28(tmp_path, images, labels):
    """A file of other images is refused by its shape."""
    store(tmp_path, images[:, :14], labels)
    with pytest.raises(ValueError, match="expected images of 28 x 28"):
        load_mnist(tmp_path)


def test_read_idx_reads_any_number_of_axes(tmp_path, rng):
    """A vector and a stack alike."""
    for shape in ((7,), (2, 3), (2, 3, 4, 5)):
        array = rng.integers(0, 256, shape).astype(np.uint8)
        (tmp_path / "file").write_bytes(idx(array))
        np.testing.assert_array_equal(read_idx(tmp_path / "file"), array)
