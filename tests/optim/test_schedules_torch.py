"""Every schedule against PyTorch: the very same numbers, epoch by epoch, and the same states."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import tinygrad_edu as tg

torch = pytest.importorskip("torch", reason="PyTorch is not installed")


def power(epoch):
    return 0.9**epoch


def inverse(x):
    return 1 / (1 + x)


SCHEDULES = [
    ("StepLR", {"step_size": 3, "gamma": 0.3}),
    ("MultiStepLR", {"milestones": [2, 2, 5], "gamma": 0.3}),
    ("ConstantLR", {}),
    ("ConstantLR", {"factor": 0.2, "total_iters": 0}),
    ("LinearLR", {"start_factor": 0.3, "end_factor": 0.8, "total_iters": 7}),
    ("ExponentialLR", {"gamma": 0.9}),
    ("CosineAnnealingLR", {"T_max": 5, "eta_min": 0.01}),
    ("CosineAnnealingWarmRestarts", {"T_0": 3}),
    ("CosineAnnealingWarmRestarts", {"T_0": 3, "T_mult": 2, "eta_min": 0.01}),
    ("PolynomialLR", {"total_iters": 6, "power": 2.0}),
    ("LambdaLR", {"lr_lambda": power}),
    ("LambdaLR", {"lr_lambda": [power, inverse]}),
    ("MultiplicativeLR", {"lr_lambda": inverse}),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 30}),
    (
        "OneCycleLR",
        {"max_lr": [0.5, 0.3], "epochs": 5, "steps_per_epoch": 6, "three_phase": True, "anneal_strategy": "linear"},
    ),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 30, "cycle_momentum": False, "pct_start": 0.5}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.5, "step_size_up": 4}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.5, "step_size_up": 4, "step_size_down": 3, "mode": "triangular2"}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": [0.5, 0.2], "step_size_up": 4, "mode": "exp_range", "gamma": 0.9}),
    (
        "CyclicLR",
        {"base_lr": 0.01, "max_lr": 0.5, "step_size_up": 4, "scale_fn": inverse, "scale_mode": "iterations"},
    ),
    ("SWALR", {"swa_lr": 0.05}),
    ("SWALR", {"swa_lr": [0.05, 0.01], "anneal_epochs": 5, "anneal_strategy": "linear"}),
    ("SWALR", {"swa_lr": 0.2, "anneal_epochs": 0}),
]


def make(lib, name, settings, rule="SGD"):
    params = [lib.nn.Parameter(lib.zeros(1)) for _ in range(2)]
    groups = [{"params": params[:1]}, {"params": params[1:], "lr": 0.7}]
    optimizer = getattr(lib.optim, rule)(groups, lr=0.1, **({"momentum": 0.9} if rule == "SGD" else {}))
    home = lib.optim.swa_utils if name == "SWALR" else lib.optim.lr_scheduler
    return optimizer, getattr(home, name)(optimizer, **settings)


def trail(optimizer, schedule, epochs):
    """What the schedule says, what the groups have, and the momentum, before each of these steps."""
    found = []
    for epoch in epochs:
        optimizer.step()
        settings = [(group["lr"], group.get("momentum", group.get("betas"))) for group in optimizer.param_groups]
        found.append((schedule.get_last_lr(), settings, schedule.last_epoch))
        with warnings.catch_warnings():  # of epoch=
            warnings.simplefilter("ignore")
            schedule.step(*epoch)
    return found


@pytest.mark.parametrize("rule", ["SGD", "Adam"])
@pytest.mark.parametrize(("name", "settings"), SCHEDULES, ids=str)
def test_twenty_five_epochs(name, settings, rule):
    """Learning rates and momenta are equal to the last bit, and the states have the same keys."""
    ours, theirs = (make(lib, name, settings, rule) for lib in (tg, torch))
    assert trail(*ours, [()] * 25) == trail(*theirs, [()] * 25)
    surplus = {"anneal_func"}  # a function, which PyTorch stores with some schedules
    assert set(ours[1].state_dict()) | surplus == set(theirs[1].state_dict()) | surplus


@pytest.mark.parametrize(("name", "settings"), SCHEDULES, ids=str)
def test_any_epoch(name, settings):
    """step(epoch) goes where PyTorch goes."""
    epochs = [(e * 3 % 17,) for e in range(20)]
    ours, theirs = (trail(*make(lib, name, settings), epochs) for lib in (tg, torch))
    assert ours == theirs


@pytest.mark.parametrize(("name", "settings"), SCHEDULES, ids=str)
def test_resuming_from_pytorch_s_state(name, settings):
    """Optimizer's and schedule's state after seven epochs there, eight more here: as without a break."""
    there, schedule = make(torch, name, settings)
    trail(there, schedule, [()] * 7)
    here, ours = make(tg, name, settings)
    ours.load_state_dict(schedule.state_dict())
    here.load_state_dict(there.state_dict())
    assert trail(here, ours, [()] * 8) == trail(there, schedule, [()] * 8)


def sequence(lib, optimizer):
    s = lib.optim.lr_scheduler
    parts = [s.LinearLR(optimizer, 0.1, total_iters=4), s.CosineAnnealingLR(optimizer, 10), s.StepLR(optimizer, 2)]
    return s.SequentialLR(optimizer, parts, [4, 12])


def chain(lib, optimizer):
    s = lib.optim.lr_scheduler
    return s.ChainedScheduler([s.ConstantLR(optimizer, 0.1, 4), s.ExponentialLR(optimizer, 0.9)])


def nested(lib, optimizer):
    s = lib.optim.lr_scheduler
    return s.SequentialLR(optimizer, [chain(lib, optimizer), s.StepLR(optimizer, 2)], [6])


@pytest.mark.parametrize("build", [sequence, chain, nested])
def test_schedules_of_schedules(build):
    """One after the other, all at once, and the one within the other."""
    found = []
    for lib in (tg, torch):
        optimizer, _ = make(lib, "LambdaLR", {"lr_lambda": lambda epoch: 1.0})
        with warnings.catch_warnings():  # a chain in a sequence is stepped at once, of which both warn
            warnings.simplefilter("ignore")
            schedule = build(lib, optimizer)
        rates = []
        for _ in range(20):
            optimizer.step()
            rates.append(schedule.get_last_lr())
            schedule.step()
        found.append((rates, set(schedule.state_dict()), [set(s) for s in schedule.state_dict()["_schedulers"]]))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "settings",
    [
        {"patience": 2},
        {
            "patience": 1,
            "cooldown": 2,
            "min_lr": [0.01, 0.02],
            "mode": "max",
            "threshold": 0.1,
            "threshold_mode": "abs",
        },
        {"factor": 0.5, "patience": 0, "mode": "max"},
        {"threshold_mode": "abs", "patience": 1, "threshold": 1.5},
    ],
    ids=str,
)
def test_plateaus(settings):
    """30 epochs of a figure that falls in steps."""
    found = []
    for lib in (tg, torch):
        optimizer, schedule = make(lib, "ReduceLROnPlateau", settings)
        for epoch in range(30):
            schedule.step([5, 4, 4, 4, 3, 3, 3, 3, 3, 2][epoch % 10])
            found.append((lib, schedule.get_last_lr(), schedule.num_bad_epochs, schedule.best, schedule.in_cooldown))
        assert schedule.get_last_lr() == [group["lr"] for group in optimizer.param_groups]
        found.append((lib, sorted(schedule.state_dict())))
    half = len(found) // 2
    assert [entry[1:] for entry in found[:half]] == [entry[1:] for entry in found[half:]]


MISTAKES = [
    ("ConstantLR", {"factor": 1.5}),
    ("LinearLR", {"start_factor": 0.0}),
    ("LinearLR", {"end_factor": 1.5}),
    ("LambdaLR", {"lr_lambda": [power]}),
    ("MultiplicativeLR", {"lr_lambda": 0.5}),
    ("CosineAnnealingWarmRestarts", {"T_0": 0}),
    ("CosineAnnealingWarmRestarts", {"T_0": 3, "T_mult": 0}),
    ("CosineAnnealingWarmRestarts", {"T_0": 3, "eta_min": "0"}),
    ("OneCycleLR", {"max_lr": 0.1}),
    ("OneCycleLR", {"max_lr": 0.1, "total_steps": 0}),
    ("OneCycleLR", {"max_lr": 0.1, "total_steps": 10, "pct_start": 2.0}),
    ("OneCycleLR", {"max_lr": 0.1, "total_steps": 10, "anneal_strategy": "log"}),
    ("OneCycleLR", {"max_lr": [0.1], "total_steps": 10}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 0.2, "mode": "square"}),
    ("ReduceLROnPlateau", {"factor": 1.0}),
    ("ReduceLROnPlateau", {"mode": "least"}),
    ("ReduceLROnPlateau", {"threshold_mode": "other"}),
    ("ReduceLROnPlateau", {"min_lr": [0.1]}),
    ("ExponentialLR", {"gamma": 0.9, "last_epoch": 3}),
    ("SWALR", {"swa_lr": 0.1, "anneal_strategy": "log"}),
    ("SWALR", {"swa_lr": 0.1, "anneal_epochs": -1}),
    ("SequentialLR", {"schedulers": [], "milestones": []}),
]


@pytest.mark.parametrize(("name", "settings"), MISTAKES, ids=str)
def test_what_pytorch_refuses_is_refused(name, settings):
    """With the same class of exception."""
    with pytest.raises((ValueError, TypeError, KeyError)) as expected:
        make(torch, name, settings)
    with pytest.raises(expected.type) as error:
        make(tg, name, settings)
    assert str(error.value)[:20] == str(expected.value)[:20]


@pytest.mark.parametrize("name", ["OneCycleLR", "CyclicLR"])
def test_a_cycle_needs_momentum(name):
    """Of an optimizer that has none."""
    settings = {"max_lr": 1.0, **({"total_steps": 5} if name == "OneCycleLR" else {"base_lr": 0.1})}
    for lib in (tg, torch):
        with pytest.raises(ValueError, match="must support momentum or beta1"):
            make(lib, name, settings, "Adagrad")


# --- averages of models


def averages(lib, **settings):
    """Parameters and a buffer after five updates of a model that moves."""
    rng = np.random.default_rng(0)
    model = lib.nn.Sequential(lib.nn.Linear(2, 3), lib.nn.BatchNorm1d(3))
    utils = lib.optim.swa_utils
    average = utils.AveragedModel(model, **{key: make(utils) for key, make in settings.items()})
    for _ in range(5):
        with lib.no_grad():
            for tensor in (*model.parameters(), model[1].running_mean):
                tensor.copy_(lib.tensor(rng.standard_normal(tuple(tensor.shape)).astype("float32")))
            model[1].num_batches_tracked.add_(7)
        average.update_parameters(model)
    return {key: value.numpy() for key, value in average.state_dict().items()}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"use_buffers": lambda u: True},
        {"avg_fn": lambda u: u.get_ema_avg_fn(0.9)},
        {"multi_avg_fn": lambda u: u.get_ema_multi_avg_fn(0.9), "use_buffers": lambda u: True},
        {"avg_fn": lambda u: u.get_swa_avg_fn()},
        {"multi_avg_fn": lambda u: u.get_swa_multi_avg_fn()},
    ],
    ids=lambda s: " ".join(s),
)
def test_averaged_models(settings):
    """Means and exponential means of parameters, with and without buffers, under the same names."""
    ours, theirs = (averages(lib, **settings) for lib in (tg, torch))
    assert list(ours) == list(theirs)
    for key, value in theirs.items():
        assert ours[key].dtype == value.dtype
        np.testing.assert_allclose(ours[key], value, rtol=1e-5, atol=1e-6)  # float32, in another order


def test_statistics_of_the_data(rng):
    """update_bn gives BatchNorm layers the plain mean over all batches, and leaves momentum and mode alone."""
    batches = [rng.standard_normal((4, 3)).astype("float32") for _ in range(3)]
    found = []
    for lib in (tg, torch):
        lib.manual_seed(0)
        model = lib.nn.Sequential(lib.nn.Linear(3, 2), lib.nn.BatchNorm1d(2)).eval()
        lib.optim.swa_utils.update_bn([(lib.tensor(b), None) for b in batches], model)
        assert (model.training, model[1].momentum) == (False, 0.1)
        found.append([model[1].running_mean.numpy(), model[1].running_var.numpy()])
    for mine, expected in zip(*found, strict=True):
        np.testing.assert_allclose(mine, expected, rtol=1e-5)  # float32
