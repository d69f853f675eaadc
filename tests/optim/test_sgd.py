"""Optimizer and SGD: the update rule by hand, groups, state, and what is refused."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import nn, optim
from tinygrad_edu.core.tensor import wrap
from tinygrad_edu.optim.optimizer import live
from tinygrad_edu.symbolic import trace


def parameter(*values):
    return nn.Parameter(tg.tensor(values, dtype=tg.float64))


def give(p, *gradient):
    """Make this the parameter's gradient."""
    p.grad = tg.tensor(gradient, dtype=p.dtype)


def values_after(gradients, **settings):
    """Where SGD takes W = 1 when these are its gradients, one per step."""
    W = parameter(1.0)
    optimizer = optim.SGD([W], **settings)
    for gradient in gradients:
        give(W, gradient)
        optimizer.step()
    return W.item()


# Powers of two throughout: the arithmetic is exact


def test_plain_step_is_the_article_s():
    """W = W - lr * dW."""
    assert values_after([2.0, -4.0], lr=0.25) == 1 - 0.25 * 2 + 0.25 * 4


def test_momentum_remembers_gradients():
    """M starts as the first dW, then M = momentum * M + dW; the step is lr * M."""
    assert values_after([2.0, 4.0], lr=0.25, momentum=0.5) == 1 - 0.25 * 2 - 0.25 * (0.5 * 2 + 4)


def test_dampening_spares_the_first_gradient():
    """From the second step on, dW enters M by the part 1 - dampening."""
    expected = 1 - 0.25 * 2 - 0.25 * (0.5 * 2 + (1 - 0.25) * 4)
    assert values_after([2.0, 4.0], lr=0.25, momentum=0.5, dampening=0.25) == expected


def test_nesterov_looks_ahead():
    """The step is by dW + momentum * M."""
    first = 1 - 0.25 * (2 + 0.5 * 2)
    assert values_after([2.0, 4.0], lr=0.25, momentum=0.5, nesterov=True) == first - 0.25 * (4 + 0.5 * (0.5 * 2 + 4))


def test_weight_decay_adds_to_the_gradient():
    """dW + weight_decay * W, before the momentum."""
    assert values_after([2.0], lr=0.25, weight_decay=0.5) == 1 - 0.25 * (2 + 0.5)


def test_maximize_climbs():
    """The gradient's sign is turned, that of the weight decay is not."""
    assert values_after([2.0], lr=0.25, maximize=True) == 1 + 0.25 * 2
    assert values_after([2.0], lr=0.25, maximize=True, weight_decay=0.5) == 1 - 0.25 * (-2 + 0.5)


def test_the_momentum_buffer_is_not_the_gradient():
    """The first M is a copy: zeroing the gradient in place leaves it alone."""
    W = parameter(1.0)
    optimizer = optim.SGD([W], lr=0.25, momentum=0.5)
    give(W, 2.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=False)
    assert optimizer.state[W]["momentum_buffer"].item() == 2.0


@pytest.mark.parametrize("settings", [{}, {"weight_decay": 0.5}, {"maximize": True}], ids=str)
def test_a_parameter_without_axes(settings):
    """A 0-d parameter and its momentum stay 0-d arrays, on which a write is seen."""
    W = nn.Parameter(tg.tensor(1.0))
    optimizer = optim.SGD([W], lr=0.25, momentum=0.5, **settings)
    view = W.detach()
    for _ in range(3):
        W.grad = tg.tensor(2.0)
        optimizer.step()
    assert view.item() == W.item() != 1.0
    assert isinstance(optimizer.state[W]["momentum_buffer"].numpy(), np.ndarray)


def test_gradients_are_left_as_they_are():
    """No setting writes into .grad."""
    W = parameter(1.0)
    optimizer = optim.SGD([W], lr=0.25, momentum=0.5, weight_decay=0.5, nesterov=True, maximize=True)
    for _ in range(2):
        give(W, 2.0)
        optimizer.step()
        assert W.grad.item() == 2.0


def test_a_parameter_without_gradient_stays():
    """What the loss does not depend on is not even decayed, and gets no state."""
    W, V = parameter(1.0), parameter(1.0)
    optimizer = optim.SGD([W, V], lr=0.25, momentum=0.5, weight_decay=0.5)
    give(W, 2.0)
    optimizer.step()
    assert V.item() == 1.0
    assert list(optimizer.state) == [W]


