"""Distributions against PyTorch: draws from the seed, densities, moments, divergences, gradients, errors."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as tg
import tinygrad_edu.distributions  # loaded on demand, as most programs have no use for it

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

LIBRARIES = (tg, torch)
SINGLE = {"rtol": 2e-6, "atol": 2e-6}  # float32: some tens of roundings, of logarithms among them
ROOTED = {"rtol": 1e-3, "atol": 1e-5}  # the square root of what is left of 1, of which little may be
EXACT = {"rtol": 1e-11, "atol": 1e-11}  # float64
LOG_FACTORIAL = {"rtol": 1e-6, "atol": 1e-6}  # PyTorch computes the multinomial's log n! in float32
TRIGAMMA = {"rtol": 1e-8, "atol": 1e-8}  # PyTorch's has an error of 2e-9, measured against 30 digits

MATRIX = [[2.0, 0.5, 0.1], [0.5, 1.0, -0.2], [0.1, -0.2, 0.7]]
STACK = [MATRIX, [[1.0, 0.0, 0.0], [0.0, 2.0, 0.3], [0.0, 0.3, 3.0]]]
ROOT = [[1.0, 0.0, 0.0], [0.5, 2.0, 0.0], [-0.3, 0.2, 0.7]]

# name: parameters, values inside of the support
CASES: dict[str, tuple[str, dict[str, Any], Any]] = {
    "normal": ("Normal", {"loc": [0.0, 1.0, -2.0], "scale": [1.0, 0.5, 3.0]}, [0.3, -1.0, 2.0]),
    "normal of numbers": ("Normal", {"loc": 0.5, "scale": 2}, [0.3, -1.0, 2.0]),
    "normal that broadcasts": ("Normal", {"loc": [[0.0], [1.0]], "scale": [1.0, 0.5, 3.0]}, [0.3, -1.0, 2.0]),
    "log normal": ("LogNormal", {"loc": [0.0, 1.0], "scale": [1.0, 0.5]}, [0.3, 2.0]),
    "uniform": ("Uniform", {"low": [0.0, -1.0], "high": [1.0, 3.0]}, [0.3, 2.0]),
    "bernoulli": ("Bernoulli", {"probs": [0.1, 0.5, 0.9]}, [0.0, 1.0, 1.0]),
    "bernoulli of logits": ("Bernoulli", {"logits": [[-3.0, 0.0, 2.0]]}, [0.0, 1.0, 1.0]),
    "categorical": ("Categorical", {"probs": [[0.1, 0.2, 0.7], [3.0, 1.0, 0.5]]}, [2, 0]),
    "categorical of logits": ("Categorical", {"logits": [0.1, -2.0, 1.0]}, [2, 0, 1]),
    "exponential": ("Exponential", {"rate": [0.5, 2.0]}, [0.3, 2.0]),
    "laplace": ("Laplace", {"loc": [0.0, 1.0], "scale": [1.0, 0.5]}, [0.3, -2.0]),
    "poisson": ("Poisson", {"rate": [0.5, 3.0, 20.0]}, [0.0, 2.0, 25.0]),
    "gamma": ("Gamma", {"concentration": [0.3, 1.0, 7.0], "rate": [1.0, 0.5, 2.0]}, [0.3, 2.0, 4.0]),
    "beta": ("Beta", {"concentration1": [0.4, 2.0, 1.0], "concentration0": [0.7, 5.0, 1.5]}, [0.3, 0.1, 0.8]),
    "dirichlet": ("Dirichlet", {"concentration": [[0.5, 2.0, 1.0], [3.0, 0.3, 4.0]]}, [0.2, 0.3, 0.5]),
    "by covariance": ("MultivariateNormal", {"loc": [0.0, 1.0, 2.0], "covariance_matrix": MATRIX}, [0.2, 0.3, 0.5]),
    "by precision": ("MultivariateNormal", {"loc": [0.0, 1.0, 2.0], "precision_matrix": STACK}, [0.2, 0.3, 0.5]),
    "by root": (
        "MultivariateNormal",
        {"loc": [[0.0, 1.0, 2.0], [1.0, 1.0, 1.0]], "scale_tril": ROOT},
        [[0.2, 0.3, 0.5], [1.0, 2.0, 0.0]],
    ),
    "cauchy": ("Cauchy", {"loc": [0.0, 1.0], "scale": [1.0, 0.5]}, [0.3, -2.0]),
    "half cauchy": ("HalfCauchy", {"scale": [1.0, 0.5]}, [0.3, 2.0]),
    "half normal": ("HalfNormal", {"scale": [1.0, 0.5]}, [0.3, 2.0]),
    "student t": ("StudentT", {"df": [0.5, 1.5, 5.0], "loc": [0.0, 1.0, 2.0], "scale": [1.0, 0.5, 2.0]}, [0.3, -2, 4]),
    "chi squared": ("Chi2", {"df": [0.5, 3.0, 9.0]}, [0.3, 2.0, 4.0]),
    "gumbel": ("Gumbel", {"loc": [0.0, 1.0], "scale": [1.0, 0.5]}, [0.3, -0.5]),
    "weibull": ("Weibull", {"scale": [1.0, 0.5], "concentration": [2.0, 1.5]}, [0.3, 2.0]),
    "pareto": ("Pareto", {"scale": [1.0, 0.5], "alpha": [0.5, 3.0]}, [1.3, 2.0]),
    "inverse gamma": ("InverseGamma", {"concentration": [0.5, 3.0], "rate": [1.0, 0.5]}, [0.3, 2.0]),
    "geometric": ("Geometric", {"probs": [0.1, 0.5, 0.9]}, [0.0, 3.0, 1.0]),
    "geometric of logits": ("Geometric", {"logits": [-1.0, 0.0, 2.0]}, [0.0, 3.0, 1.0]),
    "negative binomial": ("NegativeBinomial", {"total_count": [3.0, 5.0], "probs": [0.1, 0.6]}, [0.0, 4.0]),
    "binomial": ("Binomial", {"total_count": [60.0, 60.0, 60.0], "probs": [0.1, 0.7, 0.4]}, [7.0, 45.0, 25.0]),
    "binomial of logits": ("Binomial", {"total_count": 4, "logits": [-1.0, 0.0, 2.0]}, [0.0, 4.0, 1.0]),
    "multinomial": ("Multinomial", {"total_count": 4, "probs": [[0.1, 0.2, 0.7], [3.0, 1.0, 0.5]]}, [1.0, 0.0, 3.0]),
    "one-hot": ("OneHotCategorical", {"probs": [[0.1, 0.2, 0.7], [3.0, 1.0, 0.5]]}, [0.0, 1.0, 0.0]),
    "one-hot of logits": ("OneHotCategoricalStraightThrough", {"logits": [0.1, -2.0, 1.0]}, [0.0, 1.0, 0.0]),
    "relaxed bernoulli": ("RelaxedBernoulli", {"temperature": [0.7], "probs": [0.1, 0.5, 0.9]}, [0.2, 0.5, 0.9]),
    "relaxed one-hot": (
        "RelaxedOneHotCategorical",
        {"temperature": [0.7], "logits": [[0.1, -2.0, 1.0], [0.0, 1.0, 0.5]]},
        [0.2, 0.3, 0.5],
    ),
    "von mises": ("VonMises", {"loc": [0.0, 1.0, 2.0], "concentration": [0.3, 2.0, 9.0]}, [0.3, -2.0, 7.0]),
    "kumaraswamy": ("Kumaraswamy", {"concentration1": [0.4, 2.0], "concentration0": [0.7, 5.0]}, [0.3, 0.1]),
    "fisher": ("FisherSnedecor", {"df1": [0.5, 3.0, 9.0], "df2": [1.0, 5.0, 3.0]}, [0.3, 2.0, 4.0]),
    "continuous bernoulli": ("ContinuousBernoulli", {"probs": [0.1, 0.5, 0.9, 0.4995]}, [0.2, 0.5, 0.0, 1.0]),
    "continuous of logits": ("ContinuousBernoulli", {"logits": [-2.0, 0.0, 1.0]}, [0.2, 0.5, 1.0]),
    "logistic normal": ("LogisticNormal", {"loc": [0.0, 1.0], "scale": [1.0, 0.5]}, [0.2, 0.3, 0.5]),
    "low rank": (
        "LowRankMultivariateNormal",
        {"loc": [0.0, 1.0, 2.0], "cov_factor": [[1.0, 0.2], [0.5, 0.0], [-0.3, 1.0]], "cov_diag": [1.0, 0.5, 2.0]},
        [0.2, 0.3, 0.5],
    ),
    "low rank, stacked": (
        "LowRankMultivariateNormal",
        {"loc": [[0.0, 1.0], [2.0, 3.0]], "cov_factor": [[1.0], [0.5]], "cov_diag": [1.0, 0.5]},
        [0.2, 0.3],
    ),
    "wishart": ("Wishart", {"df": [4.0, 7.5], "covariance_matrix": MATRIX}, MATRIX),
    "wishart by precision": ("Wishart", {"df": 5.0, "precision_matrix": MATRIX}, MATRIX),
    "wisharts by root": ("Wishart", {"df": [6.0, 5.0], "scale_tril": [ROOT, ROOT]}, MATRIX),
    "wishart by root": ("Wishart", {"df": 6.0, "scale_tril": ROOT}, MATRIX),
    "lkj": ("LKJCholesky", {"dim": 3, "concentration": [0.5, 1.0, 4.0]}, [[1.0, 0, 0], [0.6, 0.8, 0], [0, 0.6, 0.8]]),
}
DISCRETE = {
    "Bernoulli",
    "Categorical",
    "Poisson",
    "Geometric",
    "NegativeBinomial",
    "Binomial",
    "Multinomial",
    "OneHotCategorical",
    "OneHotCategoricalStraightThrough",
}
DRAWN_BY_CLASS = {"categorical", "multinomial", "one-hot"}  # whose draws can't be none, in PyTorch either
APPROXIMATE = {
    "gamma",
    "beta",
    "dirichlet",
    "student t",
    "chi squared",
    "inverse gamma",
    "fisher",
}  # PyTorch's gradients of draws
CONTINUOUS = [
    c for c in CASES if CASES[c][0] not in {*DISCRETE, "VonMises", "LKJCholesky", "Wishart"}
]  # without, or PyTorch fails
WITHOUT_MEAN = ("relaxed", "logistic", "lkj")
# of every draw, since its check is the wrong way round; ours draws again as it does, and is silent
pytestmark = pytest.mark.filterwarnings("ignore:Singular sample detected")


def made(lib: Any, case: str, dtype: Any = None, requires_grad: bool = False) -> tuple[Any, list[Any]]:
    """A library's distribution, and its parameters as tensors."""
    name, parameters, _ = CASES[case]
    kind = lib.float64 if dtype == "float64" else lib.float32
    tensors = {
        k: lib.tensor(v, dtype=kind, requires_grad=requires_grad) if isinstance(v, list) else v
        for k, v in parameters.items()
    }
    return getattr(lib.distributions, name)(**tensors), [t for t in tensors.values() if hasattr(t, "dtype")]


