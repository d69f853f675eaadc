"""The accelerated engine: its kernels agree with eager mode, follow what changes, and are kept on disk."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose

import tinygrad_edu as te
import tinygrad_edu.nn.functional as F
from tinygrad_edu import nn, optim

from .training import training

numba = pytest.importorskip("numba", reason="Numba is not installed")


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory):
    """A folder for what is compiled, so that no earlier run's kernels are met."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


def close(found, expected):
    """Within 1e-5 of the largest magnitude: sums are taken in another order."""
    found, expected = found.detach().numpy(), expected.detach().numpy()
    return bool(np.abs(found - expected).max() <= 1e-5 * max(np.abs(expected).max(), 1e-6))


def assert_close_steps(make, batches, change=None):
    """Both take the steps from the same state, which is copied over before each. Returns the compiled step."""
    (eager_model, eager_optimizer, eager), (model, optimizer, step) = make(), make()
    step = te.compile(step, engine="numba")
    for k, batch in enumerate(batches):
        generator = te.get_rng_state()
        expected = eager(*batch)
        te.set_rng_state(generator)
        found = step(*batch)
        assert close(found, expected)
        for (name, a), b in zip(model.state_dict().items(), eager_model.state_dict().values(), strict=True):
            assert close(a, b), name
        for (name, a), b in zip(model.named_parameters(), eager_model.parameters(), strict=True):
            assert close(a.grad, b.grad), f"{name}.grad"
        with te.no_grad():
            for p, q in zip(model.parameters(), eager_model.parameters(), strict=True):
                p.copy_(q)
            for p, q in zip(optimizer.state.values(), eager_optimizer.state.values(), strict=True):
                for key in p:
                    assert close(p[key], q[key]), key
                    p[key].copy_(q[key])
        if change is not None:
            change(k, eager_optimizer)
            change(k, optimizer)
    return step


def labelled(rows, columns, classes, steps=6):
    te.manual_seed(1)
    return [(te.randn(rows, columns), te.randint(0, classes, (rows,))) for _ in range(steps)]


def article():
    return nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))


def test_the_articles_step_is_three_kernels():
    """Its products are small enough for loops; its exponentials stay NumPy's."""
    te.manual_seed(1)
    batches = [(te.randn(100, 2), (te.randn(100, 1) > 0).float()) for _ in range(6)]
    loss = lambda model, X, Y: F.binary_cross_entropy_with_logits(model(X), Y)
    step = assert_close_steps(lambda: training(article, lambda p: optim.SGD(p, lr=1.0), loss), batches)
    assert step.source.count("@njit\ndef kernel") == 3
    assert "np.tanh(Z1, out=A1)" in step.source
    assert "in 3 kernels" in step.explain()
    assert "kernel" not in step.source(readable=True)


def test_the_source_runs_on_its_own():
    """With NumPy and Numba, from the text alone."""
    te.manual_seed(1)
    W = te.randn(3, 2)
    step = te.compile(lambda X: (X @ W).tanh().square().mean(), engine="numba")
    X = te.randn(4, 3)
    expected = step(X).item()
    scope = {}
    exec(step.source, scope)
    (found,) = scope["program"]()(X.numpy(), W.numpy())
    assert_allclose(found, expected, rtol=1e-6)  # float32


def test_adam_and_a_changing_learning_rate():
    """The update of a parameter and its moments is one loop; settings stay live."""

    def halve(k, optimizer):
        optimizer.param_groups[0]["lr"] *= 0.5

    build = lambda: nn.Linear(8, 4)
    loss = lambda model, X, Y: F.cross_entropy(model(X), Y)
    batches = labelled(16, 8, 4)
    step = assert_close_steps(lambda: training(build, lambda p: optim.Adam(p, lr=0.01), loss), batches, halve)
    assert repr(step).endswith("2 programs>")  # the first step makes the moments


def test_normalisation_dropout_and_a_hinge():
    """Masks come from eager's generator; running statistics and sums along axes agree."""
    build = lambda: nn.Sequential(  # no bias before the batch's mean is taken off: its gradient is rounding alone
        nn.Linear(8, 16, bias=False), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 1)
    )

    def hinge(model, X, Y):
        return F.relu(1 - Y[:, None] * model(X)).mean() + 1e-3 * model[4].weight.square().sum()

    sgd = lambda p: optim.SGD(p, lr=0.1)
    assert_close_steps(lambda: training(build, sgd, hinge), [(x, y.float()) for x, y in labelled(16, 8, 2)])


