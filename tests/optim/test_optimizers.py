"""All optimizers: first steps by hand, states, traces, hooks, and what is refused."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import nn, optim
from tinygrad_edu.symbolic import trace

SETTINGS = [
    ("Adam", {}),
    ("Adam", {"amsgrad": True, "weight_decay": 0.1, "maximize": True}),
    ("AdamW", {}),
    ("Adamax", {"weight_decay": 0.1}),
    ("NAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("RAdam", {"betas": (0.9, 0.95)}),  # rectified from step 8 on
    ("RMSprop", {}),
    ("RMSprop", {"centered": True, "momentum": 0.9}),
    ("Adagrad", {"lr_decay": 0.1}),
    ("Adadelta", {}),
    ("Rprop", {}),
    ("ASGD", {"t0": 3}),
    ("Muon", {}),
    ("SGD", {"momentum": 0.9}),
]


def parameter(*values):
    return nn.Parameter(tg.tensor(values, dtype=tg.float64))


def after_one_step(name, gradient=2.0, **settings):
    """Where W = 1 is after one step with this gradient."""
    W = parameter(1.0)
    W.grad = tg.tensor([gradient], dtype=tg.float64)
    getattr(optim, name)([W], **settings).step()
    return W.item()


@pytest.mark.parametrize("name", ["Adam", "Adamax", "Adagrad", "Rprop"])
def test_the_first_step_has_the_length_lr(name):
    """M / sqrt(V), G / U, G / sqrt(G**2) and the sign are 1 then, whatever the gradient."""
    for gradient in (2.0, -1e-3):
        moved = 1 - after_one_step(name, gradient, lr=0.25)
        assert moved == pytest.approx(np.copysign(0.25, gradient), rel=1e-4)  # eps / 1e-3 for Adam


def test_other_first_steps_by_hand():
    """V is (1 - alpha) G**2 in RMSprop; RAdam has plain momentum, Adadelta steps from sqrt(eps), ASGD decays."""
    assert after_one_step("RMSprop", lr=0.25, alpha=0.75, eps=0.0) == pytest.approx(1 - 0.25 * 2 / np.sqrt(0.25 * 4))
    assert after_one_step("RAdam", lr=0.25) == pytest.approx(1 - 0.25 * 2)
    delta = np.sqrt(1e-6) / np.sqrt(0.5 * 4 + 1e-6) * 2
    assert after_one_step("Adadelta", rho=0.5) == pytest.approx(1 - delta)
    assert after_one_step("ASGD", lr=0.25, lambd=0.5) == pytest.approx((1 - 0.5 * 0.25) - 0.25 * 2)
    assert after_one_step("AdamW", lr=0.25, weight_decay=0.5) == pytest.approx(1 - 0.25 * 0.5 - 0.25)


def test_muon_steps_along_a_rotation(rng):
    """Whatever the gradient's singular values, those of the step are near lr, in its own directions."""
    W = nn.Parameter(tg.zeros(4, 3, dtype=tg.float64))
    G = rng.standard_normal((4, 3)) @ np.diag([100.0, 1.0, 0.1])
    W.grad = tg.tensor(G)
    optim.Muon([W], lr=1.0, weight_decay=0.0).step()
    U, _, V = np.linalg.svd(G, full_matrices=False)
    S = U.T @ -W.detach().numpy() @ V.T / np.sqrt(4 / 3)
    np.testing.assert_allclose(S[:2, :2], np.eye(2), atol=0.35)  # the method's own range is 0.7 to 1.2


class Training:
    """A network of a few weights and an optimizer."""

    def __init__(self, name, settings, dtype=tg.float32):
        tg.manual_seed(0)
        self.X, self.Y = tg.randn(6, 3).to(dtype), tg.randn(6, 1).to(dtype)
        bias = name != "Muon"
        self.model = nn.Sequential(nn.Linear(3, 4, bias=bias), nn.Tanh(), nn.Linear(4, 1, bias=bias)).to(dtype)
        self.optimizer = getattr(optim, name)(self.model.parameters(), **settings)

    def step(self):
        self.optimizer.zero_grad()
        loss = nn.functional.mse_loss(self.model(self.X), self.Y)
        loss.backward()
        self.optimizer.step()
        return loss

    def everything(self):
        """All numbers that a step changes."""
        found = [p.detach().numpy().copy() for p in self.model.parameters()]
        for p in self.model.parameters():
            found += [value.numpy().copy() for value in self.optimizer.state[p].values()]
        return found