def close(ours: Any, theirs: Any, **tolerance: float) -> None:
    assert tuple(ours.shape) == tuple(theirs.shape)
    assert str(ours.dtype) == str(theirs.dtype).removeprefix("torch.")
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), **tolerance)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES)
def test_draws_are_pytorchs(case, dtype):
    """From one seed, one draw, several, and none, in turn: so the position in the stream agrees too."""
    ours, theirs = (made(lib, case, dtype)[0] for lib in LIBRARIES)
    for lib in LIBRARIES:
        lib.manual_seed(7)
    for shape in [(), (5,), (2, 3), (1,), *([] if case.split()[0] in DRAWN_BY_CLASS else [(0,)])]:
        close(ours.sample(shape), theirs.sample(shape), **(ROOTED if case == "lkj" else SINGLE))
        if theirs.has_rsample:
            close(ours.rsample(shape), theirs.rsample(shape), **SINGLE)


PROPERTIES = ["mean", "mode", "variance", "stddev", "batch_shape", "event_shape", "has_rsample", "support"]


@pytest.mark.parametrize("case", CASES)
def test_properties_agree(case):
    """Moments, shapes, text, support; what PyTorch does not implement is not implemented."""
    ours, theirs = (made(lib, case, "float64")[0] for lib in LIBRARIES)
    assert repr(ours).replace("Size", "torch.Size") == repr(theirs)
    for name in PROPERTIES:
        try:
            expected = getattr(theirs, name)
        except NotImplementedError:
            with pytest.raises(NotImplementedError):
                getattr(ours, name)
            continue
        if (case, name) == ("kumaraswamy", "mode"):
            continue  # PyTorch's is NaN of any concentrations
        found = getattr(ours, name)
        if name == "support":
            assert type(found).__name__ == type(expected).__name__
        elif hasattr(expected, "dtype"):
            close(found, expected, **EXACT)
        else:
            assert found == expected
    assert ours.has_enumerate_support == theirs.has_enumerate_support
    if theirs.has_enumerate_support:
        for expand in (True, False):
            close(ours.enumerate_support(expand), theirs.enumerate_support(expand), **EXACT)


