"""Which transform leads from all real numbers into a constraint: `transform_to(c)` and, one to one, `biject_to(c)`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import constraints, transforms

__all__ = ["ConstraintRegistry", "biject_to", "transform_to"]


class ConstraintRegistry:
    """Transforms by the class of a constraint; `register` adds to it."""

    def __init__(self) -> None:
        self._made: dict[type, Callable[[Any], transforms.Transform]] = {}

    def register(self, constraint: Any, factory: Callable[[Any], Any] | None = None) -> Any:
        """Say how the transform of a constraint, or of a class of them, is made; also as a decorator."""
        if factory is None:
            return lambda factory: self.register(constraint, factory)
        kind = type(constraint) if isinstance(constraint, constraints.Constraint) else constraint
        if not (isinstance(kind, type) and issubclass(kind, constraints.Constraint)):
            raise TypeError(f"Expected constraint to be either a Constraint subclass or instance, but got {constraint}")
        self._made[kind] = factory
        return factory

    def __call__(self, constraint: Any) -> transforms.Transform:
        """The transform.

        Raises:
            NotImplementedError: none is registered.
        """
        factory = self._made.get(type(constraint))
        if factory is None:
            raise NotImplementedError(f"Cannot transform {type(constraint).__name__} constraints")
        return factory(constraint)


biject_to = ConstraintRegistry()
transform_to = ConstraintRegistry()


def _both(constraint: Any, factory: Callable[[Any], Any]) -> None:
    biject_to.register(constraint, factory)
    transform_to.register(constraint, factory)


def _above(c: Any) -> Any:
    return transforms.ComposeTransform([transforms.ExpTransform(), transforms.AffineTransform(c.lower_bound, 1)])


def _between(c: Any) -> Any:
    low, high = c.lower_bound, c.upper_bound
    if isinstance(low, (int, float)) and low == 0 and isinstance(high, (int, float)) and high == 1:
        return transforms.SigmoidTransform()
    return transforms.ComposeTransform([transforms.SigmoidTransform(), transforms.AffineTransform(low, high - low)])


def _positive(c: Any) -> Any:
    zero = isinstance(c.lower_bound, (int, float)) and c.lower_bound == 0
    return transforms.ExpTransform() if zero else _above(c)


_both(constraints.real, lambda c: transforms.identity_transform)
_both(constraints.greater_than, _positive)
_both(constraints.greater_than_eq, _positive)
_both(constraints.interval, _between)
_both(constraints.half_open_interval, _between)
_both(
    constraints.less_than,
    lambda c: transforms.ComposeTransform([transforms.ExpTransform(), transforms.AffineTransform(c.upper_bound, -1)]),
)
_both(constraints.corr_cholesky, lambda c: transforms.CorrCholeskyTransform())
transform_to.register(constraints.lower_cholesky, lambda c: transforms.LowerCholeskyTransform())
biject_to.register(constraints.simplex, lambda c: transforms.StickBreakingTransform())
transform_to.register(constraints.simplex, lambda c: transforms.SoftmaxTransform())


def _of_events(registry: ConstraintRegistry) -> None:
    def made(c: Any) -> Any:
        return transforms.IndependentTransform(registry(c.base_constraint), c.reinterpreted_batch_ndims)

    registry.register(constraints.independent, made)


_of_events(biject_to)
_of_events(transform_to)
