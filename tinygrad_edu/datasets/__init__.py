"""Data to learn from: toy sets made on the spot, MNIST from a folder that the user names."""

from .mnist import load_mnist, read_idx
from .toy import petals

__all__ = ["load_mnist", "petals", "read_idx"]