@pytest.mark.parametrize("case", CASES)
def test_densities_agree(case):
    """log_prob, cdf, icdf and entropy, with gradients by value and parameters."""
    values = CASES[case][2]
    for name, argument in [("log_prob", values), ("cdf", values), ("icdf", "part"), ("entropy", None)]:
        found = []
        for lib in LIBRARIES:
            distribution, leaves = made(lib, case, "float64", requires_grad=True)
            arguments = []
            if argument is not None:
                numbers = np.array(values)
                if argument == "part":
                    numbers = np.linspace(0.1, 0.8, numbers.size).reshape(numbers.shape)
                x = lib.tensor(numbers)
                if numbers.dtype.kind == "f" and case in CONTINUOUS and case != "dirichlet":
                    x.requires_grad_()
                    leaves.append(x)
                arguments.append(x)
            try:
                result = getattr(distribution, name)(*arguments)
            except NotImplementedError:
                found.append(None)
                continue
            differentiable = result.requires_grad and not (
                name == "cdf" and case in ("gamma", "chi squared", "inverse gamma")
            )  # in PyTorch it is not
            slopes = lib.autograd.grad(result.sum(), leaves, allow_unused=True) if differentiable else []
            found.append([result, *slopes])
        if found[1] is None or (name, case) == (
            "entropy",
            "poisson",
        ):  # PyTorch's fails, by another error in other ways
            assert found[0] is None
            continue
        for i, (mine, expected) in enumerate(zip(*found, strict=True)):
            if mine is None or expected is None:  # no gradient, or zeros in its place
                assert all(g is None or not g.detach().numpy().any() for g in (mine, expected)), f"{name} {i}"
            else:
                close(
                    mine,
                    expected,
                    **(
                        LOG_FACTORIAL
                        if case == "multinomial" and name == "entropy"
                        else TRIGAMMA
                        if name == "entropy" and i
                        else EXACT
                    ),
                )


