"""tinygrad_edu.datasets.transforms: what is done to an image before it is learnt from, with torchvision's names.

    from tinygrad_edu.datasets import MNIST, transforms

Images are NumPy arrays, (rows, columns) or (rows, columns, channels), bytes from 0 to 255; what comes out of ToTensor
are tensors, (channels, rows, columns), floats from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.dtypes import get_default_dtype
from ..core.tensor import Tensor, wrap

__all__ = ["Compose", "Lambda", "Normalize", "ToTensor"]


class Compose:
    """Several transforms, one after the other."""

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        self.transforms = transforms

    def __call__(self, img: Any) -> Any:
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self) -> str:
        return "Compose(\n" + "".join(f"    {transform}\n" for transform in self.transforms) + ")"


class ToTensor:
    """An image as a tensor, (channels, rows, columns): bytes become floats from 0 to 1, other numbers stay.

    >>> ToTensor()(np.array([[0, 255]], dtype=np.uint8))
    tensor([[[0., 1.]]])
    """

    def __call__(self, pic: Any) -> Tensor:
        array = np.asarray(pic)
        if isinstance(pic, Tensor) or not (isinstance(pic, np.ndarray) or hasattr(pic, "__array_interface__")):
            raise TypeError(f"pic should be PIL Image or ndarray. Got {type(pic)}")
        if array.ndim not in (2, 3):
            raise ValueError(f"pic should be 2/3 dimensional. Got {array.ndim} dimensions.")
        planes = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
        if planes.dtype == np.uint8:
            dtype = get_default_dtype()
            return wrap(np.divide(planes, dtype.type(255), dtype=dtype, order="C"))
        return wrap(np.array(planes, order="C"))

    def __repr__(self) -> str:
        return "ToTensor()"


class Normalize:
    """(image - mean) / std, by channel, of a floating tensor (..., channels, rows, columns).

    Args:
        mean, std: one number per channel, or one for all.
        inplace: change the tensor that is handed over.
    Raises:
        ValueError: a std is zero.
    """

    def __init__(self, mean: Any, std: Any, inplace: bool = False) -> None:
        self.mean, self.std, self.inplace = mean, std, inplace

    def __call__(self, tensor: Tensor) -> Tensor:
        if not isinstance(tensor, Tensor):
            raise TypeError(f"img should be Tensor Image. Got {type(tensor)}; put ToTensor() before Normalize.")
        if not tensor.is_floating_point():
            raise TypeError(f"Input tensor should be a float tensor. Got {tensor.dtype}.")
        if tensor.ndim < 3:
            raise ValueError(
                f"Expected tensor to be a tensor image of size (..., C, H, W). Got tensor.size() = {tensor.size()}"
            )
        mean, std = (wrap(np.asarray(value, tensor.dtype).reshape(-1, 1, 1)) for value in (self.mean, self.std))
        if not std._values().all():
            raise ValueError(f"std evaluated to zero after conversion to {tensor.dtype}, leading to division by zero.")
        if self.inplace:
            return tensor.sub_(mean).div_(std)
        return (tensor - mean) / std

    def __repr__(self) -> str:
        return f"Normalize(mean={self.mean}, std={self.std})"


class Lambda:
    """A function as a transform."""

    def __init__(self, lambd: Callable[[Any], Any]) -> None:
        if not callable(lambd):
            raise TypeError(f"Argument lambd should be callable, got {type(lambd).__name__!r}")
        self.lambd = lambd

    def __call__(self, img: Any) -> Any:
        return self.lambd(img)

    def __repr__(self) -> str:
        return "Lambda()"
