"""Activation functions as modules; the functions themselves are in ops/activation.py.

nn follows PyTorch: rows are samples, so the classes of softmax lie along dim=1.
"""

from __future__ import annotations

import warnings
from typing import Any

from ..ops.creation import empty
from . import functional as F
from .init import constant_
from .module import Module
from .parameter import Parameter


class Tanh(Module):
    """tanh, elementwise."""

    def forward(self, input: Any) -> Any:
        """A = tanh(Z)."""
        return F.tanh(input)


class Sigmoid(Module):
    """1 / (1 + exp(-Z)), elementwise."""

    def forward(self, input: Any) -> Any:
        """A = sigmoid(Z)."""
        return F.sigmoid(input)


class ReLU(Module):
    """max(Z, 0), elementwise; inplace=True overwrites its input."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Any) -> Any:
        """A = max(Z, 0)."""
        return F.relu(input, self.inplace)

    def extra_repr(self) -> str:
        """inplace, if so."""
        return "inplace=True" if self.inplace else ""


class LeakyReLU(Module):
    """Z where it is positive, negative_slope * Z elsewhere."""

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope, self.inplace = negative_slope, inplace

    def forward(self, input: Any) -> Any:
        """A, in the shape of Z."""
        return F.leaky_relu(input, self.negative_slope, self.inplace)

    def extra_repr(self) -> str:
        """The slope, and inplace if so."""
        return f"negative_slope={self.negative_slope}" + (", inplace=True" if self.inplace else "")


class Softplus(Module):
    """log(1 + exp(beta Z)) / beta, a smooth ReLU; Z itself where beta Z exceeds the threshold."""

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta, self.threshold = beta, threshold

    def forward(self, input: Any) -> Any:
        """A, in the shape of Z."""
        return F.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        """Both constants."""
        return f"beta={self.beta}, threshold={self.threshold}"


class Softmax(Module):
    """Probabilities along `dim`, proportional to exp(Z)."""

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Any) -> Any:
        """P, in the shape of Z."""
        return F.softmax(input, self.dim, 5)

    def extra_repr(self) -> str:
        """The axis of the classes."""
        return f"dim={self.dim}"


class LogSoftmax(Module):
    """The logarithms of the softmax along `dim`."""

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Any) -> Any:
        """log P, in the shape of Z."""
        return F.log_softmax(input, self.dim, 5)

    def extra_repr(self) -> str:
        """The axis of the classes."""
        return f"dim={self.dim}"


class LogSigmoid(Module):
    """log(sigmoid(Z)), exact where the sigmoid underflows."""

    def forward(self, input: Any) -> Any:
        """A, in the shape of Z."""
        return F.logsigmoid(input)


class ELU(Module):
    """Z where it is positive, alpha (exp(Z) - 1) elsewhere."""

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha, self.inplace = alpha, inplace

    def forward(self, input: Any) -> Any:
        """A, in the shape of Z."""
        return F.elu(input, self.alpha, self.inplace)

    def extra_repr(self) -> str:
        """alpha, and inplace if so."""
        return f"alpha={self.alpha}" + (", inplace=True" if self.inplace else "")


class SELU(Module):
    """ELU with the two constants that keep mean 0 and variance 1."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Any) -> Any:
        """A, in the shape of Z."""
        return F.selu(input, self.inplace)

    def extra_repr(self) -> str:
        """inplace, if so."""
        return "inplace=True" if self.inplace else ""


class CELU(Module):
    """Z where it is positive, alpha (exp(Z / alpha) - 1) elsewhere."""

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha, self.inplace = alpha, inplace

    def forward(self, input: Any) -> Any:
        """A, in the shape of Z."""
        return F.celu(input, self.alpha, self.inplace)

    def extra_repr(self) -> str:
        """alpha, and inplace if so."""
        return f"alpha={self.alpha}" + (", inplace=True" if self.inplace else "")


class GELU(Module):
    """Z times the probability that a standard normal number is below it."""

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Any) -> Any:
        """A, in the shape of Z."""
        return F.gelu(input, self.approximate)

    def extra_repr(self) -> str:
        """Which of the two formulas."""
        return f"approximate={self.approximate!r}"


class SiLU(Module):
    """Z sigmoid(Z)."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Any) -> Any:
        """A, in the shape of Z."""
        return F.silu(input, self.inplace)

    def extra_repr(self) -> str:
        """inplace, if so."""
        return "inplace=True" if self.inplace else ""


class Mish(Module):
    """Z tanh(softplus(Z))."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Any) -> Any:
        """A, in the shape of Z."""
        return F.mish(input, self.inplace)

    def extra_repr(self) -> str:
        """inplace, if so."""
        return "inplace=True" if self.inplace else ""