@pytest.mark.parametrize("case", CONTINUOUS)
def test_draws_have_pytorchs_gradients(case):
    """By every parameter. PyTorch's own of gamma and Dirichlet are approximations, good to 1e-3."""
    found = []
    for lib in LIBRARIES:
        lib.manual_seed(7)
        distribution, leaves = made(lib, case, "float64", requires_grad=True)
        x = distribution.rsample((4,))
        if leaves:
            found.append(lib.autograd.grad((x * x).sum(), leaves))
    tolerance = {"rtol": 5e-3, "atol": 5e-3} if case in APPROXIMATE else {"rtol": 1e-9, "atol": 1e-9}
    for mine, expected in zip(*found, strict=True) if found else []:
        close(mine, expected, **tolerance)


@pytest.mark.parametrize("case", CASES)
def test_expanded_distributions_agree(case):
    """expand repeats the distributions: same shapes, same draws, same densities."""
    shape = (4, *made(torch, case)[0].batch_shape)
    ours, theirs = (made(lib, case, "float64")[0].expand(shape) for lib in LIBRARIES)
    assert ours.batch_shape == theirs.batch_shape
    assert ours.event_shape == theirs.event_shape
    values = np.array(CASES[case][2])
    if case not in ("categorical of logits", "normal of numbers"):  # whose three values are three draws
        close(ours.log_prob(tg.tensor(values)), theirs.log_prob(torch.tensor(values)), **EXACT)
    if not case.startswith(WITHOUT_MEAN):  # whose mean has no formula
        close(ours.mean, theirs.mean, **EXACT)
    for lib in LIBRARIES:
        lib.manual_seed(7)
    close(ours.sample((2,)), theirs.sample((2,)), **SINGLE)


