"""kl_divergence, by a table of pairs of distributions; register_kl adds to it.

KL(p || q) is the expectation under p of log p(x) - log q(x), in nats: what is lost by coding p as q.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from ..core.mode import mode
from ..ops.activation import softplus
from ..ops.choices import where
from ..ops.exponential import exp, log, xlogy
from ..ops.matrices import solve_triangular
from ..ops.special import digamma, erf, lgamma
from .bernoulli import Bernoulli
from .beta import Beta
from .binomial import Binomial
from .categorical import Categorical
from .cauchy import Cauchy
from .dirichlet import Dirichlet
from .distribution import Distribution
from .exponential import Exponential
from .gamma import Gamma
from .geometric import Geometric
from .gumbel import Gumbel, Pareto
from .half_normal import HalfNormal
from .independent import Independent
from .laplace import Laplace
from .log_normal import LogNormal
from .multivariate_normal import MultivariateNormal, mahalanobis
from .normal import Normal
from .one_hot_categorical import OneHotCategorical
from .poisson import Poisson
from .transformed_distribution import TransformedDistribution
from .uniform import Uniform
from .utils import EULER, sum_rightmost

F = TypeVar("F", bound=Callable[..., Any])
REGISTRY: dict[tuple[type, type], Callable[[Any, Any], Any]] = {}


def register_kl(type_p: type, type_q: type) -> Callable[[F], F]:
    """Decorate a function of p and q to be the divergence of two kinds of distributions, and of their subclasses."""
    for name, kind in (("type_p", type_p), ("type_q", type_q)):
        if not (isinstance(kind, type) and issubclass(kind, Distribution)):
            raise TypeError(f"Expected {name} to be a Distribution subclass but got {kind}")

    def enter(function: F) -> F:
        REGISTRY[type_p, type_q] = function
        return function

    return enter


def kl_divergence(p: Distribution, q: Distribution) -> Any:
    """KL(p || q) in nats, of shape batch_shape.

    Raises:
        NotImplementedError: no formula is registered for the pair.
    """
    if mode.trace is not None:
        mode.trace.depends(lambda: _find(type(p), type(q)))
    return _find(type(p), type(q))(p, q)


def _find(type_p: type, type_q: type) -> Callable[[Any, Any], Any]:
    """The entry for the nearest base classes, p's counting first."""
    fitting = [(P, Q) for P, Q in REGISTRY if issubclass(type_p, P) and issubclass(type_q, Q)]
    if not fitting:
        raise NotImplementedError(
            f"No KL(p || q) is implemented for p type {type_p.__name__} and q type {type_q.__name__}; "
            "add one with @register_kl, or estimate it from samples."
        )
    return REGISTRY[min(fitting, key=lambda pair: (type_p.__mro__.index(pair[0]), type_q.__mro__.index(pair[1])))]


def _infinite(x: Any) -> Any:
    return x.new_full(tuple(x.shape), math.inf)


@register_kl(Bernoulli, Bernoulli)
def _bernoulli_bernoulli(p: Any, q: Any) -> Any:
    def part(probability: Any, other: Any, sign: int) -> Any:
        gained = probability * (softplus(sign * q.logits) - softplus(sign * p.logits))
        return where(probability == 0, 0.0, where(other == 0, math.inf, gained))

    return part(p.probs, q.probs, -1) + part(1 - p.probs, 1 - q.probs, 1)


@register_kl(Beta, Beta)
def _beta_beta(p: Any, q: Any) -> Any:
    return kl_divergence(p._dirichlet, q._dirichlet)


@register_kl(Categorical, Categorical)
def _categorical_categorical(p: Any, q: Any) -> Any:
    terms = p.probs * (p.logits - q.logits)
    terms = where((q.probs == 0).expand(terms.shape), math.inf, terms)
    return where((p.probs == 0).expand(terms.shape), 0.0, terms).sum(-1)


@register_kl(Dirichlet, Dirichlet)
def _dirichlet_dirichlet(p: Any, q: Any) -> Any:
    a, b = p.concentration, q.concentration
    total = a.sum(-1)
    edges = lgamma(total) - lgamma(b.sum(-1)) - (lgamma(a) - lgamma(b)).sum(-1)
    return edges + ((a - b) * (digamma(a) - digamma(total).unsqueeze(-1))).sum(-1)


@register_kl(Exponential, Exponential)
def _exponential_exponential(p: Any, q: Any) -> Any:
    ratio = q.rate / p.rate
    return ratio - log(ratio) - 1


