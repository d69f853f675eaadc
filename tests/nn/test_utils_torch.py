"""nn.utils and the rest of nn.init against PyTorch: clipping, vectors, parametrized weights, initial numbers."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import symbolic
from tinygrad_edu.nn.utils import parametrize as ours

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
theirs = pytest.importorskip("torch.nn.utils.parametrize", reason="PyTorch is not installed")

LIBRARIES = (tg, torch)
X = np.linspace(-1.0, 1.0, 12, dtype=np.float32).reshape(4, 3)


def both(program):
    """What the program gives with either library; the numbers agree to the roundings of the largest in float32."""
    found = []
    for m in LIBRARIES:
        m.manual_seed(0)
        found.append([np.asarray(v.detach().numpy()) for v in program(m)])
    assert len(found[0]) == len(found[1])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6 * max(1.0, np.abs(b).max(initial=0)))


def trained(m, model):
    (model(m.tensor(X)) ** 2).sum().backward()
    return [p.grad for p in model.parameters()]


@pytest.mark.parametrize("norm_type", [2.0, 1, 3.0, float("inf")])
@pytest.mark.parametrize("max_norm", [0.5, 1000.0])
def test_clip_grad_norm(norm_type, max_norm):
    """The total norm is returned, and the gradients are scaled to the largest norm allowed, if at all."""

    def program(m):
        model = m.nn.Linear(3, 2)
        trained(m, model)
        total = m.nn.utils.clip_grad_norm_(model.parameters(), max_norm, norm_type)
        return [total, *(p.grad for p in model.parameters())]

    both(program)


def test_clip_one_tensor_none_and_what_is_not_finite():
    """One tensor; parameters without gradients, whose norm is 0; an infinite norm, refused on request only."""
    for m in LIBRARIES:
        assert m.nn.utils.clip_grad_norm_([m.zeros(2)], 1.0).item() == 0
        w = m.ones(2, requires_grad=True)
        w.grad = m.tensor([3.0, float("inf")])
        with pytest.raises(RuntimeError, match="non-finite"):
            m.nn.utils.clip_grad_norm_(w, 1.0, error_if_nonfinite=True)
        assert w.grad[0].item() == 3.0
        m.nn.utils.clip_grad_value_(w, 2.0)
        assert w.grad.tolist() == [2.0, 2.0]
        assert m.nn.utils.get_total_norm(w.grad).item() == pytest.approx(8**0.5)
        m.nn.utils.clip_grads_with_norm_(w, 1.0, m.tensor(4.0))
        assert w.grad.tolist() == pytest.approx([0.5, 0.5])


def test_a_traced_step_clips():
    """Clipping is part of the program: run again, it leaves the weights that the eager step leaves."""
    results = []
    for traced in (False, True):
        tg.manual_seed(0)
        model = tg.nn.Linear(3, 2)
        optimizer = tg.optim.SGD(model.parameters(), lr=0.5)

        def step(x, model=model, optimizer=optimizer):
            optimizer.zero_grad()
            (model(x) ** 2).sum().backward()
            tg.nn.utils.clip_grad_norm_(model.parameters(), 0.1, error_if_nonfinite=True)
            optimizer.step()

        x = tg.tensor(X)
        step(x)
        run = symbolic.trace(step, x) if traced else step
        for _ in range(3):
            run(x)
        results.append(model.weight.detach().numpy())
    np.testing.assert_allclose(*results, rtol=1e-6)  # float32: a traced step may compute in another order


def test_parameters_as_a_vector():
    """Out and back: the same numbers, gradients to each parameter, an error for what is no tensor."""

    def program(m):
        model = m.nn.Sequential(m.nn.Linear(3, 2), m.nn.Linear(2, 1))
        vector = m.nn.utils.parameters_to_vector(model.parameters())
        (vector**2).sum().backward()
        m.nn.utils.vector_to_parameters(vector.detach() * 2, model.parameters())
        with pytest.raises(TypeError):
            m.nn.utils.vector_to_parameters([1.0], model.parameters())
        return [vector, *model.parameters(), *(p.grad for p in model.parameters())]

    both(program)


def symmetric(m, inverse=False):
    class Symmetric(m.nn.Module):
        def forward(self, W):
            return m.triu(W) + m.triu(W, 1).T

    class Inverted(Symmetric):
        def right_inverse(self, A):
            return m.triu(A)

    return Inverted() if inverse else Symmetric()


@pytest.mark.parametrize("inverse", [False, True], ids=["plain", "with inverse"])
def test_parametrizations_of_ones_own(inverse):
    """Registered, chained, assigned to, stored, loaded and removed: numbers, keys, texts and gradients agree."""
    texts = []

    def program(m):
        P = ours if m is tg else theirs
        layer = m.nn.Linear(3, 3)
        known = layer.weight
        P.register_parametrization(layer, "weight", symmetric(m, inverse))
        P.register_parametrization(layer, "weight", m.nn.Identity())
        assert layer.parametrizations.weight.original is known
        assert P.is_parametrized(layer)
        assert not P.is_parametrized(layer, "bias")
        assert P.type_before_parametrizations(layer) is m.nn.Linear
        assert isinstance(layer, m.nn.Linear)
        grads = trained(m, layer)
        values = [layer.weight, *grads, *layer.state_dict().values()]
        texts.append((repr(layer), list(layer.state_dict())))
        with pytest.raises(RuntimeError, match="does not implement right_inverse"):
            layer.weight = m.ones(3, 3)
        if inverse:
            square = m.nn.Linear(3, 3)
            P.register_parametrization(square, "weight", symmetric(m, inverse))
            square.weight = m.ones(3, 3)
            values += [square.parametrizations.weight.original, square.weight]
        with P.cached():
            assert layer.weight is layer.weight
        assert layer.weight is not layer.weight
        other = m.nn.Linear(3, 3)
        P.register_parametrization(other, "weight", symmetric(m, inverse))
        P.register_parametrization(other, "weight", m.nn.Identity())
        other.load_state_dict(layer.state_dict())
        values.append(other.weight)
        P.remove_parametrizations(layer, "weight")
        P.remove_parametrizations(other, "weight", leave_parametrized=False)
        assert type(layer) is m.nn.Linear
        assert isinstance(layer.weight, m.nn.Parameter)
        assert not P.is_parametrized(layer)
        texts.append((repr(layer), sorted(layer.state_dict())))
        return [*values, layer.weight, other.weight, layer(m.tensor(X))]

    both(program)
    assert texts[:2] == texts[2:]


def test_parametrizations_that_do_not_fit_are_refused():
    """Another shape, a name that is not there, and removing what is not parametrized: ValueError, nothing changed."""
    for m, P in ((tg, ours), (torch, theirs)):

        class Half(m.nn.Module):
            def forward(self, W):
                return W[:1]

        layer = m.nn.Linear(3, 3)
        with pytest.raises(ValueError, match="shape"):
            P.register_parametrization(layer, "weight", Half())
        with pytest.raises(ValueError, match="name"):
            P.register_parametrization(layer, "kernel", m.nn.Identity())
        with pytest.raises(ValueError, match="parametrization"):
            P.remove_parametrizations(layer, "weight")
        assert type(layer) is m.nn.Linear
        P.register_parametrization(layer, "weight", Half(), unsafe=True)
        assert tuple(layer.weight.shape) == (1, 3)


@pytest.mark.parametrize("dim", [0, 1, None])
@pytest.mark.parametrize("old", [False, True], ids=["parametrized", "hooked"])
@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated")
def test_weight_norm(old, dim):
    """Length and direction under PyTorch's names; results, gradients, and the weight when it is removed."""
    keys = []

    def program(m):
        layer = m.nn.Linear(3, 2)
        (m.nn.utils.weight_norm if old else m.nn.utils.parametrizations.weight_norm)(layer, "weight", dim)
        keys.append(list(layer.state_dict()))
        grads = trained(m, layer)
        values = [layer.weight, *grads, *layer.state_dict().values()]
        if old:
            m.nn.utils.remove_weight_norm(layer)
            with pytest.raises(ValueError, match="not found"):
                m.nn.utils.remove_weight_norm(layer)
        else:
            (ours if m is tg else theirs).remove_parametrizations(layer, "weight")
        return [*values, layer.weight, layer(m.tensor(X))]

    both(program)
    assert keys[0] == keys[1]