@pytest.mark.parametrize(
    ("case", "of"),
    [
        ("von mises", "variance"),
        ("low rank", "variance"),
        ("low rank", "covariance_matrix"),
        ("low rank", "scale_tril"),
        ("by root", "covariance_matrix"),
        ("bernoulli", "logits"),
        ("categorical of logits", "probs"),
    ],
)
def test_what_was_computed_is_expanded(case, of):
    """What is computed when it is read, and kept, has the new batch axes after expand, as if it had not been read."""
    narrow, fresh = made(tg, case, "float64")[0], made(tg, case, "float64")[0]
    getattr(narrow, of)
    shape = (4, *narrow.batch_shape)
    close(getattr(narrow.expand(shape), of), getattr(fresh.expand(shape), of), rtol=0, atol=0)


TAILS = {  # float32: what the obvious formula rounds to 0, to NaN or to infinity
    "normal far below": (lambda D, t: D.Normal(0.0, 1.0).cdf(t(-10.0)), 7.6198530241605e-24),
    "normal, narrow": (lambda D, t: D.Normal(0.0, 1e-25).log_prob(t(1e-25)), 56.145696),
    "cauchy far below": (lambda D, t: D.Cauchy(0.0, 1.0).cdf(t(-1e8)), 1e-8 / np.pi),
    "exponential near 0": (lambda D, t: D.Exponential(1.0).cdf(t(1e-9)), 1e-9),
    "gamma of a large concentration": (lambda D, t: D.Gamma(1e5, 1.0).cdf(t(1e5)), 0.5004205221),
    "generalised pareto near 0": (lambda D, t: D.GeneralizedPareto(0.0, 1.0, 0.5).cdf(t(1e-9)), 1e-9),
    "gumbel far below": (lambda D, t: D.Gumbel(0.0, 1.0).cdf(t(-4.0)), np.exp(-np.exp(4.0))),
    "relaxed logits": (lambda D, t: D.RelaxedBernoulli(t(1.0), logits=t(200.0)).base_dist.log_prob(t(0.0)), -200.0),
    "mode of kumaraswamy": (lambda D, t: D.Kumaraswamy(2.0, 5.0).mode, 1 / 3),
    "binomials, sure": (lambda D, t: D.kl_divergence(D.Binomial(3, t(1.0)), D.Binomial(3, t(0.5))), 3 * np.log(2)),
    "poisson of rate 0": (lambda D, t: D.kl_divergence(D.Poisson(0.0), D.Poisson(0.5)), 0.5),
}


@pytest.mark.parametrize("case", TAILS)
def test_tails_keep_their_digits(case):
    """Where PyTorch gives 0, NaN, an infinity or an error, the numbers have float32's digits."""
    function, expected = TAILS[case]
    np.testing.assert_allclose(function(tg.distributions, tg.tensor).item(), expected, rtol=2e-6)


def test_what_is_missing_is_said():
    """A method that a distribution has no formula for names both."""
    with pytest.raises(NotImplementedError, match=r"^StudentT does not implement icdf$"):
        tg.distributions.StudentT(1.0).icdf(tg.tensor(0.5))


def test_continuous_bernoulli_refuses_what_is_no_probability():
    """Before it is kept off 0 and 1, which would hide it."""
    with pytest.raises(ValueError, match="parameter probs"):
        tg.distributions.ContinuousBernoulli(tg.tensor([1.5]))


@pytest.mark.parametrize("case", ["normal", "bernoulli", "gamma", "by covariance", "normal that broadcasts"])
def test_independent_agrees(case):
    """Batch axes taken over by the event: shapes, sums of log_prob and of entropy, text."""
    count = min(1, len(made(torch, case)[0].batch_shape))
    ours, theirs = (lib.distributions.Independent(made(lib, case, "float64")[0], count) for lib in LIBRARIES)
    assert repr(ours).replace("Size", "torch.Size") == repr(theirs)
    assert (ours.batch_shape, ours.event_shape) == (theirs.batch_shape, theirs.event_shape)
    values = np.array(CASES[case][2])
    close(ours.log_prob(tg.tensor(values)), theirs.log_prob(torch.tensor(values)), **EXACT)
    close(ours.entropy(), theirs.entropy(), **EXACT)
    close(ours.variance, theirs.variance, **EXACT)
    shape = (2, *theirs.batch_shape)
    assert ours.expand(shape).sample((3,)).shape == theirs.expand(shape).sample((3,)).shape
    for lib in LIBRARIES:
        with pytest.raises(ValueError, match="Expected reinterpreted_batch_ndims <= len"):
            lib.distributions.Independent(made(lib, case)[0], 5)


