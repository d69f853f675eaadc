"""Devices: names that scripts pass around. Tensors live in main memory, so every name but "cpu" is refused when used.

`device("cuda")` itself can be written, as in PyTorch, because scripts compare devices before they choose one.
"""

from __future__ import annotations

from typing import Any

_TYPES = ("cpu", "cuda", "hip", "hpu", "maia", "meta", "mps", "mtia", "xla", "xpu")


class device:
    """Where a tensor lives: a type, "cpu" here, and an index or None. As a context manager it changes nothing.

    Args:
        type: "cpu", "cuda:1" or the like; or another device.
        index: the number behind the colon.
    Raises:
        RuntimeError: there is no such kind of device, or the index is not a number.

    >>> device("cpu")
    device(type='cpu')
    >>> device("cuda:1") == device("cuda", 1)
    True
    """

    __slots__ = ("index", "type")
    type: str
    index: int | None

    def __init__(self, type: str | device, index: int | None = None) -> None:
        if isinstance(type, device):
            kind, number = type.type, type.index
        elif isinstance(type, str):
            kind, colon, digits = type.partition(":")
            if kind not in _TYPES:
                raise RuntimeError(
                    f"Expected one of {', '.join(_TYPES)} device type at start of device string: {type}; "
                    "tensors live on 'cpu' here."
                )
            if colon and not (digits.isascii() and digits.isdigit()):
                raise RuntimeError(f"Invalid device string: {type!r}; write 'cpu' or 'cpu:0'.")
            number = int(digits) if colon else None
        elif isinstance(type, int):
            raise RuntimeError(f"device({type}): Cannot access accelerator device when none is available; use 'cpu'.")
        else:
            raise TypeError(f"device: a name such as 'cpu' is expected, not {type.__class__.__name__}.")
        if index is not None:
            if number is not None:
                raise RuntimeError(f"type (string) must not include an index because index was passed: {type}")
            if not isinstance(index, int) or index < 0:
                raise RuntimeError(f"Device index must be a non-negative number, got {index!r}.")
            number = index
        object.__setattr__(self, "type", kind)
        object.__setattr__(self, "index", number)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"device.{name} can't be changed; make another device.")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        return f"device(type={self.type!r}{'' if self.index is None else f', index={self.index}'})"

    def __reduce__(self) -> Any:
        return device, (str(self),)

    def __enter__(self) -> device:
        return require_cpu(self, "with device")

    def __exit__(self, *_: object) -> None:
        pass


CPU = device("cpu")


def require_cpu(wanted: Any, operation: str = "") -> device:
    """The one device there is, if that is what `wanted` means (None does).

    Raises:
        RuntimeError: it is another one, or no device at all.
    """
    if wanted is None or wanted is CPU:
        return CPU
    found = wanted if isinstance(wanted, device) else device(wanted)
    if found.type != "cpu":
        raise RuntimeError(
            f"{operation + ': ' if operation else ''}there is no device {str(found)!r}; tensors live in main memory "
            "('cpu'). Scripts choose by cuda.is_available(), which is False here."
        )
    return CPU


def names_device(value: Any) -> bool:
    """Whether an argument of `.to` is a device, rather than a dtype."""
    return isinstance(value, device) or (isinstance(value, str) and value.partition(":")[0] in _TYPES)
