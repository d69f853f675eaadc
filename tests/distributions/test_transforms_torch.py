"""Transforms, what is made by them, and mixtures, beside PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_edu as tg
import tinygrad_edu.distributions  # loaded on demand, as most programs have no use for it

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

LIBRARIES = (tg, torch)
EXACT = {"rtol": 1e-10, "atol": 1e-10}  # float64; the inverses of tanh and sigmoid lose some digits
SINGLE = {"rtol": 2e-6, "atol": 2e-6}  # float32 draws


def close(ours: Any, theirs: Any, **tolerance: float) -> None:
    assert tuple(ours.shape) == tuple(theirs.shape)
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), **tolerance)


VECTOR = [[-1.0, 0.3, 2.0], [0.5, -0.2, 0.1]]
POSITIVE = [[0.5, 1.3, 2.0], [0.1, 3.0, 1.0]]
# name: how it is made from a library and its module of transforms, values of its domain
TRANSFORMS: dict[str, tuple[Any, Any]] = {
    "exp": (lambda m, t: t.ExpTransform(), VECTOR),
    "inverse": (lambda m, t: t.ExpTransform().inv, POSITIVE),
    "power": (lambda m, t: t.PowerTransform(m.tensor([0.5, 2.0, -1.0]).double()), POSITIVE),
    "sigmoid": (lambda m, t: t.SigmoidTransform(), VECTOR),
    "softplus": (lambda m, t: t.SoftplusTransform(), VECTOR),
    "tanh": (lambda m, t: t.TanhTransform(), VECTOR),
    "tanh, cached": (lambda m, t: t.TanhTransform(cache_size=1), VECTOR),
    "affine": (lambda m, t: t.AffineTransform(1.0, -2.0), VECTOR),
    "affine of tensors": (lambda m, t: t.AffineTransform(m.tensor([1.0, 2, 3]).double(), m.tensor(0.5)), VECTOR),
    "affine of vectors": (lambda m, t: t.AffineTransform(0.0, m.tensor([1.0, 2, -3]).double(), event_dim=1), VECTOR),
    "composed": (lambda m, t: t.ComposeTransform([t.AffineTransform(0.5, 2), t.ExpTransform()]), VECTOR),
    "composed, of both kinds": (
        lambda m, t: t.ComposeTransform([t.AffineTransform(0.5, 2), t.StickBreakingTransform()]),
        VECTOR,
    ),
    "independent": (lambda m, t: t.IndependentTransform(t.ExpTransform(), 1), VECTOR),
    "reshape": (lambda m, t: t.ReshapeTransform((3,), (3, 1)), VECTOR),
    "stick breaking": (lambda m, t: t.StickBreakingTransform(), VECTOR),
    "correlation": (lambda m, t: t.CorrCholeskyTransform(), VECTOR),
    "distribution function": (
        lambda m, t: t.CumulativeDistributionTransform(m.distributions.Normal(0.0, 1.0)),
        VECTOR,
    ),
}


def made(lib: Any, name: str) -> Any:
    return TRANSFORMS[name][0](lib, lib.distributions.transforms)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_transforms_agree(name):
    """Values, inverses, Jacobians, shapes, text, dimensions of events, and the gradient."""
    found = []
    for lib in LIBRARIES:
        transform = made(lib, name)
        x = lib.tensor(TRANSFORMS[name][1], dtype=lib.float64, requires_grad=True)
        y = transform(x)
        stretch = transform.log_abs_det_jacobian(x, y)
        (slope,) = lib.autograd.grad((y * y).sum() + stretch.sum(), x, allow_unused=True)
        texts = [repr(transform), transform.bijective, transform.domain.event_dim, transform.codomain.event_dim]
        texts += [tuple(transform.forward_shape(x.shape)), tuple(transform.inverse_shape(y.shape))]
        found.append(([y, transform.inv(y), stretch, slope], texts))
        assert (transform.inv.inv == transform) is True
    for mine, theirs in zip(*(f[0] for f in found), strict=True):
        close(mine, theirs, **EXACT)
    assert found[0][1] == found[1][1]


@pytest.mark.parametrize("name", ["SoftmaxTransform", "AbsTransform", "LowerCholeskyTransform"])
def test_transforms_without_a_jacobian_agree(name):
    """Of which only values and inverses are known."""
    found = []
    for lib in LIBRARIES:
        transform = getattr(lib.distributions.transforms, name)()
        y = transform(lib.tensor([[-1.0, 0.3], [0.5, -0.2]], dtype=lib.float64))
        found.append((y, transform.inv(y)))
    for mine, theirs in zip(*found, strict=True):
        close(mine, theirs, **EXACT)


def test_a_cached_inverse_is_the_tensor_itself():
    """So that tanh near 1 is undone without a loss."""
    transform = tg.distributions.transforms.TanhTransform(cache_size=1)
    x = tg.tensor([20.0, -30.0])
    assert transform.inv(transform(x)) is x


def test_equal_transforms_are_equal():
    """By their class and their numbers, composed and inverted ones too."""
    for lib in LIBRARIES:
        t = lib.distributions.transforms
        assert t.ExpTransform() == t.ExpTransform()
        assert t.ExpTransform() != t.TanhTransform()
        assert t.AffineTransform(0, 1) == t.AffineTransform(0, 1)
        assert t.AffineTransform(0, 1) != t.AffineTransform(0, 2)
        assert t.ExpTransform().inv == t.ExpTransform().inv
        assert t.ComposeTransform([t.ExpTransform()]) == t.ComposeTransform([t.ExpTransform()])


DISTRIBUTIONS: dict[str, tuple[Any, Any]] = {  # how it is made, and values that it can draw
    "log normal": (
        lambda m, d: d.TransformedDistribution(d.Normal(m.zeros(2), m.ones(2)), d.ExpTransform()),
        [0.3, 2.0],
    ),
    "several": (
        lambda m, d: d.TransformedDistribution(
            d.Normal(m.zeros(2), m.ones(2)), [d.AffineTransform(1.0, -2.0), d.SigmoidTransform()]
        ),
        [0.3, 0.9],
    ),
    "stretched": (
        lambda m, d: d.TransformedDistribution(d.Uniform(0.0, 1.0), d.AffineTransform(m.tensor([1.0, 2.0]), 3.0)),
        [1.5, 3.0],
    ),
    "on the simplex": (
        lambda m, d: d.TransformedDistribution(d.Normal(m.zeros(2), m.ones(2)), d.StickBreakingTransform()),
        [0.2, 0.3, 0.5],
    ),
    "of vectors": (
        lambda m, d: d.TransformedDistribution(
            d.MultivariateNormal(m.zeros(2), m.eye(2)), d.TanhTransform(cache_size=1)
        ),
        [0.2, -0.3],
    ),
    "mixture": (
        lambda m, d: d.MixtureSameFamily(
            d.Categorical(m.tensor([0.2, 0.8])), d.Normal(m.tensor([-1.0, 1.0]), m.ones(2))
        ),
        [0.3, 2.0],
    ),
    "mixture of vectors": (
        lambda m, d: d.MixtureSameFamily(
            d.Categorical(logits=m.zeros(3, 2)), d.Independent(d.Normal(m.arange(12.0).view(3, 2, 2), 1.0), 1)
        ),
        [[0.3, 2.0], [1.0, 1.0], [5.0, 9.0]],
    ),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_distributions_agree(name):
    """Draws from the seed, densities, shapes, text; moments and distribution functions where PyTorch has them."""
    found, words = [], []
    for lib in LIBRARIES:
        make, values = DISTRIBUTIONS[name]
        d = make(lib, lib.distributions)
        lib.manual_seed(3)
        x = lib.tensor(values)
        results = [d.sample(), d.sample((4,)), d.log_prob(x), d.expand((2, *d.batch_shape)).log_prob(x)]
        if d.has_rsample:
            results.append(d.rsample((2,)))
        for property_ in ("mean", "variance"):
            try:
                results.append(getattr(d, property_))
            except NotImplementedError:
                words.append(property_)
        for method, argument in (("cdf", x), ("icdf", x * 0 + 0.3)):
            try:
                results.append(getattr(d, method)(argument))
            except NotImplementedError:
                words.append(method)
        found.append(results)
        words += [repr(d).replace("torch.", ""), tuple(d.batch_shape), tuple(d.event_shape), d.has_rsample]
    for mine, theirs in zip(*found, strict=True):
        close(mine, theirs, **SINGLE)
    half = len(words) // 2
    assert words[:half] == words[half:]


CONSTRAINTS: dict[str, Any] = {
    "real": lambda c, m: c.real,
    "positive": lambda c, m: c.positive,
    "nonnegative": lambda c, m: c.nonnegative,
    "above": lambda c, m: c.greater_than(m.tensor(2.0)),
    "below": lambda c, m: c.less_than(2.0),
    "between": lambda c, m: c.interval(-1.0, 3.0),
    "unit interval": lambda c, m: c.unit_interval,
    "simplex": lambda c, m: c.simplex,
    "lower triangular": lambda c, m: c.lower_cholesky,
    "vectors": lambda c, m: c.independent(c.positive, 1),
}


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_ways_into_constraints_agree(name):
    """transform_to and, one to one, biject_to."""
    for registry in ("transform_to", "biject_to") if name != "lower triangular" else ("transform_to",):
        found = []
        for lib in LIBRARIES:
            d = lib.distributions
            constraint = CONSTRAINTS[name](d.constraints, lib)
            y = getattr(d, registry)(constraint)(lib.tensor([[-1.0, 0.5], [0.25, 2.0]]))
            assert bool(constraint.check(y).all())
            found.append(y)
        close(*found, **SINGLE)


def test_divergences_agree():
    """Of the kinds that have a formula, and of transformed distributions with the same transforms."""
    pairs: dict[str, Any] = {
        "binomial": lambda m, d, k: d.Binomial(4, m.tensor([0.2, 0.7]) + 0.1 * k),
        "cauchy": lambda m, d, k: d.Cauchy(m.tensor([0.2, 0.7]), 1.0 + k),
        "geometric": lambda m, d, k: d.Geometric(m.tensor([0.2, 0.7]) + 0.1 * k),
        "gumbel": lambda m, d, k: d.Gumbel(m.tensor([0.2, 0.7]), 1.0 + k),
        "half normal": lambda m, d, k: d.HalfNormal(m.tensor([0.2, 0.7]) + k),
        "one-hot": lambda m, d, k: d.OneHotCategorical(m.tensor([0.2, 0.7 + k])),
        "pareto": lambda m, d, k: d.Pareto(m.tensor([0.2, 0.7]), 1.0 + k),
        "transformed": lambda m, d, k: d.TransformedDistribution(d.Normal(m.tensor([0.2, k]), 1.0), d.ExpTransform()),
    }
    for make in pairs.values():
        found = [
            lib.distributions.kl_divergence(*(make(lib, lib.distributions, k) for k in (0, 1))) for lib in LIBRARIES
        ]
        close(*found, rtol=1e-5, atol=1e-6)  # float32
    d = tg.distributions
    with pytest.raises(NotImplementedError, match="transforms, or events, differ"):
        d.kl_divergence(
            *(d.TransformedDistribution(d.Normal(0.0, 1.0), t()) for t in (d.ExpTransform, d.TanhTransform))
        )


WRONG: dict[str, Any] = {
    "no transform": lambda m, d: d.TransformedDistribution(d.Normal(0.0, 1.0), [1]),
    "too few axes": lambda m, d: d.TransformedDistribution(d.Normal(0.0, 1.0), d.StickBreakingTransform()),
    "sizes": lambda m, d: d.ReshapeTransform((2,), (3,)),
    "cache": lambda m, d: d.ExpTransform(cache_size=2),
    "constraint": lambda m, d: d.transform_to(d.constraints.boolean),
    "components": lambda m, d: d.MixtureSameFamily(d.Categorical(m.ones(3)), d.Normal(m.zeros(2), 1.0)),
    "mixture": lambda m, d: d.MixtureSameFamily(d.Normal(0.0, 1.0), d.Normal(m.zeros(2), 1.0)),
    "certain failure": lambda m, d: d.Geometric(m.tensor([0.0])),
    "counts": lambda m, d: d.Multinomial(3, m.ones(2)).log_prob(m.tensor([3.0, 1.0])),
    "count": lambda m, d: d.Multinomial(m.tensor(3), m.ones(2)),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_pytorch_refuses_is_refused(name):
    """By its exception's class."""
    raised = []
    for lib in LIBRARIES:
        with pytest.raises((ValueError, NotImplementedError)) as caught:
            WRONG[name](lib, lib.distributions)
        raised.append(caught.type)
    assert issubclass(raised[0], raised[1])


def test_a_flow_trains_with_pytorchs_curve():
    """Maximum likelihood of an affine flow over a normal base, with a mixture as the data: the same losses."""
    curves = []
    for lib in LIBRARIES:
        lib.manual_seed(0)
        d = lib.distributions
        data = (
            d.MixtureSameFamily(d.Categorical(lib.ones(2)), d.Normal(lib.tensor([1.0, 3.0]), 0.5)).sample((64,)).exp()
        )
        loc, log_scale = lib.zeros(1, requires_grad=True), lib.zeros(1, requires_grad=True)
        optimizer, losses = lib.optim.Adam([loc, log_scale], lr=0.1), []
        for _ in range(20):
            flow = d.TransformedDistribution(
                d.Normal(lib.zeros(1), lib.ones(1)), [d.AffineTransform(loc, log_scale.exp()), d.ExpTransform()]
            )
            loss = -flow.log_prob(data.unsqueeze(1)).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        curves.append(losses)
    np.testing.assert_allclose(*curves, rtol=1e-4)  # float32, 20 steps