PLAIN = {
    "Normal": lambda m: m.distributions.Normal(m.tensor([0.5, 1.0]).double(), m.tensor([1.0, 2.0]).double()),
    "Normal again": lambda m: m.distributions.Normal(m.tensor([0.0, -1.0]).double(), m.tensor([0.5, 1.0]).double()),
    "Laplace": lambda m: m.distributions.Laplace(m.tensor([0.0, -1.0]).double(), m.tensor([0.5, 1.0]).double()),
    "Laplace again": lambda m: m.distributions.Laplace(m.tensor([1.0, -2.0]).double(), m.tensor([1.5, 1.0]).double()),
    "LogNormal": lambda m: m.distributions.LogNormal(m.tensor([1.0, -2.0]).double(), m.tensor([1.5, 1.0]).double()),
    "Exponential": lambda m: m.distributions.Exponential(m.tensor([0.5, 2.0]).double()),
    "Exponential again": lambda m: m.distributions.Exponential(m.tensor([1.5, 1.0]).double()),
    "Gamma": lambda m: m.distributions.Gamma(m.tensor([0.5, 2.0]).double(), m.tensor([1.5, 1.0]).double()),
    "Gamma again": lambda m: m.distributions.Gamma(m.tensor([3.0, 1.0]).double(), m.tensor([0.5, 1.0]).double()),
    "Beta": lambda m: m.distributions.Beta(m.tensor([0.5, 2.0]).double(), m.tensor([1.5, 1.0]).double()),
    "Beta again": lambda m: m.distributions.Beta(m.tensor([3.0, 1.0]).double(), m.tensor([0.5, 1.0]).double()),
    "Uniform": lambda m: m.distributions.Uniform(m.tensor([0.1, -1.0]).double(), m.tensor([0.9, 2.0]).double()),
    "Uniform again": lambda m: m.distributions.Uniform(m.tensor([0.0, 0.0]).double(), m.tensor([1.0, 3.0]).double()),
    "Poisson": lambda m: m.distributions.Poisson(m.tensor([0.5, 2.0]).double()),
    "Poisson again": lambda m: m.distributions.Poisson(m.tensor([1.5, 7.0]).double()),
    "Bernoulli": lambda m: m.distributions.Bernoulli(m.tensor([0.3, 0.9]).double()),
    "ContinuousBernoulli": lambda m: m.distributions.ContinuousBernoulli(m.tensor([0.3, 0.5]).double()),
    "Pareto": lambda m: m.distributions.Pareto(m.tensor([0.5, 2.0]).double(), m.tensor([1.5, 1.0]).double()),
    "Pareto again": lambda m: m.distributions.Pareto(m.tensor([0.05, 1.0]).double(), m.tensor([3.5, 2.5]).double()),
    "Gumbel": lambda m: m.distributions.Gumbel(m.tensor([1.0, -2.0]).double(), m.tensor([1.5, 1.0]).double()),
    "Binomial": lambda m: m.distributions.Binomial(3, m.tensor([0.3, 0.9]).double()),
    "Bernoulli again": lambda m: m.distributions.Bernoulli(m.tensor([0.5, 0.2]).double()),
}


@pytest.mark.parametrize("first", PLAIN)
def test_divergences_agree(first):
    """KL of every pair that PyTorch has and that is here; of the others both have none."""
    compared = 0
    for second in PLAIN:
        pairs = [(PLAIN[first](lib), PLAIN[second](lib)) for lib in LIBRARIES]
        try:
            expected = torch.distributions.kl_divergence(*pairs[1])
        except NotImplementedError:
            with pytest.raises(NotImplementedError, match="KL"):
                tg.distributions.kl_divergence(*pairs[0])
            continue
        close(tg.distributions.kl_divergence(*pairs[0]), expected, **EXACT)
        compared += 1
    assert compared


