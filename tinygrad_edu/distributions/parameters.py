"""How distributions are given: a place and a scale, or probabilities or their logits."""

from __future__ import annotations

from typing import Any, ClassVar

from ..core.value import Size
from . import constraints
from .distribution import Distribution, Located
from .utils import broadcast_all, lazy_property, logits_to_probs, probs_to_logits


class LocScale(Located):
    """On all real numbers, around `loc`, as wide as `scale`."""

    arg_constraints: ClassVar = {"loc": constraints.real, "scale": constraints.positive}
    support: Any = constraints.real
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(self.loc.shape, validate_args=validate_args)


class ByProbs(Distribution):
    """What is given by `probs` or by `logits`, of which a subclass computes the other one when it is read."""

    _given: str

    def _one_of(self, probs: Any, logits: Any) -> Any:
        """What was given; which of the two it is is noted."""
        if (probs is None) == (logits is None):
            raise ValueError("Either `probs` or `logits` must be specified, but not both.")
        self._given = "logits" if probs is None else "probs"
        return logits if probs is None else probs

    @property
    def _param(self) -> Any:
        return getattr(self, self._given)

    @property
    def param_shape(self) -> Size:
        """The parameter's shape."""
        shape: Size = self._param.shape
        return shape


class Binary(ByProbs):
    """What is given by the probability of one of two outcomes, or by its logit."""

    arg_constraints: ClassVar = {"probs": constraints.unit_interval, "logits": constraints.real}

    def _take(self, probs: Any, logits: Any, *others: Any) -> tuple[Any, ...]:
        """Store what was given in one shape with the others, which are returned."""
        *others, given = broadcast_all(*others, self._one_of(probs, logits))  # type: ignore[assignment]
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