@register_kl(Gamma, Gamma)
def _gamma_gamma(p: Any, q: Any) -> Any:
    a, b = p.concentration, q.concentration
    shape = lgamma(b) - lgamma(a) + (a - b) * digamma(a)
    return b * log(p.rate / q.rate) + shape + (q.rate - p.rate) * (a / p.rate)


@register_kl(Independent, Independent)
def _independent_independent(p: Any, q: Any) -> Any:
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError("KL of two Independents that take over different numbers of axes.")
    return sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)


@register_kl(Laplace, Laplace)
def _laplace_laplace(p: Any, q: Any) -> Any:
    ratio = p.scale / q.scale
    distance = (p.loc - q.loc).abs()
    return -log(ratio) + distance / q.scale + ratio * exp(-distance / p.scale) - 1


@register_kl(MultivariateNormal, MultivariateNormal)
def _multivariate_multivariate(p: Any, q: Any) -> Any:
    if p.event_shape != q.event_shape:
        raise ValueError(
            "KL-divergence between two Multivariate Normals with different event shapes cannot be computed"
        )
    n = p.event_shape[0]
    P, Q = p._unbroadcasted_scale_tril, q._unbroadcasted_scale_tril
    shape = np.broadcast_shapes(P.shape, Q.shape)
    trace = (solve_triangular(Q.expand(shape), P.expand(shape), upper=False) ** 2).sum((-2, -1))
    return q._half_log_det() - p._half_log_det() + 0.5 * (trace + mahalanobis(Q, q.loc - p.loc) - n)


@register_kl(Normal, Normal)
def _normal_normal(p: Any, q: Any) -> Any:
    ratio = (p.scale / q.scale) ** 2
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale) ** 2 - 1 - log(ratio))


@register_kl(LogNormal, LogNormal)
def _log_normal_log_normal(p: Any, q: Any) -> Any:
    return kl_divergence(p.base_dist, q.base_dist)


@register_kl(Poisson, Poisson)
def _poisson_poisson(p: Any, q: Any) -> Any:
    return xlogy(p.rate, p.rate) - xlogy(p.rate, q.rate) - (p.rate - q.rate)


@register_kl(Uniform, Uniform)
def _uniform_uniform(p: Any, q: Any) -> Any:
    result = log((q.high - q.low) / (p.high - p.low))
    return where((q.low > p.low) | (q.high < p.high), math.inf, result)


@register_kl(Binomial, Binomial)
def _binomial_binomial(p: Any, q: Any) -> Any:
    return where(q.total_count < p.total_count, math.inf, p.total_count * _bernoulli_bernoulli(p, q))


@register_kl(Cauchy, Cauchy)
def _cauchy_cauchy(p: Any, q: Any) -> Any:
    return log((p.scale + q.scale) ** 2 + (p.loc - q.loc) ** 2) - log(4 * p.scale * q.scale)


@register_kl(Geometric, Geometric)
def _geometric_geometric(p: Any, q: Any) -> Any:
    return _bernoulli_bernoulli(p, q) / p.probs  # of one trial, of which there are 1 / p on average


@register_kl(Gumbel, Gumbel)
def _gumbel_gumbel(p: Any, q: Any) -> Any:
    ratio, shift = p.scale / q.scale, (q.loc - p.loc) / q.scale
    return -log(ratio) - shift + ratio * EULER + exp(shift + lgamma(1 + ratio)) - (1 + EULER)


@register_kl(HalfNormal, HalfNormal)
def _half_normal_half_normal(p: Any, q: Any) -> Any:
    return kl_divergence(p.base_dist, q.base_dist)


@register_kl(OneHotCategorical, OneHotCategorical)
def _one_hot_one_hot(p: Any, q: Any) -> Any:
    return kl_divergence(p._categorical, q._categorical)


@register_kl(Pareto, Pareto)
def _pareto_pareto(p: Any, q: Any) -> Any:
    ratio = q.alpha / p.alpha
    result = q.alpha * log(p.scale / q.scale) - log(ratio) + ratio - 1
    return where(p.scale < q.scale, math.inf, result)


@register_kl(TransformedDistribution, TransformedDistribution)
def _transformed_transformed(p: Any, q: Any) -> Any:
    if p.transforms != q.transforms or p.event_shape != q.event_shape:
        raise NotImplementedError("KL of two TransformedDistributions whose transforms, or events, differ.")
    return kl_divergence(p.base_dist, q.base_dist)


