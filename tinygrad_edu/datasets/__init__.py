"""Data to learn from: toy sets made on the spot, MNIST and its like from a folder or the net."""

from . import transforms
from .mnist import load_mnist, read_idx
from .toy import (
    blobs,
    circles,
    moons,
    petals,
    spirals,
    xor,
)
from .vision import KMNIST, MNIST, FashionMNIST

__all__ = [
    "FashionMNIST",
    "KMNIST",
    "MNIST",
    "blobs",
    "circles",
    "load_mnist",
    "moons",
    "petals",
    "read_idx",
    "spirals",
    "transforms",
    "xor",
]
