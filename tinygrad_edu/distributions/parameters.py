"""How distributions are given: a place and a scale, the probability of one of two outcomes, or those of classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, TypeVar

from ..core.value import Size
from . import constraints
from .categorical import Categorical
from .distribution import Distribution
from .utils import broadcast_all, lazy_property, logits_to_probs, probs_to_logits

Classes = TypeVar("Classes", bound="OfClasses")


class LocScale(Distribution):
    """On all real numbers, around `loc`, as wide as `scale`."""

    arg_constraints: ClassVar = {"loc": constraints.real, "scale": constraints.positive}
    support: Any = constraints.real
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(self.loc.shape, validate_args=validate_args)

    @property
    def mean(self) -> Any:
        """loc."""
        return self.loc

    @property
    def mode(self) -> Any:
        """loc."""
        return self.loc


class Binary(Distribution):
    """What is given by the probability of one of two outcomes, or by its logit."""

    arg_constraints: ClassVar = {"probs": constraints.unit_interval, "logits": constraints.real}
    _given: str

    def _take(self, probs: Any, logits: Any, *others: Any) -> tuple[Any, ...]:
        """Store what was given in one shape with the others, which are returned."""
        if (probs is None) == (logits is None):
            raise ValueError("Either `probs` or `logits` must be specified, but not both.")
        self._given = "logits" if probs is None else "probs"
        *others, given = broadcast_all(*others, logits if probs is None else probs)  # type: ignore[assignment]
        setattr(self, self._given, given)
        return tuple(others)

    @lazy_property
    def logits(self) -> Any:
        """log(p / (1 - p))."""
        return probs_to_logits(self.probs, is_binary=True)

    @lazy_property
    def probs(self) -> Any:
        """The probability."""
        return logits_to_probs(self.logits, is_binary=True)

    @property
    def _param(self) -> Any:
        return getattr(self, self._given)

    @property
    def param_shape(self) -> Size:
        """The parameter's shape."""
        shape: Size = self._param.shape
        return shape


class OfClasses(Distribution):
    """What is given by the probabilities of classes along the last axis, or by their logarithms up to a constant."""

    arg_constraints: ClassVar = {"probs": constraints.simplex, "logits": constraints.real_vector}

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        self._categorical = Categorical(probs, logits)
        super().__init__(self._categorical.batch_shape, self._categorical.param_shape[-1:], validate_args=validate_args)

    def expand(self: Classes, batch_shape: Sequence[int], _instance: Any = None) -> Classes:
        """The same along new or stretched batch axes."""
        new = super().expand(batch_shape, _instance)
        new._categorical = self._categorical.expand(batch_shape)
        return new

    @property
    def probs(self) -> Any:
        """The probabilities."""
        return self._categorical.probs

    @property
    def logits(self) -> Any:
        """The logarithms of the probabilities."""
        return self._categorical.logits

    @property
    def param_shape(self) -> Size:
        """The parameter's shape."""
        return self._categorical.param_shape
