"""Memory formats: names that scripts pass around. Here memory is in the order of the indices, whatever is asked for.

`.to(memory_format=channels_last)` promises speed on a GPU, and changes no number.
"""

from __future__ import annotations


class memory_format:
    """In which order the elements of an image lie in memory: a wish, which is not followed here."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name

    def __reduce__(self) -> str:
        return self._name


contiguous_format = memory_format("contiguous_format")
preserve_format = memory_format("preserve_format")
channels_last = memory_format("channels_last")
channels_last_3d = memory_format("channels_last_3d")


class layout:
    """How a tensor's elements are stored: one by one, always."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name

    def __reduce__(self) -> str:
        return self._name


strided = layout("strided")
