"""Memory formats and layouts: names that scripts pass around. Here memory is in the order of the indices.

`.to(memory_format=channels_last)` promises speed on a GPU, and changes no number.
"""

from __future__ import annotations


class _Named:
    """A name that stands for itself: printed, and pickled, as the variable that holds it."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name

    def __reduce__(self) -> str:
        return self._name


class memory_format(_Named):
    """In which order the elements of an image lie in memory: a wish, which is not followed here."""

    __slots__ = ()


class layout(_Named):
    """How a tensor's elements are stored: one by one, always."""

    __slots__ = ()


contiguous_format = memory_format("contiguous_format")
preserve_format = memory_format("preserve_format")
channels_last = memory_format("channels_last")
channels_last_3d = memory_format("channels_last_3d")
strided = layout("strided")