class Hardtanh(Module):
    """Z limited to [min_val, max_val]. min_value and max_value are their former names."""

    def __init__(
        self,
        min_val: float = -1.0,
        max_val: float = 1.0,
        inplace: bool = False,
        min_value: float | None = None,
        max_value: float | None = None,
    ) -> None:
        super().__init__()
        for old, new, given in (("min_value", "min_val", min_value), ("max_value", "max_val", max_value)):
            if given is not None:
                warnings.warn(
                    f"keyword argument `{old}` is deprecated and rename to `{new}`", FutureWarning, stacklevel=2
                )
        self.min_val = min_val if min_value is None else min_value
        self.max_val = max_val if max_value is None else max_value
        self.inplace = inplace
        if not self.max_val > self.min_val:
            raise ValueError(f"Hardtanh: max_val must exceed min_val, got {self.max_val} and {self.min_val}.")

    def forward(self, input: Any) -> Any:
        """A, in the shape of Z."""
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)

    def extra_repr(self) -> str:
        """Both limits, and inplace if so."""
        return f"min_val={self.min_val}, max_val={self.max_val}" + (", inplace=True" if self.inplace else "")


class ReLU6(Hardtanh):
    """Z limited to [0, 6]."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0.0, 6.0, inplace)

    def extra_repr(self) -> str:
        """inplace, if so."""
        return "inplace=True" if self.inplace else ""


class Hardsigmoid(Module):
    """(Z + 3) / 6 limited to [0, 1]."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Any) -> Any:
        """A, in the shape of Z."""
        return F.hardsigmoid(input, self.inplace)


class Hardswish(Module):
    """Z hardsigmoid(Z)."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Any) -> Any:
        """A, in the shape of Z."""
        return F.hardswish(input, self.inplace)


class Softsign(Module):
    """Z / (1 + |Z|)."""

    def forward(self, input: Any) -> Any:
        """A, in the shape of Z."""
        return F.softsign(input)


class Tanhshrink(Module):
    """Z - tanh(Z)."""

    def forward(self, input: Any) -> Any:
        """A, in the shape of Z."""
        return F.tanhshrink(input)


class Hardshrink(Module):
    """Z outside of [-lambd, lambd], 0 within."""

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Any) -> Any:
        """A, in the shape of Z."""
        return F.hardshrink(input, self.lambd)

    def extra_repr(self) -> str:
        """The border."""
        return f"{self.lambd}"


class Softshrink(Module):
    """Z moved towards 0 by lambd, and no further."""

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Any) -> Any:
        """A, in the shape of Z."""
        return F.softshrink(input, self.lambd)

    def extra_repr(self) -> str:
        """The border."""
        return f"{self.lambd}"


class Threshold(Module):
    """Z where it exceeds the threshold, value elsewhere."""

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold, self.value, self.inplace = threshold, value, inplace

    def forward(self, input: Any) -> Any:
        """A, in the shape of Z."""
        return F.threshold(input, self.threshold, self.value, self.inplace)

    def extra_repr(self) -> str:
        """Both numbers, and inplace if so."""
        return f"threshold={self.threshold}, value={self.value}" + (", inplace=True" if self.inplace else "")


class GLU(Module):
    """The first half of Z along `dim`, times the sigmoid of the second."""

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Any) -> Any:
        """A, half as long along `dim`."""
        return F.glu(input, self.dim)

    def extra_repr(self) -> str:
        """The axis that is halved."""
        return f"dim={self.dim}"


class PReLU(Module):
    """Z where it is positive, weight Z elsewhere; the weight, one or one per channel, is learned."""

    weight: Parameter

    def __init__(self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.num_parameters, self.init = num_parameters, init
        self.weight = Parameter(empty(num_parameters, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set every weight to init."""
        constant_(self.weight, self.init)

    def forward(self, input: Any) -> Any:
        """A, in the shape of Z."""
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        """How many weights."""
        return f"num_parameters={self.num_parameters}"


class Softmin(Module):
    """Probabilities along `dim`, proportional to exp(-Z)."""

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Any) -> Any:
        """P, in the shape of Z."""
        return F.softmin(input, self.dim, 5)

    def extra_repr(self) -> str:
        """The axis of the classes."""
        return f"dim={self.dim}"


class Softmax2d(Module):
    """Probabilities over the channels of images, (m, c, h, w) or (c, h, w)."""

    def forward(self, input: Any) -> Any:
        """P, in the shape of Z."""
        if input.ndim not in (3, 4):
            raise ValueError(f"Softmax2d: expected input to be 3D or 4D, got {input.ndim}D instead")
        return F.softmax(input, -3)


class RReLU(Module):
    """Z where it is positive, elsewhere Z times a slope: drawn from [lower, upper] in training, else their mean."""

    def __init__(self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False) -> None:
        super().__init__()
        self.lower, self.upper, self.inplace = lower, upper, inplace

    def forward(self, input: Any) -> Any:
        """A, in the shape of Z."""
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)

    def extra_repr(self) -> str:
        """Both limits, and inplace if so."""
        return f"lower={self.lower}, upper={self.upper}" + (", inplace=True" if self.inplace else "")