def test_a_convolutional_network():
    """Arrays of four axes, and what stays with NumPy."""
    build = lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 4))
    loss = lambda model, X, Y: F.cross_entropy(model(X), Y)
    batches = [(X.reshape(8, 1, 8, 8), Y) for X, Y in labelled(8, 64, 4)]
    assert_close_steps(lambda: training(build, lambda p: optim.SGD(p, lr=0.1), loss), batches)


def test_attention():
    """Softmax along the last axis, scores of three axes, layer normalisation."""

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.attention = nn.LayerNorm(8), nn.MultiheadAttention(8, 2, batch_first=True)
            self.out = nn.Linear(8, 4)

        def forward(self, x):
            h = self.first(x)
            return self.out((x + self.attention(h, h, h, need_weights=False)[0]).mean(1))

    loss = lambda model, X, Y: F.cross_entropy(model(X), Y)
    batches = [(X.reshape(6, 5, 8), Y) for X, Y in labelled(6, 40, 4)]
    assert_close_steps(lambda: training(Block, lambda p: optim.SGD(p, lr=0.1), loss), batches)


def test_nan_goes_through_relu_and_maximum():
    """As in NumPy; comparisons in loops must not lose it."""
    step = te.compile(lambda x, y: (te.relu(x) * 2 + 1, te.maximum(x, y) - 1, te.minimum(x, y).abs()), engine="numba")
    x, y = te.tensor([float("nan"), -1.0, float("inf"), -0.0]), te.tensor([1.0, float("nan"), 2.0, 3.0])
    for _ in range(2):
        for found, expected in zip(step(x, y), step.step(x, y), strict=True):
            np.testing.assert_array_equal(found.numpy(), expected.numpy())


def test_views_float64_and_broadcasts():
    """Transposed operands, axes of length one, numbers of two widths, conditions."""

    def step(x, y, scale):
        z = (x.T + y.double()) * scale
        z = te.where(z > 0, z, z * z - 1) / (1 + z.abs())
        return z.sum(0), z.amax(1), (z.T @ z).sum(), z.mean(), z[:, None, :] - y

    te.manual_seed(3)
    x, y = te.randn(5, 7).double(), te.randn(7, 1)
    compiled = te.compile(step, engine="numba")
    for scale in (0.5, 1.5, -2.0):
        for found, expected in zip(compiled(x, y, scale), step(x, y, scale), strict=True):
            assert found.dtype == expected.dtype
            assert found.shape == expected.shape
            assert close(found, expected)


def test_a_wrong_label_is_refused_before_anything_changes():
    """The checks stand before the first kernel that writes a parameter."""
    build = lambda: nn.Linear(8, 4, bias=False)
    loss = lambda model, X, Y: F.cross_entropy(model(X), Y)
    model, _, step = training(build, lambda p: optim.SGD(p, lr=0.1), loss)
    step = te.compile(step, engine="numba")
    for X, Y in labelled(16, 8, 4, 3):
        step(X, Y)
    before = [p.detach().numpy().copy() for p in model.parameters()]
    with pytest.raises(IndexError, match="labels must lie in"):
        step(X, Y + 4)
    assert all((p.detach().numpy() == b).all() for p, b in zip(model.parameters(), before, strict=True))


PROGRAM = """
import tinygrad_edu as te
step = te.compile(lambda x, y: (x * y + x).relu() - y, engine="numba")
x, y = te.tensor([1.0, -2.0]), te.tensor([3.0, 4.0])
step(x, y)
print(step(x, y).tolist())
"""


