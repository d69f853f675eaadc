"""Distribution: what all distributions share, their shapes above all.

A sample has shape sample_shape + batch_shape + event_shape: so many draws, of so many distributions
side by side, each of which gives so many numbers at once. log_prob drops the event's axes.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

from ..autograd import no_grad
from ..core.errors import name_init
from ..core.mode import mode
from ..core.tensor import Tensor
from ..core.value import Size
from ..ops.exponential import exp
from . import constraints
from .utils import lazy_property, require


class Distribution:
    """The base of all distributions.

    Args:
        batch_shape: how many distributions lie side by side.
        event_shape: the shape of what one of them draws.
        validate_args: check parameters and values; default: yes.
    """

    has_rsample = False
    has_enumerate_support = False
    arg_constraints: ClassVar[Mapping[str, Any]]
    support: Any
    _validate_args = __debug__

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        name_init(cls, Distribution)

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Whether distributions check their arguments where they are not told."""
        if value not in (True, False):
            raise ValueError("set_default_validate_args: True or False is expected.")
        Distribution._validate_args = value

    def __init__(
        self,
        batch_shape: Sequence[int] = (),
        event_shape: Sequence[int] = (),
        validate_args: bool | None = None,
    ) -> None:
        self._batch_shape, self._event_shape = Size(batch_shape), Size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args
        elif mode.trace is not None:
            mode.trace.depends(lambda: Distribution._validate_args)
        if self._validate_args:
            self._check_arguments()

    def _check_arguments(self) -> None:
        for name, constraint in getattr(self, "arg_constraints", {}).items():
            if constraints.is_dependent(constraint) or (name not in self.__dict__ and self._is_lazy(name)):
                continue
            value = getattr(self, name)
            require(
                constraint.check(value),
                f"{type(self).__name__}: parameter {name} has invalid values",
                lambda name=name, value=value, constraint=constraint: (  # type: ignore[misc]  # bound as they are now
                    f"Expected parameter {name} ({type(value).__name__} of shape {tuple(value.shape)}) of "
                    f"distribution {self!r} to satisfy the constraint {constraint!r}, "
                    f"but found invalid values:\n{value}"
                ),
            )

    def _is_lazy(self, name: str) -> bool:
        return isinstance(getattr(type(self), name, None), lazy_property)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Self:
        """The same distributions, repeated along new or stretched batch axes, without a copy."""
        new: Self = type(self).__new__(type(self)) if _instance is None else _instance
        parameters = getattr(self, "arg_constraints", {})
        for name, value in self.__dict__.items():
            if isinstance(value, Tensor) and name in parameters:
                own = tuple(value.shape[len(self._batch_shape) :])
                new.__dict__[name] = value.expand((*batch_shape, *own))
            elif not self._is_lazy(name):  # what was computed is computed again, in the new shape
                new.__dict__[name] = value
        new._batch_shape = Size(batch_shape)
        return new

    @property
    def batch_shape(self) -> Size:
        """How many distributions lie side by side."""
        return self._batch_shape

    @property
    def event_shape(self) -> Size:
        """The shape of what one of them draws."""
        return self._event_shape

    def _lacking(self, name: str) -> NotImplementedError:
        return NotImplementedError(f"{type(self).__name__} does not implement {name}")

    @property
    def mean(self) -> Any:
        """The expected value, batch_shape + event_shape."""
        raise self._lacking("mean")

    @property
    def mode(self) -> Any:
        """The most probable value."""
        raise self._lacking("mode")

    @property
    def variance(self) -> Any:
        """The variance."""
        raise self._lacking("variance")

    @property
    def stddev(self) -> Any:
        """The standard deviation."""
        return self.variance.sqrt()

    def sample(self, sample_shape: Any = ()) -> Any:
        """Draws, sample_shape + batch_shape + event_shape, without a gradient."""
        with no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Draws that are differentiable by the distribution's parameters."""
        raise self._lacking("rsample: its draws have no gradient; sample() draws without one")

    def sample_n(self, n: int) -> Any:
        """`sample((n,))`, which is to be preferred."""
        warnings.warn(
            "`sample_n(n)` will be deprecated. Use `sample((n,))` instead.", category=FutureWarning, stacklevel=2
        )
        return self.sample((n,))

    def log_prob(self, value: Any) -> Any:
        """The logarithm of the probability, or of the density, at `value`."""
        raise self._lacking("log_prob")

    def cdf(self, value: Any) -> Any:
        """The probability of at most `value`."""
        raise self._lacking("cdf")

    def icdf(self, value: Any) -> Any:
        """The inverse of cdf."""
        raise self._lacking("icdf")

    def enumerate_support(self, expand: bool = True) -> Any:
        """All values of a discrete distribution, along a new first axis."""
        raise self._lacking("enumerate_support")

    def entropy(self) -> Any:
        """The entropy, in nats."""
        raise self._lacking("entropy")

    def perplexity(self) -> Any:
        """exp(entropy)."""
        return exp(self.entropy())

    def _extended_shape(self, sample_shape: Any = ()) -> Size:
        return Size((*sample_shape, *self._batch_shape, *self._event_shape))

    def _validate_sample(self, value: Any) -> None:
        """Refuse a value whose shape does not fit, or that lies outside of the support."""
        if not self._validate_args:
            return
        if not isinstance(value, Tensor):
            raise ValueError("The value argument to log_prob must be a Tensor")
        shape, start = value.shape, value.ndim - len(self._event_shape)
        if shape[max(start, 0) :] != self._event_shape:
            raise ValueError(f"The right-most size of value must match event_shape: {shape} vs {self._event_shape}.")
        expected = self._batch_shape + self._event_shape
        for i, j in zip(reversed(shape), reversed(expected), strict=False):
            if i != 1 and j != 1 and i != j:
                raise ValueError(f"Value is not broadcastable with batch_shape+event_shape: {shape} vs {expected}.")
        support = self.support
        require(
            support.check(value),
            f"{type(self).__name__}: the value lies outside of the support",
            lambda: (
                f"Expected value argument ({type(value).__name__} of shape {tuple(shape)}) to be within the support "
                f"({support!r}) of the distribution {self!r}, but found invalid values:\n{value}"
            ),
        )

    def __repr__(self) -> str:
        known = {name: self.__dict__[name] for name in self.arg_constraints if name in self.__dict__}
        words = ", ".join(f"{k}: {v if v.numel() == 1 else v.size()}" for k, v in known.items())
        return f"{type(self).__name__}({words})"


class Located(Distribution):
    """What lies evenly about its parameter `loc`."""

    loc: Any

    @property
    def mean(self) -> Any:
        """loc."""
        return self.loc

    @property
    def mode(self) -> Any:
        """loc."""
        return self.loc