def assert_same(a, b):
    for x, y in zip(a.everything(), b.everything(), strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize(("name", "settings"), SETTINGS, ids=str)
@pytest.mark.parametrize("dtype", [tg.float32, tg.float64], ids=str)
def test_a_traced_step_is_the_eager_one_bit_for_bit(name, settings, dtype):
    """A step recorded after the first, run twelve times, with lr and betas changed on the way."""
    traced, eager = Training(name, settings, dtype), Training(name, settings, dtype)
    traced.step()
    eager.step()
    before = traced.everything()
    program = trace(traced.step)
    for x, y in zip(before, traced.everything(), strict=True):
        np.testing.assert_array_equal(x, y)
    for number in range(12):
        if number == 5:
            for training in (traced, eager):
                group = training.optimizer.param_groups[0]
                group["lr"] = 0.05
                if "betas" in group:
                    group["betas"] = (0.8, 0.99)
        assert program().item() == eager.step().item()
        assert_same(traced, eager)


@pytest.mark.parametrize("name", sorted({name for name, _ in SETTINGS} - {"Adagrad", "SGD"}))
def test_a_first_step_makes_the_state_when_its_program_runs(name):
    """The trace leaves the state empty; the program's one run gives what the eager step gives."""
    traced, eager = Training(name, {}), Training(name, {})
    program = trace(traced.step)
    assert not traced.optimizer.state
    assert program().item() == eager.step().item()
    assert_same(traced, eager)
    with pytest.raises(tg.TraceError, match="has been made since the trace"):
        program()


def test_adagrad_can_be_traced_from_the_first_step():
    """Its state is made with the optimizer."""
    traced, eager = Training("Adagrad", {}), Training("Adagrad", {})
    program = trace(traced.step)
    for _ in range(3):
        assert program().item() == eager.step().item()
    assert_same(traced, eager)


@pytest.mark.parametrize(("name", "settings"), SETTINGS, ids=str)
@pytest.mark.parametrize("dtype", [tg.float32, tg.float64], ids=str)
def test_training_goes_on_bit_for_bit_from_a_state_dict(name, settings, dtype):
    """Ten steps, a pickled state_dict, ten steps in a new optimizer: the same bits as without."""
    first, second = Training(name, settings, dtype), Training(name, settings, dtype)
    for _ in range(10):
        first.step()
    second.model.load_state_dict(first.model.state_dict())
    second.optimizer.load_state_dict(pickle.loads(pickle.dumps(first.optimizer.state_dict())))
    for _ in range(10):
        assert first.step().item() == second.step().item()
    assert_same(first, second)


@pytest.mark.parametrize(("name", "settings"), SETTINGS, ids=str)
def test_parameters_and_state_stay_the_same_arrays(name, settings):
    """Steps write in place: whoever holds the memory sees them."""
    training = Training(name, settings)
    training.step()
    held = [p.detach() for p in training.model.parameters()]
    states = [dict(state) for state in training.optimizer.state.values()]
    arrays = [value.numpy() for state in states for value in state.values()]
    training.step()
    for p, view in zip(training.model.parameters(), held, strict=True):
        assert np.shares_memory(p.detach().numpy(), view.numpy())
    now = [value.numpy() for state in training.optimizer.state.values() for value in state.values()]
    assert all(a is b for a, b in zip(arrays, now, strict=True))


@pytest.mark.parametrize("name", sorted({name for name, _ in SETTINGS}))
def test_gradients_are_left_as_they_are(name):
    """No rule writes into .grad, or keeps its memory."""
    training = Training(name, {})
    for _ in range(3):
        training.step()
        grads = [p.grad.numpy() for p in training.model.parameters()]
        copies = [g.copy() for g in grads]
        training.optimizer.step()
        for g, c in zip(grads, copies, strict=True):
            np.testing.assert_array_equal(g, c)
        state = [value.numpy() for entry in training.optimizer.state.values() for value in entry.values()]
        assert not any(np.shares_memory(g, s) for g in grads for s in state)


def test_counts_are_float32_and_averages_of_the_parameter_s_dtype():
    """As in PyTorch, also after loading into a model of another precision."""
    training = Training("NAdam", {}, tg.float64)
    training.step()
    other = Training("NAdam", {}, tg.float32)
    other.optimizer.load_state_dict(training.optimizer.state_dict())
    for entry, dtype in ((training, tg.float64), (other, tg.float32)):
        state = entry.optimizer.state[entry.model[0].weight]
        assert [state[k].dtype for k in ("step", "mu_product", "exp_avg")] == [tg.float32, tg.float32, dtype]
        assert state["step"].shape == ()


def test_old_states_with_plain_counts_are_taken():
    """PyTorch once kept the step as a Python number."""
    training = Training("Adam", {})
    training.step()
    saved = training.optimizer.state_dict()
    for entry in saved["state"].values():
        entry["step"] = int(entry["step"].item())
    other = Training("Adam", {})
    other.optimizer.load_state_dict(saved)
    assert other.optimizer.state[other.model[0].weight]["step"].dtype == tg.float32


def test_adamw_stays_adamw():
    """Adam's state is taken over, its way of decaying weights is not."""
    adam, adamw = Training("Adam", {}), Training("AdamW", {})
    adam.step()
    adamw.optimizer.load_state_dict(adam.optimizer.state_dict())
    assert adamw.optimizer.param_groups[0]["decoupled_weight_decay"] is True
    assert isinstance(adamw.optimizer, optim.Adam)


def test_a_parameter_that_needs_no_change_is_left():
    """Without a gradient there is no step, no decay and no state."""
    W, V = parameter(1.0), parameter(1.0)
    optimizer = optim.AdamW([W, V], weight_decay=0.5)
    W.grad = tg.tensor([1.0], dtype=tg.float64)
    optimizer.step()
    assert V.item() == 1.0
    assert list(optimizer.state) == [W]


@pytest.mark.parametrize("name", sorted({name for name, _ in SETTINGS} - {"Muon", "SGD"}))
@pytest.mark.parametrize("gradient", [0.0, 1e30, float("inf"), float("nan")])
def test_gradients_out_of_range_pass_in_silence(name, gradient):
    """Rules say nothing of them, as backward says nothing: the step is what the formulas give."""
    W = nn.Parameter(tg.ones(1))
    optimizer = getattr(optim, name)([W])
    for _ in range(2):
        W.grad = tg.tensor([gradient])
        optimizer.step()
    if gradient == 0.0:
        assert W.item() == pytest.approx(1.0, abs=1e-4)  # AdamW and ASGD decay


def test_empty_parameters():
    """A parameter without elements takes part."""
    W = nn.Parameter(tg.zeros(0, 3))
    W.grad = tg.zeros(0, 3)
    optimizer = optim.Adam([W])
    optimizer.step()
    assert optimizer.state[W]["step"].item() == 1


# --- the learning rate as a tensor


def test_a_learning_rate_may_be_a_tensor():
    """It is read at every step, and gives the bits that the number gives."""
    rate = tg.tensor(0.25, dtype=tg.float64)
    assert after_one_step("Adam", lr=rate) == after_one_step("Adam", lr=0.25)
    with pytest.raises(ValueError, match="Tensor lr must be 1-element"):
        after_one_step("Adam", lr=tg.ones(2))


# --- hooks


def test_step_hooks():
    """Before and after each step, until removed; the first may exchange the arguments."""
    training = Training("Adam", {})
    seen = []
    before = training.optimizer.register_step_pre_hook(lambda o, args, kwargs: seen.append("before"))
    after = training.optimizer.register_step_post_hook(lambda o, args, kwargs: seen.append("after"))
    training.step()
    assert seen == ["before", "after"]
    before.remove()
    after.remove()
    training.step()
    assert len(seen) == 2
    training.optimizer.register_step_pre_hook(lambda o, args, kwargs: ((lambda: "loss",), {}))
    assert training.optimizer.step() == "loss"
    training.optimizer.register_step_pre_hook(lambda o, args, kwargs: 1)
    with pytest.raises(RuntimeError, match="must return None or a tuple"):
        training.optimizer.step()


def test_state_dict_hooks():
    """They may exchange the state_dict; prepend puts a hook first."""
    optimizer = Training("Adam", {}).optimizer
    seen = []
    optimizer.register_state_dict_pre_hook(lambda o: seen.append(1))
    optimizer.register_state_dict_pre_hook(lambda o: seen.append(0), prepend=True)
    optimizer.register_state_dict_post_hook(lambda o, d: {**d, "note": "kept"})
    optimizer.register_load_state_dict_pre_hook(lambda o, d: seen.append(d["note"]))
    optimizer.register_load_state_dict_post_hook(lambda o: seen.append("loaded"))
    optimizer.load_state_dict(optimizer.state_dict())
    assert seen == [0, 1, "kept", "loaded"]


def test_copies_have_no_hooks():
    """As in PyTorch: what a pickle holds is settings and state."""
    optimizer = Training("Adam", {}).optimizer
    optimizer.register_step_pre_hook(lambda o, args, kwargs: 1)
    assert copy.deepcopy(optimizer).step() is None


def test_an_optimizer_of_one_s_own():
    """A subclass that defines step, as PyTorch's users write it, gets hooks and schedules too."""

    class Signs(optim.Optimizer):
        def __init__(self, params, lr=0.5):
            super().__init__(params, {"lr": lr})

        @tg.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    p.add_(p.grad.sign(), alpha=-group["lr"])

    W = parameter(1.0)
    W.grad = tg.tensor([3.0], dtype=tg.float64)
    optimizer, seen = Signs([W]), []
    optimizer.register_step_post_hook(lambda o, args, kwargs: seen.append(1))
    schedule = optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    optimizer.step()
    schedule.step()
    optimizer.step()
    assert W.item() == 1 - 0.5 - 0.25
    assert len(seen) == 2


# --- what is refused


def test_differentiable_steps_are_refused():
    """By every optimizer that has the setting in PyTorch, with the way out."""
    for name in ("Adam", "AdamW", "Adamax", "NAdam", "RAdam", "RMSprop", "Adagrad", "Adadelta", "Rprop", "ASGD"):
        with pytest.raises(ValueError, match=f"{name}: differentiable=True is not supported; write the update"):
            getattr(optim, name)([parameter(1.0)], differentiable=True)


def test_muon_takes_matrices_only():
    """Also in a group that is added later."""
    with pytest.raises(ValueError, match=r"only supports 2D parameters .* Size\(\[1\]\)"):
        optim.Muon([parameter(1.0)])
    optimizer = optim.Muon([nn.Parameter(tg.zeros(2, 2))])
    with pytest.raises(ValueError, match="2D"):
        optimizer.add_param_group({"params": [parameter(1.0)]})
    assert len(optimizer.param_groups) == 1
