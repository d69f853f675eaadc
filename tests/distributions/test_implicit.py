"""Derivatives of draws by the parameters of their distribution, where no PyTorch is needed: closed forms."""

from __future__ import annotations

import math

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu import autograd
from tinygrad_edu.distributions import Beta, Dirichlet, Gamma, MultivariateNormal
from tinygrad_edu.ops.implicit import beta_slope, gamma_below, gamma_slope

X = np.array([1e-6, 0.01, 0.3, 0.9, 1.5, 4.0, 20.0])
SHARES = np.array([1e-6, 0.01, 0.3, 0.6, 0.9, 0.999])
QUADRATURE = {"rtol": 1e-9, "atol": 1e-12}  # its error is below 1e-11; central differences lose the rest


def double(x):
    return tg.tensor(np.asarray(x, np.float64))


def test_gamma_slope_is_that_of_the_cumulative_probability():
    """dx/da = -(dP/da) / p, P of whole concentrations being finite sums, by central differences between quantiles."""
    a, h = 3.0, 1e-5
    x = X[X < 10]  # further out P has no digits left beside 1
    density = x ** (a - 1) * np.exp(-x) / math.gamma(a)
    up, down = (gamma_below(double(a + d), double(x)).numpy() for d in (h, -h))
    expected = -(up - down) / (2 * h) / density
    np.testing.assert_allclose(gamma_slope(double(a), double(x)).numpy(), expected, rtol=1e-6)  # rounding over h


def test_gamma_below_of_a_whole_concentration():
    """P(3, x) = 1 - exp(-x) (1 + x + x**2 / 2); 0 at and below 0."""
    expected = 1 - np.exp(-X) * (1 + X + X**2 / 2)  # beside 1 a small probability keeps no digit below 1e-16
    np.testing.assert_allclose(gamma_below(double(3.0), double(X)).numpy(), expected, rtol=1e-9, atol=1e-16)
    np.testing.assert_array_equal(gamma_below(double(3.0), double([0.0, -1.0])).numpy(), 0)


def test_beta_slope_of_a_power():
    """Of b = 1 the cumulative probability is x**a, so dx/da = -x log(x) / a."""
    for a in (0.3, 1.0, 7.0):
        slope = beta_slope(double(a), double(1.0), double(SHARES)).numpy() * (1 - SHARES)
        np.testing.assert_allclose(slope, -SHARES * np.log(SHARES) / a, **QUADRATURE)


def test_slopes_of_large_concentrations():
    """Far from 0 a gamma number is nearly normal: its draw at the median moves as fast as the concentration."""
    a = double([1e4, 1e6])
    np.testing.assert_allclose(gamma_slope(a, a - 1 / 3).numpy(), 1.0, rtol=1e-7)  # 1 + O(1 / a**2)


def test_draws_of_rate_and_scale():
    """The mean of many draws has the gradient of the mean: by concentration 1 / rate, by rate -a / rate**2."""
    tg.manual_seed(0)
    a, rate = tg.tensor(2.5, requires_grad=True), tg.tensor(4.0, requires_grad=True)
    Gamma(a, rate).rsample((4000,)).mean().backward()
    np.testing.assert_allclose([a.grad.item(), rate.grad.item()], [0.25, -2.5 / 16], rtol=0.05)  # 4 / sqrt(4000)


def test_second_derivatives_of_draws():
    """E x**2 = a (a + 1): its second derivative by a is 2, and it is what the draws' own give on average."""
    tg.manual_seed(0)
    a = double(np.full(4000, 1.5)).requires_grad_()
    x = Gamma(a, double(1.0)).rsample()
    (slope,) = autograd.grad((x * x).sum(), a, create_graph=True)
    (curvature,) = autograd.grad(slope.sum(), a)
    np.testing.assert_allclose(slope.mean().item(), 4.0, rtol=0.1)  # some standard errors, which are 2%
    np.testing.assert_allclose(curvature.mean().item(), 2.0, rtol=0.1)


def test_shares_stay_shares():
    """Draws of Dirichlet sum to 1, and so do those moved along any gradient: their derivatives sum to 0."""
    tg.manual_seed(0)
    a = double([0.3, 2.0, 5.0]).requires_grad_()
    x = Dirichlet(a).rsample((50,))
    np.testing.assert_allclose(x.detach().numpy().sum(-1), 1, rtol=1e-12)
    (slope,) = autograd.grad(x.sum(), a)
    np.testing.assert_allclose(slope.numpy(), 0, atol=1e-12)  # a sum of slopes of order 1


def test_beta_draws_have_the_gradient_of_their_mean():
    """a / (a + b), by both."""
    tg.manual_seed(0)
    a, b = double(2.0).requires_grad_(), double(3.0).requires_grad_()
    Beta(a, b).rsample((4000,)).mean().backward()
    np.testing.assert_allclose([a.grad.item(), b.grad.item()], [3 / 25, -2 / 25], rtol=0.05)  # some standard errors


def test_multivariate_normal_of_one_half_and_its_inverse():
    """The three ways to give a covariance give one distribution."""
    C = np.array([[2.0, 0.5], [0.5, 1.0]])
    x = double([0.3, -0.4])
    densities = [
        MultivariateNormal(double([0.0, 1.0]), **{name: double(M)}).log_prob(x).item()
        for name, M in [
            ("covariance_matrix", C),
            ("precision_matrix", np.linalg.inv(C)),
            ("scale_tril", np.linalg.cholesky(C)),
        ]
    ]
    np.testing.assert_allclose(densities, densities[0], rtol=1e-13)