def test_old_weight_norm_checkpoints_load():
    """A state_dict with weight_g and weight_v fits a layer with the newer weight_norm."""
    layer = tg.nn.utils.weight_norm(tg.nn.Linear(3, 2))
    newer = tg.nn.utils.parametrizations.weight_norm(tg.nn.Linear(3, 2))
    newer.load_state_dict(layer.state_dict())
    np.testing.assert_array_equal(newer.weight.detach().numpy(), layer.weight.detach().numpy())


@pytest.mark.parametrize("kind", ["Linear", "Conv2d", "ConvTranspose2d"])
@pytest.mark.parametrize("old", [False, True], ids=["parametrized", "hooked"])
def test_spectral_norm(old, kind):
    """Singular vectors from the seed, steps in training only, gradients, and the weight when it is removed."""
    keys = []

    def program(m):
        layer = m.nn.Linear(3, 2) if kind == "Linear" else getattr(m.nn, kind)(3, 4, 2)
        (m.nn.utils.spectral_norm if old else m.nn.utils.parametrizations.spectral_norm)(layer, n_power_iterations=2)
        keys.append(list(layer.state_dict()))
        x = m.tensor(X) if kind == "Linear" else m.tensor(np.tile(X[:, :, None, None], (1, 1, 3, 3)))
        first = layer(x)
        (layer(x) * first).sum().backward()
        layer.eval()
        values = [first, layer(x), *(p.grad for p in layer.parameters()), *layer.state_dict().values()]
        if old:
            m.nn.utils.remove_spectral_norm(layer)
        else:
            (ours if m is tg else theirs).remove_parametrizations(layer, "weight")
        return [*values, layer.weight]

    both(program)
    assert keys[0] == keys[1]