@pytest.mark.parametrize("variable", ["XDG_CACHE_HOME", "NUMBA_CACHE_DIR"])
def test_a_second_process_finds_the_kernels(variable, tmp_path):
    """The first says that it compiles and how long it took; the second has nothing to compile."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "sources"), "PYTHONPATH": os.pathsep.join(sys.path)}
    environment.pop("NUMBA_CACHE_DIR", None)
    environment[variable] = str(tmp_path / "kernels")
    runs = [
        subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    assert [r.stdout for r in runs] == ["[1.0, -4.0]\n"] * 2
    assert "Numba compiles 1 kernel" in runs[0].stderr
    assert runs[1].stderr == ""


def test_norms_are_nests():
    """The sums of rows and what is done with them share their outer loops; the weights are written in place."""
    build = lambda: nn.Sequential(nn.Linear(8, 32), nn.LayerNorm(32), nn.GELU(), nn.Linear(32, 4))
    loss = lambda model, X, Y: F.mse_loss(model(X), X[..., :4] + Y.reshape(64, 4, 1))
    batches = [(X.reshape(64, 4, 8), Y) for X, Y in labelled(256, 8, 4, 3)]
    step = assert_close_steps(lambda: training(build, lambda p: optim.SGD(p, lr=0.1), loss), batches)
    (nest,) = (text for text in step.source.split("@njit") if "np.sqrt" in text)
    assert nest.count("for i1 in range(4)") == 1
    assert nest.count("for i2 in range(32)") == 3


def test_kernels_that_do_the_same_are_one_function():
    """Two layers' norms and activations are compiled once each, and called without a kernel around them."""
    te.manual_seed(2)
    W = [te.randn(32, 32) / 6 for _ in range(2)]

    def step(x):
        for V in W:
            x = F.layer_norm(x @ V, (32,)).relu()
        return x

    compiled, x = te.compile(step, engine="numba"), te.randn(256, 32)
    for _ in range(2):
        assert close(compiled(x), step(x))
    assert compiled.source.count("@njit") == 1
    assert compiled.source.count(" loop1(") == 3  # its definition, and two calls


def test_rows_that_are_read_in_other_places():
    """Sums of parts of rows, of rows turned, of other rows; numbers per row as a column and as a row."""

    def step(x, y):
        z = (x - x.sum(-1, keepdim=True)) * y
        half, turned = z[:, ::2].sum(-1), z.T.sum(-1)
        s = (z * z).sum(-1)
        w = (z + s[:, None]) / (1 + s[None, :].abs())  # the same sums, per row and per column
        return half, turned, w.flip(0) + z, w.sum(), (w * w.sum(-1, keepdim=True)).amax(-1), (z * s[:, None]).sum(0)

    te.manual_seed(4)
    compiled = te.compile(step, engine="numba")
    for _ in range(2):
        x, y = te.randn(96, 96), te.randn(96)
        for found, expected in zip(compiled(x, y), step(x, y), strict=True):
            assert close(found, expected)


def test_exponentials_in_loops():
    """Of all magnitudes, to a few units in the last place; infinite, zero, subnormal and NaN where NumPy's are."""
    step = te.compile(lambda x: (te.exp(x) * 1, te.tanh(x) * 1), engine="numba")
    special = [float("nan"), float("inf"), -float("inf"), 88.7, 88.73, -87.5, -100.0, -104.5, 0.0, -0.0, 1e-30, -1e-6]
    te.manual_seed(5)
    x = te.cat([te.tensor(special * 4).reshape(3, 16), te.randn(200, 16) * 10, te.randn(200, 16) * 1e-3])
    for _ in range(2):
        found = step(x)
    assert "quick_exp(" in step.source
    assert "quick_tanh(" in step.source
    for y, function in zip(found, (np.exp, np.tanh), strict=True):
        with np.errstate(all="ignore"):
            expected = function(x.numpy().astype(np.float64))
            assert_allclose(y.numpy(), expected.astype(np.float32), rtol=4e-7, atol=2e-45)  # two units; one, subnormal
    zeros = x.numpy() == 0
    np.testing.assert_array_equal(np.signbit(found[1].numpy()[zeros]), np.signbit(x.numpy()[zeros]))


def test_a_users_names_are_told_from_the_functions_that_loops_call():
    """An array may be called as one of those."""
    te.manual_seed(6)
    quick_exp, quick_exp2 = te.randn(8, 32), te.randn(8, 32)

    def step(x):
        return (te.exp(quick_exp * x) + quick_exp2, te.exp(quick_exp2 * x) + quick_exp)

    compiled = te.compile(step, engine="numba")
    x = te.randn(8, 32)
    for found, expected in zip(compiled(x), step(x), strict=True):
        assert close(found, expected)


def test_results_that_are_constant():
    """The gradient of a sum by a bias is known while tracing."""
    bias = te.zeros(2, requires_grad=True)

    def step(x):
        bias.grad = None
        (x + bias).sum().backward()
        return bias.grad.norm()

    assert te.compile(step, engine="numba")(te.zeros(4, 2)).item() == step(te.zeros(4, 2)).item()