def test_divergences_of_vectors_agree():
    """Of multivariate normals, batches against one; of categoricals, Dirichlets, Independents; infinite ones."""
    for first, second in [
        ("by covariance", "by covariance"),
        ("by precision", "by covariance"),
        ("by covariance", "by root"),
        ("low rank", "low rank"),
        ("by covariance", "low rank"),
        ("low rank", "by precision"),
        ("categorical", "categorical of logits"),
        ("dirichlet", "dirichlet"),
    ]:
        found = [
            lib.distributions.kl_divergence(*(made(lib, c, "float64")[0] for c in (first, second))) for lib in LIBRARIES
        ]
        close(*found, **EXACT)
    for p, q in [([0.5, 0.5, 0.0], [1.0, 0.0, 0.0]), ([1.0, 0.0, 0.0], [0.5, 0.5, 0.0])]:
        found = [
            lib.distributions.kl_divergence(*(lib.distributions.Categorical(lib.tensor(x)) for x in (p, q)))
            for lib in LIBRARIES
        ]
        close(*found, **SINGLE)
        found = [
            lib.distributions.kl_divergence(*(lib.distributions.Bernoulli(lib.tensor(x)) for x in (p, q)))
            for lib in LIBRARIES
        ]
        close(*found, **SINGLE)
    found = []
    for lib in LIBRARIES:
        pair = [lib.distributions.Independent(PLAIN[n](lib), 1) for n in ("Normal", "Normal again")]
        found.append(lib.distributions.kl_divergence(*pair))
    close(*found, **EXACT)