def test_zero_grad():
    """None by default, zeros in the same tensor if asked."""
    W, V = parameter(1.0), parameter(1.0)
    optimizer = optim.SGD([{"params": [W]}, {"params": V}])
    give(W, 2.0)
    kept = W.grad
    optimizer.zero_grad(set_to_none=False)
    assert W.grad is kept
    assert kept.item() == 0.0
    optimizer.zero_grad()
    assert W.grad is None
    assert V.grad is None


def test_groups_have_settings_of_their_own():
    """A group's own settings come before the defaults, and may be changed between steps."""
    W, V = parameter(1.0), parameter(1.0)
    optimizer = optim.SGD([{"params": [W]}, {"params": [V], "lr": 0.5, "note": "head"}], lr=0.25)
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.5]
    assert optimizer.param_groups[1]["note"] == "head"
    give(W, 2.0)
    give(V, 2.0)
    optimizer.step()
    assert (W.item(), V.item()) == (0.5, 0.0)
    optimizer.param_groups[0]["lr"] = 0.125
    optimizer.step()
    assert (W.item(), V.item()) == (0.25, -1.0)


def test_parameters_can_be_added_later():
    """add_param_group takes one tensor or several, and fills in the defaults."""
    W, V = parameter(1.0), parameter(1.0)
    optimizer = optim.SGD([W], lr=0.25)
    group = {"params": V}
    optimizer.add_param_group(group)
    assert optimizer.param_groups[1]["params"] == [V]
    assert optimizer.param_groups[1]["lr"] == 0.25
    assert group == {"params": V}


def test_named_parameters_are_taken():
    """SGD(model.named_parameters()) keeps the names beside the tensors."""
    model = nn.Linear(2, 1)
    optimizer = optim.SGD(model.named_parameters())
    assert optimizer.param_groups[0]["params"] == [model.weight, model.bias]
    assert optimizer.param_groups[0]["param_names"] == ["weight", "bias"]


def test_step_takes_a_closure():
    """The closure computes loss and gradients, recorded even under no_grad; step returns its loss."""
    W = parameter(1.0)
    optimizer = optim.SGD([W], lr=0.25)

    def closure():
        optimizer.zero_grad()
        loss = (W * W).sum()
        loss.backward()
        return loss

    with tg.no_grad():
        assert optimizer.step(closure).item() == 1.0
    assert W.item() == 0.5
    assert optimizer.step() is None


def test_a_float32_network_stays_float32(rng):
    """Parameters, gradients and buffers are float32 after steps with every setting at once."""
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    optimizer = optim.SGD(
        model.parameters(),
        lr=np.float64(0.1),  # as a schedule computed by NumPy gives it
        momentum=0.9,
        weight_decay=0.01,
        nesterov=True,
        maximize=True,
    )
    X, Y = tg.randn(5, 3), tg.tensor([0, 1, 1, 0, 1])
    for _ in range(3):
        optimizer.zero_grad()
        loss = nn.CrossEntropyLoss()(model(X), Y)
        loss.backward()
        optimizer.step()
    assert loss.dtype == tg.float32
    for p in model.parameters():
        assert {p.dtype, p.grad.dtype, optimizer.state[p]["momentum_buffer"].dtype} == {tg.float32}


def test_a_setting_from_numpy_computes_in_the_parameter_s_precision():
    """np.float64(0.1) gives the very bits that 0.1 gives."""

    def after(lr):
        W = nn.Parameter(tg.tensor([1.0, 0.3]))
        W.grad = tg.tensor([0.7, 1.9])
        optim.SGD([W], lr=lr).step()
        return W.tolist()

    assert after(np.float64(0.1)) == after(0.1) == after(tg.tensor(0.1, dtype=tg.float64))


def test_a_step_is_a_write():
    """Stepping between forward and backward is refused: backward needs the old weights."""
    W = parameter(2.0)
    optimizer = optim.SGD([W], lr=0.25)
    loss = (W * W).sum()
    give(W, 1.0)
    optimizer.step()
    with pytest.raises(RuntimeError, match=r"SGD.step at test_sgd.py:\d+ has overwritten it"):
        loss.backward()


def test_the_step_writes_into_the_parameter_s_memory():
    """The parameter's array stays the same object, so views of it see the step."""
    W = parameter(1.0)
    view = W.detach()
    give(W, 2.0)
    optim.SGD([W], lr=0.25).step()
    assert view.item() == 0.5


# --- state