def test_numbers_that_are_left_to_numpy():
    """A norm that a check looks at is no array for the kernel that divides by it; of a number, x[None] is a vector."""

    def clipped(model):
        nn.utils.clip_grad_norm_(model.parameters(), 0.1, error_if_nonfinite=True)

    def make():
        build = lambda: nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
        return training(build, lambda p: optim.SGD(p, lr=0.1), before_update=clipped)

    te.manual_seed(1)
    assert_close_steps(make, [(te.randn(5, 3), te.tensor([0, 1, 0, 1, 1])) for _ in range(3)])
    model = nn.Linear(3, 2)
    parameters = dict(model.named_parameters())

    def loss(parameters, x, y):
        return F.cross_entropy(te.func.functional_call(model, parameters, (x[None],)), y[None])

    def each(x, y):
        return te.func.vmap(te.func.grad(loss), in_dims=(None, 0, 0))(parameters, x, y)

    x, y = te.randn(4, 3), te.tensor([0, 1, 1, 0])
    found, expected = te.compile(each, engine="numba")(x, y), each(x, y)
    assert all(close(found[name], expected[name]) for name in expected)


def test_loops_that_are_written_once_know_how_long_they_are():
    """Of a sum of a vector and one of its first numbers: both begin where it begins."""

    def step(x):
        return x.sum() + x[:2].sum() + (x[3:] ** 3).sum()

    x = te.tensor([1.0, 2.0, 4.0, 8.0])
    assert te.compile(step, engine="numba")(x).item() == step(x).item()


def test_numbers_seen_as_their_bits():
    """logaddexp masks by bits; of one number that is an array without axes, which kernels hand on to each other."""
    w = te.tensor(2.0, dtype=te.float64)

    def step(x):
        y = te.logaddexp(w, 3.0)
        return y, te.logaddexp(x.sum(), 3.0), te.logaddexp(y * 2, w + 1) * te.exp(w), F.threshold(x.sum() * 2, 1.0, 0.5)

    compiled = te.compile(step, engine="numba")
    for k in range(3):
        x = te.linspace(-k, 1, 6)
        for a, b in zip(compiled(x), step(x), strict=True):
            assert abs(a.item() - b.item()) <= 1e-5 * abs(b.item())


def test_a_number_of_other_types():
    """What NumPy makes an integer of is no scalar where a kernel has made it: nor is what another kernel reads."""

    def step(x):
        s = (x * x).sum() * 0.3
        whole = s.long()
        return x * whole.float() + s, whole, x * (s * 2).int().double(), s.double() * 2

    x = te.linspace(-1, 3, 7)
    for found, expected in zip(te.compile(step, engine="numba")(x), step(x), strict=True):
        assert found.dtype == expected.dtype
        assert close(found, expected)


def test_a_number_whose_gradient_is_masked():
    """Its gradient is seen as an integer: of a number that is no view that could be made above the step."""

    def step(x):
        largest = te.cat([-x, x]).amax(0)
        total = largest.masked_fill(largest > 0.5, 0.5).sin() + (x * x).sum()
        return total.detach(), te.autograd.grad(total, x)[0]

    for numbers in ([0.25, 2.0], [0.25, -0.125]):
        x = te.tensor(numbers, requires_grad=True)
        for found, expected in zip(te.compile(step, engine="numba")(x), step(x), strict=True):
            assert close(found, expected)


def test_tensors_that_are_exchanged():
    """What one loop writes no other of the same shape reads afterwards: of vectors and of numbers."""

    def exchanging():
        a, b, c, d, W = te.ones(5), te.arange(5.0), te.tensor(2.0), te.tensor(5.0), te.linspace(-1, 1, 5)

        def step(x):
            after_b, after_d, after_a, after_c = a * 2, c * 4, b * 3, d * 5
            for tensor, after in ((a, after_a), (b, after_b), (c, after_c), (d, after_d)):
                tensor.copy_(after)
            twice, new = W * 2, x * 3
            later = twice + 1
            W.copy_(new)
            return later

        return step, (a, b, c, d, W)

    (eager, expected), (step, found) = exchanging(), exchanging()
    step, x = te.compile(step, engine="numba"), te.tensor([3.0, 1.0, 4.0, 1.0, 5.0])
    for _ in range(3):
        assert step(x).tolist() == eager(x).tolist()
        assert [t.tolist() for t in found] == [t.tolist() for t in expected]
        x = x + 1