WRONG = {
    "scale": lambda m: m.distributions.Normal(m.zeros(2), m.tensor([1.0, -1.0])),
    "NaN": lambda m: m.distributions.Normal(m.tensor(float("nan")), 1.0),
    "type": lambda m: m.distributions.Normal("0", 1.0),
    "uniform": lambda m: m.distributions.Uniform(m.ones(2), m.zeros(2)),
    "probability": lambda m: m.distributions.Bernoulli(m.tensor([0.5, 1.5])),
    "neither": lambda m: m.distributions.Bernoulli(),
    "both": lambda m: m.distributions.Categorical(m.ones(2), m.ones(2)),
    "0-d": lambda m: m.distributions.Categorical(m.tensor(1.0)),
    "negative weights": lambda m: m.distributions.Categorical(m.tensor([0.5, -0.1])),
    "0-d mean": lambda m: m.distributions.MultivariateNormal(m.tensor(1.0), m.eye(2)),
    "1-d matrix": lambda m: m.distributions.MultivariateNormal(m.zeros(2), m.ones(2)),
    "1-d root": lambda m: m.distributions.MultivariateNormal(m.zeros(2), scale_tril=m.ones(2)),
    "two matrices": lambda m: m.distributions.MultivariateNormal(m.zeros(2), m.eye(2), m.eye(2)),
    "not definite": lambda m: m.distributions.MultivariateNormal(m.zeros(2), -m.eye(2)),
    "not symmetric": lambda m: m.distributions.MultivariateNormal(m.zeros(2), m.tensor([[1.0, 0.5], [0.0, 1.0]])),
    "not triangular": lambda m: m.distributions.MultivariateNormal(m.zeros(2), scale_tril=m.ones(2, 2)),
    "concentration": lambda m: m.distributions.Gamma(m.tensor(0.0), 1.0),
    "0-d concentration": lambda m: m.distributions.Dirichlet(m.tensor(1.0)),
    "value's type": lambda m: m.distributions.Normal(0.0, 1.0).log_prob(1.0),
    "value's event": lambda m: m.distributions.MultivariateNormal(m.zeros(2), m.eye(2)).log_prob(m.zeros(3)),
    "value's batch": lambda m: m.distributions.Normal(m.zeros(2), 1.0).log_prob(m.zeros(3)),
    "value outside": lambda m: m.distributions.Exponential(1.0).log_prob(m.tensor(-1.0)),
    "value between": lambda m: m.distributions.Poisson(1.0).log_prob(m.tensor(0.5)),
    "class": lambda m: m.distributions.Categorical(m.ones(3)).log_prob(m.tensor(3)),
    "setting": lambda m: m.distributions.Distribution.set_default_validate_args("x"),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_what_pytorch_refuses_is_refused(wrong):
    """By PyTorch's exception; where it names the parameter and the constraint, in its words."""
    with pytest.raises((ValueError, TypeError, RuntimeError)) as theirs:
        wrong(torch)
    with pytest.raises(theirs.type) as ours:
        wrong(tg)
    first = str(theirs.value).split("\n")[0].replace("torch.Size", "Size").replace("log_prob", "")
    if first.startswith("Expected "):
        assert str(ours.value).split("\n")[0].split("(lower")[0] == first.split("(lower")[0]


def test_validation_can_be_left_out():
    """validate_args=False takes what it is given, and log_prob says what the formula says."""
    for lib in LIBRARIES:
        loose = lib.distributions.Uniform(0.0, 1.0, validate_args=False)
        assert loose.log_prob(lib.tensor(2.0)).item() == -np.inf
        assert lib.distributions.Normal(0.0, -1.0, validate_args=False).variance.item() == 1.0


@pytest.mark.parametrize("name", sorted({name for name, _, _ in CASES.values()} | {"Independent"}))
def test_signatures(name):
    """Names, order and defaults of what a distribution is made from are PyTorch's."""

    def words(lib: Any) -> list[Any]:
        parameters = inspect.signature(getattr(lib.distributions, name)).parameters.values()
        return [(p.name, p.default) for p in parameters]

    assert words(tg) == words(torch)


def test_policy_gradient_curves_are_equal():
    """A bandit by REINFORCE, and an encoder with a divergence: the same losses from the same seed."""

    def bandit(lib: Any) -> list[float]:
        lib.manual_seed(0)
        logits = lib.zeros(4, requires_grad=True)
        optimizer = lib.optim.SGD([logits], lr=0.5)
        rewards = lib.tensor([0.0, 1.0, 0.2, -1.0])
        losses = []
        for _ in range(30):
            policy = lib.distributions.Categorical(logits=logits)
            action = policy.sample()
            loss = -policy.log_prob(action) * rewards[action] - 0.01 * policy.entropy()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    def encoder(lib: Any) -> list[float]:
        lib.manual_seed(0)
        layer = lib.nn.Linear(3, 4)
        optimizer = lib.optim.SGD(layer.parameters(), lr=0.05)
        x = lib.randn(16, 3)
        prior = lib.distributions.Independent(lib.distributions.Normal(lib.zeros(2), lib.ones(2)), 1)
        losses = []
        for _ in range(20):
            mean, log_scale = layer(x).chunk(2, dim=1)
            q = lib.distributions.Independent(lib.distributions.Normal(mean, log_scale.exp()), 1)
            z = q.rsample()
            loss = ((z - x[:, :2]) ** 2).mean() + 0.1 * lib.distributions.kl_divergence(q, prior.expand((16,))).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    for run in (bandit, encoder):
        np.testing.assert_allclose(run(tg), run(torch), rtol=1e-4, atol=1e-5)  # float32, over 30 steps


@pytest.mark.parametrize(
    "of", ["log_prob", "cdf", "icdf", "log_survival_function", "entropy", "mean", "variance", "rsample"]
)
def test_generalized_pareto_agrees(of):
    """In float32: PyTorch's densities refuse float64. Concentrations of each sign, and 0."""
    found = []
    for lib in LIBRARIES:
        lib.manual_seed(3)
        parameters = [lib.tensor(x, requires_grad=True) for x in ([0.1, 0.0, 1.0], [1.0, 0.5, 2.0], [0.3, 0.0, -0.4])]
        each = lib.distributions.GeneralizedPareto(*parameters)
        given = {"icdf": [lib.tensor([0.1, 0.5, 0.9])], "rsample": [(4,)], "entropy": []}
        value = getattr(each, of)
        if callable(value):
            value = value(*given.get(of, [lib.tensor([0.3, 2.0, 1.5])]))
        slopes = lib.autograd.grad((value * value).sum(), parameters, allow_unused=True)
        found.append([value.detach(), *(g for g in slopes if g is not None)])
    for ours, theirs in zip(*found, strict=True):
        close(ours, theirs, **SINGLE)
