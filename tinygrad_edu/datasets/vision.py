"""MNIST, FashionMNIST and KMNIST in torchvision's form: same arguments, folders, file names, labels and repr.

A sample is (image, label). Without a transform an image is a NumPy array of bytes, (28, 28), where torchvision has
one of PIL's; `transforms.ToTensor` makes the same float32 (1, 28, 28) of both, and a label is a Python int in both.

Sources: LeCun, Cortes and Burges, "The MNIST database of handwritten digits"; Xiao, Rasul and Vollgraf,
"Fashion-MNIST" (2017); Clanuwat et al., "Deep Learning for Classical Japanese Literature" (2018). The MD5 sums are
those of the files as their authors publish them.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..core.tensor import Tensor, wrap
from ..serialization import write_atomically
from ..utils.data import Dataset
from .download import download, md5_of
from .mnist import read_idx

Array = np.ndarray[Any, Any]


class MNIST(Dataset[tuple[Any, Any]]):
    """Handwritten digits: 60,000 images to train with, 10,000 to test, 28 x 28 bytes each.

    Args:
        root: the folder above `MNIST/raw`, where the idx files are, plain or gzipped.
        train: the 60,000, or with False the 10,000.
        transform: applied to the image when a sample is taken.
        target_transform: applied to the label.
        download: fetch what is missing.
    Raises:
        RuntimeError: files are missing and not to be downloaded, or can't be; the message says which to put where.
        ValueError: a file is damaged.
    """

    mirrors: ClassVar[list[str]] = [
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    ]
    resources: ClassVar[list[tuple[str, str]]] = [
        ("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        ("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
        ("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
        ("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
    ]
    classes: ClassVar[list[str]] = [
        "0 - zero",
        "1 - one",
        "2 - two",
        "3 - three",
        "4 - four",
        "5 - five",
        "6 - six",
        "7 - seven",
        "8 - eight",
        "9 - nine",
    ]

    def __init__(
        self,
        root: str | Path,
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
    ) -> None:
        self.root = Path(root).expanduser()
        self.train, self.transform, self.target_transform = train, transform, target_transform
        if download:
            self.download()
        images, labels = self._read()
        self.data: Tensor = wrap(images)  # (n, 28, 28) uint8
        self.targets: Tensor = wrap(labels.astype(np.int64))

    @property
    def raw_folder(self) -> Path:
        """Where the idx files are."""
        return self.root / type(self).__name__ / "raw"

    @property
    def class_to_idx(self) -> dict[str, int]:
        """A class's label by its name."""
        return {name: label for label, name in enumerate(self.classes)}

    def __getitem__(self, index: Any) -> tuple[Any, Any]:
        image, target = self.data._values()[index], int(self.targets._values()[index])
        return (
            image if self.transform is None else self.transform(image),
            target if self.target_transform is None else self.target_transform(target),
        )

    def __len__(self) -> int:
        return len(self.data)

    def download(self) -> None:
        """Fetch the files that are missing, check them, and unpack them beside."""
        for name, md5 in self.resources:
            packed, plain = self.raw_folder / name, self.raw_folder / name.removesuffix(".gz")
            if plain.is_file():
                continue
            if not packed.is_file() or md5_of(packed) != md5:
                download([mirror + name for mirror in self.mirrors], packed, md5)
            _unpack(packed, plain)

    def _read(self) -> tuple[Array, Array]:
        part = "train" if self.train else "t10k"
        images = read_idx(self._file(f"{part}-images-idx3-ubyte"))
        labels = read_idx(self._file(f"{part}-labels-idx1-ubyte"))
        if images.ndim != 3 or labels.shape != images.shape[:1]:
            raise ValueError(
                f"{self.raw_folder}: images {images.shape} and labels {labels.shape} of {part} do not belong together."
            )
        return images.copy(), labels

    def _file(self, name: str) -> Path:
        """The file where torchvision puts it, unpacked or not."""
        for path in (self.raw_folder / name, self.raw_folder / f"{name}.gz"):
            if path.is_file():
                return path
        raise RuntimeError(
            f"Dataset not found. {name} (or {name}.gz) is not in {self.raw_folder}: put it there, or pass "
            "download=True where there is a connection."
        )

    def __repr__(self) -> str:
        lines = [
            f"Dataset {type(self).__name__}",
            f"    Number of datapoints: {len(self)}",
            f"    Root location: {self.root}",
            f"    Split: {'Train' if self.train else 'Test'}",
        ]
        given = [("Transform", self.transform), ("Target transform", self.target_transform)]
        if any(transform is not None for _, transform in given):
            lines.append("    StandardTransform")
        for title, transform in given:
            if transform is not None:
                text = repr(transform).replace("\n", "\n" + " " * (len(title) + 2))
                lines.append(f"{title}: {text}")
        return "\n".join(lines)


def _unpack(packed: Path, plain: Path) -> None:
    content = gzip.decompress(packed.read_bytes())
    write_atomically(plain, lambda file: file.write(content))


class FashionMNIST(MNIST):
    """Pictures of clothes, in MNIST's form."""

    mirrors: ClassVar[list[str]] = ["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"]
    resources: ClassVar[list[tuple[str, str]]] = [
        ("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        ("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe"),
        ("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"),
        ("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310"),
    ]
    classes: ClassVar[list[str]] = [
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ]


class KMNIST(MNIST):
    """Cursive Japanese characters, in MNIST's form."""

    mirrors: ClassVar[list[str]] = ["http://codh.rois.ac.jp/kmnist/dataset/kmnist/"]
    resources: ClassVar[list[tuple[str, str]]] = [
        ("train-images-idx3-ubyte.gz", "bdb82020997e1d708af4cf47b453dcf7"),
        ("train-labels-idx1-ubyte.gz", "e144d726b3acfaa3e44228e80efcd344"),
        ("t10k-images-idx3-ubyte.gz", "5c965bf0a639b31b8f53240b1b52f4d7"),
        ("t10k-labels-idx1-ubyte.gz", "7320c461ea6c1c855c0b718fb2a4b134"),
    ]
    classes: ClassVar[list[str]] = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]