def test_each_number_is_rounded_as_numpy_rounds_it():
    """No other order of products and differences: what is 0 or finite in eager mode, NaN or -0 there, is so here."""

    def step(x, small, a, b):
        spread = te.sqrt((x * x).mean(1) - x.mean(1) ** 2)  # of one number per row: 0
        zeros = 1 / te.maximum(0 - x * 0, te.zeros(5, 1)), 1 / -(x * 0)
        return te.exp(te.log(x - 2)), spread, small * a * b, small * 10**20, *zeros

    x, large = te.tensor([[0.1], [0.7], [1.3], [2.9], [-3.3]]), te.tensor(1e25)
    given = x, 1e-30 * x, large, large + 0
    (first, *found), (true, *expected) = te.compile(step, engine="numba")(*given), step(*given)
    np.testing.assert_allclose(first.numpy(), true.numpy(), rtol=1e-6)
    for own, numbers in zip(found, expected, strict=True):
        np.testing.assert_array_equal(own.numpy(), numbers.numpy())


def test_long_sums_keep_their_digits():
    """Of one row, of rows of a nest, of turned ones, of products: one running sum of equal numbers drifts."""

    def step(x, row):
        columns = x.T * 1.5
        centred = (x * 2 + 1).mean(-1, keepdim=True) * x
        together = (columns * columns).sum(-1), te.einsum("...i,...i->...", x, x * 1.5), (centred * x).sum(-1)
        return *together, row.sum(1), row @ row.T

    row = te.full((1, 30000), 0.1)
    for x in (te.full((4096, 16), 0.1), te.full((16, 4096), 0.1).T):
        expected = step(x.double(), row.double())  # NumPy's own sum of a turned array drifts
        for own, true in zip(te.compile(step, engine="numba")(x, row), expected, strict=True):
            assert close(own, true)


def test_a_users_names_are_told_from_those_of_loops():
    """Indices, what is read, made, summed and kept; and names that are Python's once their numbers are off."""
    make = lambda: [te.linspace(k, k + 1, 6) for k in range(12)]

    def stepping():
        i0, k, n, a, a_, a_at, a_row, a_0, abs, lambda1, lambda_, in1 = make()

        def step(x, largest_):
            n.mul_(largest_)
            i0.add_(k * x)
            k.mul_(n + abs)
            lambda1.add_(x * 2), lambda_.add_(x * 2), in1.add_(x * 2)
            a.add_(a_ * x), a_.add_(a * a_at), a_at.add_(a - a_row), a_row.mul_(a_0)
            largest = largest_ * k
            return largest + i0, n * 2, lambda1 * 3, lambda_ * 3, in1 * 3, a * 2, a_ * 2, a_at * 2, largest * largest_

        return step

    eager, compiled = stepping(), te.compile(stepping(), engine="numba")
    for k in range(3):
        x = te.linspace(0, k, 6)
        for found, expected in zip(compiled(x, 0.5 + k), eager(x, 0.5 + k), strict=True):
            assert close(found, expected)


def test_numbers_per_row_that_are_read_along_the_rows():
    """As many rows as columns: of a vector made row by row each column has its own; so it has of a parameter."""

    def stepping():
        v = te.linspace(3, 4, 96)

        def step(x):
            z = x * v
            middle = z.sum(1, keepdim=True) * 0.5
            vector = middle[:, 0] * 2
            w = z / middle + vector
            w[3] += vector
            w[:, 2] -= vector
            v.copy_(middle.squeeze(1) * 0.01)
            return w

        return step, v

    (eager, expected), (step, found) = stepping(), stepping()
    step = te.compile(step, engine="numba")
    te.manual_seed(8)
    for _ in range(2):
        x = te.rand(96, 96) + 1
        assert close(step(x), eager(x))
        assert close(found, expected)
        found.copy_(expected)


def test_one_place_of_an_axis_is_not_the_axis():
    """`z[:1]` begins where z does, and is its first row alone: of what a loop makes, and of a parameter it writes."""

    def stepping():
        W = te.linspace(1, 2, 12).reshape(3, 4)

        def step(x):
            z = x * 2
            found = z + z[:1], z * z[:, :1], z - z[1:2], z / z[:, -1:], z[:1, :1] - z
            W.copy_(x + W[:1])
            return found

        return step, W

    (eager, expected), (step, found) = stepping(), stepping()
    step = te.compile(step, engine="numba")
    for k in range(3):
        x = te.linspace(k, 5, 12).reshape(3, 4) + 1
        for own, numbers in zip(step(x), eager(x), strict=True):
            np.testing.assert_array_equal(own.numpy(), numbers.numpy())
        np.testing.assert_array_equal(found.numpy(), expected.numpy())