def network():
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    groups = [
        {"params": model[0].parameters(), "weight_decay": 0.1},
        {"params": model[2].parameters(), "momentum": 0.0},
    ]
    return model, optim.SGD(groups, lr=0.1, momentum=0.9)


def train(model, optimizer, X, Y, steps):
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(X), Y).backward()
        optimizer.step()
    return [p.tolist() for p in model.parameters()]


def test_state_dict_has_pytorch_s_layout():
    """state by parameter number, settings and numbers per group."""
    model, optimizer = network()
    train(model, optimizer, tg.randn(6, 3), tg.randn(6, 1), 1)
    state = optimizer.state_dict()
    assert list(state) == ["state", "param_groups"]
    assert list(state["state"]) == [0, 1]
    assert list(state["state"][0]) == ["momentum_buffer"]
    assert [group["params"] for group in state["param_groups"]] == [[0, 1], [2, 3]]
    settings = ["lr", "momentum", "dampening", "weight_decay", "nesterov", "maximize"]
    settings += ["foreach", "differentiable", "fused"]
    assert set(state["param_groups"][0]) == {*settings, "params"}


@pytest.mark.parametrize("carry", [lambda s: s, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
def test_training_goes_on_bit_for_bit_from_a_state_dict(carry):
    """Four steps, or two, a state_dict, and two more in a new optimizer: the same bits."""
    tg.manual_seed(0)
    X, Y = tg.randn(6, 3), tg.randn(6, 1)
    first, optimizer = network()
    second, again = network()
    train(first, optimizer, X, Y, 2)
    second.load_state_dict(first.state_dict())
    saved = carry(optimizer.state_dict())
    for group in again.param_groups:
        group["lr"] = 5.0  # to be overwritten
    again.load_state_dict(saved)
    assert train(second, again, X, Y, 2) == train(first, optimizer, X, Y, 2)
    assert again.state[second[0].weight]["momentum_buffer"] is not optimizer.state[first[0].weight]["momentum_buffer"]


def test_loaded_state_takes_the_parameter_s_dtype():
    """The momentum of a float32 run goes on as float64 in a float64 model."""
    model, optimizer = network()
    train(model, optimizer, tg.randn(6, 3), tg.randn(6, 1), 1)
    other, again = network()
    other.double()
    again.load_state_dict(optimizer.state_dict())
    assert again.state[other[0].weight]["momentum_buffer"].dtype == tg.float64


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([{"params": 1}], "loaded state dict has a different number of parameter groups: 1, not 2"),
        ([{"params": 2}, {"params": 1}], "group 1 has 1 parameters, not 2"),
    ],
)
def test_a_state_dict_that_does_not_fit(groups, message):
    """A ValueError, and settings and state are as they were."""
    _, optimizer = network()
    other = optim.SGD([{"params": [parameter(1.0) for _ in range(g["params"])]} for g in groups], lr=9.0)
    with pytest.raises(ValueError) as error:
        optimizer.load_state_dict(other.state_dict())
    assert message in str(error.value)
    assert {group["lr"] for group in optimizer.param_groups} == {0.1}


def test_pickling_and_copying_model_and_optimizer_together():
    """The copy of the optimizer steps the copy of the model."""
    pair = network()
    for model, optimizer in (copy.deepcopy(pair), pickle.loads(pickle.dumps(pair))):
        before = model[0].weight.tolist()
        train(model, optimizer, tg.randn(6, 3), tg.randn(6, 1), 2)
        assert model[0].weight.tolist() != before
        assert optimizer.state[model[0].weight]


# --- settings in a trace


def test_live_is_the_number_or_in_a_trace_its_symbol():
    """Eagerly a Python float; in a trace a 0-d Symbol that keeps float32 float32."""
    group = {"lr": 0.5}
    assert live(group, "lr") == 0.5
    program = trace(lambda x: wrap(live(group, "lr") * x._array), tg.tensor([1.0, 2.0]))
    group["lr"] = 2.0
    result = program(tg.tensor([1.0, 2.0]))
    assert result.tolist() == [2.0, 4.0]
    assert result.dtype == tg.float32


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"momentum": 0.9},
        {"momentum": 0.9, "nesterov": True},
        {"momentum": 0.9, "dampening": 0.5, "weight_decay": 0.01, "maximize": True},
    ],
    ids=str,
)
def test_a_traced_step_is_the_eager_one(settings):
    """A recorded step, run again with another learning rate, does what the eager step does."""
    tg.manual_seed(0)
    X, Y = tg.randn(6, 3).double(), tg.randn(6, 1).double()
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).double()
    twin = copy.deepcopy(model)
    optimizer = optim.SGD(model.parameters(), lr=0.1, **settings)
    eager = optim.SGD(twin.parameters(), lr=0.1, **settings)

    def step(model, optimizer):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(X), Y)
        loss.backward()
        optimizer.step()
        return loss

    step(model, optimizer)  # the first step makes the momentum's memory
    step(twin, eager)
    program = trace(lambda: step(model, optimizer))
    for rate in (0.1, 0.5):
        optimizer.param_groups[0]["lr"] = eager.param_groups[0]["lr"] = rate
        loss, expected = program(), step(twin, eager)
        # float64; a bias's gradient is summed in another order
        np.testing.assert_allclose(loss.item(), expected.item(), rtol=1e-13)
        for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
            np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-12, atol=1e-15)