def test_norms_refuse_as_pytorch_does():
    """No steps at all, an axis that is not there, a second hook on one parameter."""
    for m in LIBRARIES:
        with pytest.raises(ValueError, match="n_power_iterations"):
            m.nn.utils.parametrizations.spectral_norm(m.nn.Linear(3, 2), n_power_iterations=0)
        with pytest.raises(IndexError, match="Dimension out of range"):
            m.nn.utils.parametrizations.spectral_norm(m.nn.Linear(3, 2), dim=2)
        with pytest.raises(ValueError, match="kernel"):
            m.nn.utils.parametrizations.spectral_norm(m.nn.Linear(3, 2), "kernel")
        layer = m.nn.utils.spectral_norm(m.nn.Linear(3, 2))
        with pytest.raises(RuntimeError, match="two spectral_norm hooks"):
            m.nn.utils.spectral_norm(layer)


INIT = {
    "trunc_normal_": ((), (20, 7)),
    "trunc_normal_ of few": ((1.0, 2.0, -1.0, 3.0), (5,)),
    "trunc_normal_ narrow": ((0.0, 1.0, -0.1, 0.2), (40,)),
    "trunc_normal_ in the tail": ((0.0, 0.5, 0.6, 0.9), (4, 4)),
    "orthogonal_ tall": ((), (6, 4)),
    "orthogonal_ wide": ((2.0,), (3, 2, 5)),
    "orthogonal_ of no rows": ((), (0, 4)),
    "sparse_": ((0.3,), (7, 5)),
    "sparse_ wide": ((0.9, 1.0), (3, 8)),
    "dirac_": ((), (4, 2, 3, 3)),
    "dirac_ of groups": ((2,), (6, 2, 4)),
}


@pytest.mark.parametrize("name", INIT)
def test_initial_numbers_are_pytorch_s(name):
    """From the same seed, to the roundings of log, cos and sin in float32, and of LAPACK."""
    arguments, shape = INIT[name]
    both(lambda m: [getattr(m.nn.init, name.split()[0])(m.empty(*shape), *arguments), m.rand(2)])


def test_init_warns_and_refuses_as_pytorch():
    """Too few axes, channels that do not divide, an interval far from the mean."""
    for m in LIBRARIES:
        init = m.nn.init
        for wrong in (
            lambda init=init, m=m: init.orthogonal_(m.empty(3)),
            lambda init=init, m=m: init.sparse_(m.empty(3), 0.1),
            lambda init=init, m=m: init.dirac_(m.empty(3, 3)),
            lambda init=init, m=m: init.dirac_(m.empty(3, 3, 3), 2),
        ):
            with pytest.raises(ValueError):  # four messages, all of them by hand
                wrong()
        with pytest.warns(UserWarning, match="more than 2 std"):
            init.trunc_normal_(m.empty(3), 5.0, 1.0, 0.0, 2.0)