# --- of two kinds; infinite where p can draw what q cannot


@register_kl(Bernoulli, Poisson)
def _bernoulli_poisson(p: Any, q: Any) -> Any:
    return -p.entropy() - (p.probs * log(q.rate) - q.rate)


def by_moments(p: Any, q: Any) -> Any:
    """Of any p with a mean and a variance from a normal q, whose logarithm is quadratic."""
    quadratic = (p.variance + (p.mean - q.loc) ** 2) / (2 * q.scale**2)
    return -p.entropy() + log(q.scale) + 0.5 * math.log(2 * math.pi) + quadratic


for _kind in (Beta, Exponential, Gamma, Laplace, Uniform):
    register_kl(_kind, Normal)(by_moments)


def from_exponential(p: Any, q: Any) -> Any:
    """Of any p > 0 with a mean from an exponential q, whose logarithm is linear."""
    return -p.entropy() - log(q.rate) + q.rate * p.mean


register_kl(Beta, Exponential)(from_exponential)
register_kl(Gamma, Exponential)(from_exponential)


@register_kl(Exponential, Gamma)
def _exponential_gamma(p: Any, q: Any) -> Any:
    ratio = q.rate / p.rate
    a = q.concentration
    return -a * log(ratio) + ratio + lgamma(a) + a * EULER - (1 + EULER)


@register_kl(Beta, Gamma)
def _beta_gamma(p: Any, q: Any) -> Any:
    a = q.concentration
    mean = digamma(p.concentration1) - digamma(p.concentration1 + p.concentration0)
    return -p.entropy() + lgamma(a) - a * log(q.rate) - (a - 1) * mean + q.rate * p.mean


@register_kl(Beta, Uniform)
def _beta_uniform(p: Any, q: Any) -> Any:
    return where((q.low > 0) | (q.high < 1), math.inf, -p.entropy() + log(q.high - q.low))


@register_kl(Normal, Laplace)
def _normal_laplace(p: Any, q: Any) -> Any:
    distance = p.loc - q.loc
    steps = distance / p.scale
    mean_distance = math.sqrt(2 / math.pi) * p.scale * exp(-0.5 * steps**2) + distance * erf(math.sqrt(0.5) * steps)
    return -log(p.scale / q.scale) + mean_distance / q.scale - 0.5 * (1 + math.log(0.5 * math.pi))


@register_kl(Uniform, Exponential)
def _uniform_exponential(p: Any, q: Any) -> Any:
    result = q.rate * (p.high + p.low) / 2 - log((p.high - p.low) * q.rate)
    return where(p.low < 0, math.inf, result)


def mean_log(low: Any, high: Any) -> Any:
    """The mean of log(x) over low < x < high."""
    return (xlogy(high, high) - xlogy(low, low)) / (high - low) - 1


@register_kl(Uniform, Gamma)
def _uniform_gamma(p: Any, q: Any) -> Any:
    inside, a = p.low >= 0, q.concentration
    low, high = where(inside, p.low, 0.0), where(inside, p.high, 1.0)
    part = (1 - a) * mean_log(low, high) + q.rate * (high + low) / 2
    return where(inside, part - log(high - low) + lgamma(a) - a * log(q.rate), math.inf)


@register_kl(Uniform, Beta)
def _uniform_beta(p: Any, q: Any) -> Any:
    inside = (p.low >= 0) & (p.high <= 1)
    low, high = where(inside, p.low, 0.0), where(inside, p.high, 1.0)
    a, b = q.concentration1, q.concentration0
    result = (1 - a) * mean_log(low, high) + (1 - b) * mean_log(1 - high, 1 - low)
    result = result + lgamma(a) + lgamma(b) - lgamma(a + b) - log(high - low)
    return where(inside, result, math.inf)


def never(p: Any, q: Any) -> Any:
    """Infinite: p draws what q never does."""
    return _infinite(p.mean + q.mean)


for _pair in (
    *((Exponential, kind) for kind in (Beta, Uniform)),
    *((Gamma, kind) for kind in (Beta, Uniform)),
    *((Laplace, kind) for kind in (Beta, Exponential, Gamma, Uniform)),
    *((Normal, kind) for kind in (Beta, Exponential, Gamma, Uniform)),
    (Poisson, Bernoulli),
):
    register_kl(*_pair)(never)