def test_tracing_the_first_step_with_momentum():
    """A trace adds nothing to the state; its first run makes the momentum."""
    W = parameter(1.0)
    optimizer = optim.SGD([W], momentum=0.9)

    def step():
        optimizer.zero_grad()
        (W * W).sum().backward()
        optimizer.step()

    program = trace(step)
    assert not optimizer.state
    assert W.item() == 1.0
    program()
    assert optimizer.state[W]["momentum_buffer"].item() == 2.0
    assert W.item() == 1.0 - 1e-3 * 2.0


# --- what is refused


def computed():
    return parameter(1.0) * 2


TWICE = parameter(1.0)
REFUSED = [
    (lambda: optim.SGD([]), ValueError, "optimizer got an empty parameter list"),
    (lambda: optim.SGD(nn.Tanh().parameters()), ValueError, "optimizer got an empty parameter list"),
    (lambda: optim.SGD(parameter(1.0)), TypeError, "should be an iterable of Tensors or dicts, but got one Tensor"),
    (lambda: optim.SGD(nn.Linear(1, 1)), TypeError, "got a module, Linear; write model.parameters()"),
    (lambda: optim.SGD([1.0]), TypeError, "can only optimize Tensors, but one of the params is float"),
    (lambda: optim.SGD([computed()]), ValueError, "can't optimize a non-leaf Tensor"),
    (lambda: optim.SGD([TWICE, TWICE]), ValueError, "parameter group with duplicate parameters"),
    (lambda: optim.SGD([{"params": TWICE}, {"params": TWICE}]), ValueError, "more than one parameter group"),
    (lambda: optim.SGD([{"params": {TWICE}}]), TypeError, "ordered collections"),
    (lambda: optim.SGD([("a", TWICE), parameter(1.0)]), ValueError, "Some param names are missing"),
    (lambda: optim.SGD([TWICE]).add_param_group([TWICE]), TypeError, "param_group must be a dict"),
    (lambda: optim.SGD([{"param": [TWICE]}]), KeyError, "param_group has no 'params'"),
    (lambda: optim.SGD([TWICE], lr=-0.1), ValueError, "Invalid learning rate: -0.1"),
    (lambda: optim.SGD([TWICE], momentum=-1), ValueError, "Invalid momentum value: -1"),
    (lambda: optim.SGD([TWICE], weight_decay=-1), ValueError, "Invalid weight_decay value: -1"),
    (lambda: optim.SGD([TWICE], nesterov=True), ValueError, "Nesterov momentum requires a momentum and zero dampening"),
    (lambda: optim.SGD([{"params": TWICE, "lr": -1}]), ValueError, "Invalid learning rate: -1"),
    (lambda: optim.SGD([TWICE], differentiable=True), ValueError, "differentiable=True is not supported"),
    (lambda: optim.Optimizer([TWICE], {}).step(), NotImplementedError, "Optimizer defines no step"),
]


@pytest.mark.parametrize(("make", "kind", "message"), REFUSED, ids=[message for _, _, message in REFUSED])
def test_mistakes_are_refused_where_they_are_made(make, kind, message):
    """PyTorch's class of exception, and what to do."""
    with pytest.raises(kind) as error:
        make()
    assert message in error.value.args[0]


def test_a_refused_group_is_not_added():
    """add_param_group checks before it changes anything."""
    optimizer = optim.SGD([TWICE], lr=0.1)
    for group in ({"params": [TWICE]}, {"params": [parameter(1.0)], "lr": -1}, {"params": [computed()]}):
        with pytest.raises(ValueError):
            optimizer.add_param_group(group)
    assert len(optimizer.param_groups) == 1
