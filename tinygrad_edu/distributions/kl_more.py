"""kl_divergence of normal vectors of low rank, and of continuous Bernoulli, Pareto and Gumbel distributions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..ops.choices import where
from ..ops.diagonals import diag_embed
from ..ops.exponential import exp, log, log1p, sqrt
from ..ops.matrices import solve_triangular
from ..ops.special import lgamma
from .beta import Beta
from .binomial import Binomial
from .continuous_bernoulli import ContinuousBernoulli
from .exponential import Exponential
from .gamma import Gamma
from .gumbel import Gumbel, Pareto
from .kl import by_moments, from_exponential, mean_log, never, register_kl
from .laplace import Laplace
from .lowrank_multivariate_normal import LowRankMultivariateNormal
from .multivariate_normal import MultivariateNormal, mahalanobis
from .normal import Normal
from .poisson import Poisson
from .uniform import Uniform


def _same_size(p: Any, q: Any) -> None:
    if p.event_shape != q.event_shape:
        raise ValueError(
            "KL-divergence between two (Low Rank) Multivariate Normals with different event shapes cannot be computed"
        )


def _squares(X: Any) -> Any:
    """The sum of the squares of matrices' elements: the trace of X X.mT."""
    return (X**2).sum((-2, -1))


@register_kl(LowRankMultivariateNormal, LowRankMultivariateNormal)
def _low_rank_low_rank(p: Any, q: Any) -> Any:
    _same_size(p, q)
    A = q._whitened_factor()
    W, D, scale = p._unbroadcasted_cov_factor, p._unbroadcasted_cov_diag, q._unbroadcasted_cov_diag
    trace = (D / scale).sum(-1) + _squares(W / sqrt(scale).unsqueeze(-1))
    trace = trace - _squares(A * sqrt(D).unsqueeze(-2)) - _squares(A @ W)
    return 0.5 * (q._log_det() - p._log_det() + trace + q._mahalanobis(q.loc - p.loc) - p.event_shape[0])


@register_kl(MultivariateNormal, LowRankMultivariateNormal)
def _normal_low_rank(p: Any, q: Any) -> Any:
    _same_size(p, q)
    L = p._unbroadcasted_scale_tril
    trace = _squares(L / sqrt(q._unbroadcasted_cov_diag).unsqueeze(-1)) - _squares(q._whitened_factor() @ L)
    log_dets = q._log_det() - 2 * p._half_log_det()
    return 0.5 * (log_dets + trace + q._mahalanobis(q.loc - p.loc) - p.event_shape[0])


@register_kl(LowRankMultivariateNormal, MultivariateNormal)
def _low_rank_normal(p: Any, q: Any) -> Any:
    _same_size(p, q)
    L, W, D = q._unbroadcasted_scale_tril, p._unbroadcasted_cov_factor, p._unbroadcasted_cov_diag
    batch, n = np.broadcast_shapes(L.shape[:-2], W.shape[:-2]), p.event_shape[0]
    L = L.expand(*batch, n, n)
    parts = (W.expand(*batch, n, W.shape[-1]), diag_embed(sqrt(D)).expand(*batch, n, n))
    trace = sum(_squares(solve_triangular(L, X, upper=False)) for X in parts)
    distance = mahalanobis(q._unbroadcasted_scale_tril, q.loc - p.loc)
    return 0.5 * (2 * q._half_log_det() - p._log_det() + trace + distance - n)


@register_kl(ContinuousBernoulli, ContinuousBernoulli)
def _continuous_continuous(p: Any, q: Any) -> Any:
    def at_zero(r: Any) -> Any:
        return r._cont_bern_log_norm() + log1p(-r.probs)

    return p.mean * (p.logits - q.logits) + at_zero(p) - at_zero(q)


@register_kl(ContinuousBernoulli, Exponential)
def _continuous_exponential(p: Any, q: Any) -> Any:
    return -p.entropy() - log(q.rate) + q.rate * p.mean


@register_kl(ContinuousBernoulli, Normal)
def _continuous_normal(p: Any, q: Any) -> Any:
    norm = 0.5 * (math.log(2.0 * math.pi) + (q.loc / q.scale) ** 2) + log(q.scale)
    return -p.entropy() + norm + (p.variance + p.mean**2 - 2.0 * q.loc * p.mean) / (2.0 * q.scale**2)


@register_kl(ContinuousBernoulli, Uniform)
def _continuous_uniform(p: Any, q: Any) -> Any:
    outside = (q.low >= 0) | (q.high <= 1)  # as PyTorch, which takes [0, 1] itself for too narrow
    return where(outside, math.inf, -p.entropy() + log(q.high - q.low))


@register_kl(Beta, ContinuousBernoulli)
def _beta_continuous(p: Any, q: Any) -> Any:
    return -p.entropy() - p.mean * q.logits - log1p(-q.probs) - q._cont_bern_log_norm()


@register_kl(Uniform, ContinuousBernoulli)
def _uniform_continuous(p: Any, q: Any) -> Any:
    gained = -p.entropy() - p.mean * q.logits - log1p(-q.probs) - q._cont_bern_log_norm()
    return where((p.high >= 1) | (p.low <= 0), math.inf, gained)  # as PyTorch, at 0 and 1 too


@register_kl(Pareto, Gamma)
def _pareto_gamma(p: Any, q: Any) -> Any:
    a, mean_log = q.concentration, log(p.scale) + 1 / p.alpha
    return -p.entropy() + lgamma(a) - a * log(q.rate) - (a - 1) * mean_log + q.rate * p.mean


@register_kl(Uniform, Pareto)
def _uniform_pareto(p: Any, q: Any) -> Any:
    inside = p.low >= q.scale
    low, high = where(inside, p.low, 1.0), where(inside, p.high, 2.0)
    gained = (q.alpha + 1) * mean_log(low, high) - log(q.alpha) - q.alpha * log(q.scale) - log(high - low)
    return where(inside, gained, math.inf)


def _from_gumbel(mean_exp: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """From a Gumbel q: -log q is linear in x and in exp(-x / scale), whose mean under p is `mean_exp(p, scale)`."""

    def divergence(p: Any, q: Any) -> Any:
        part = (p.mean - q.loc) / q.scale + exp(q.loc / q.scale) * mean_exp(p, q.scale)
        return -p.entropy() + log(q.scale) + part

    return divergence


register_kl(Exponential, Gumbel)(_from_gumbel(lambda p, s: p.rate / (p.rate + 1 / s)))
register_kl(Gamma, Gumbel)(_from_gumbel(lambda p, s: (1 + 1 / (s * p.rate)) ** -p.concentration))
register_kl(Normal, Gumbel)(_from_gumbel(lambda p, s: exp(0.5 * (p.scale / s) ** 2 - p.loc / s)))
register_kl(Uniform, Gumbel)(_from_gumbel(lambda p, s: s * (exp(-p.low / s) - exp(-p.high / s)) / (p.high - p.low)))
register_kl(Gumbel, Normal)(by_moments)
register_kl(Pareto, Normal)(by_moments)
register_kl(Pareto, Exponential)(from_exponential)
for _pair in (
    *((kind, Pareto) for kind in (Beta, ContinuousBernoulli, Exponential, Gamma, Gumbel, Laplace, Normal)),
    *((kind, ContinuousBernoulli) for kind in (Exponential, Gamma, Gumbel, Laplace, Normal, Pareto)),
    *((Gumbel, kind) for kind in (Beta, Exponential, Gamma, Uniform)),
    *((Pareto, kind) for kind in (Beta, Uniform)),
    (Poisson, Binomial),
):
    register_kl(*_pair)(never)
