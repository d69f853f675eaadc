"""Schedules: by hand, resumed, in a traced step, and what they warn of."""

from __future__ import annotations

import pickle
import warnings

import pytest

import tinygrad_edu as tg
from tinygrad_edu import nn, optim
from tinygrad_edu.optim import lr_scheduler
from tinygrad_edu.symbolic import trace


def optimizer(lr=1.0):
    W = nn.Parameter(tg.ones(1))
    W.grad = tg.ones(1)
    return optim.SGD([W], lr=lr, momentum=0.5)


def rates(schedule, epochs):
    found = []
    for _ in range(epochs):
        schedule.optimizer.step()
        found.append(schedule.get_last_lr()[0])
        schedule.step()
    return found


# Powers of two: exact


def test_rates_by_hand():
    """Steps, milestones, powers, a constant start, a line."""
    assert rates(lr_scheduler.StepLR(optimizer(), 2, gamma=0.5), 5) == [1, 1, 0.5, 0.5, 0.25]
    assert rates(lr_scheduler.MultiStepLR(optimizer(), [1, 3, 3], gamma=0.5), 5) == [1, 0.5, 0.5, 0.125, 0.125]
    assert rates(lr_scheduler.ExponentialLR(optimizer(), 0.5), 4) == [1, 0.5, 0.25, 0.125]
    assert rates(lr_scheduler.ConstantLR(optimizer(), 0.25, 2), 4) == [0.25, 0.25, 1, 1]
    assert rates(lr_scheduler.LinearLR(optimizer(), 0.5, 1.0, 2), 4) == [0.5, 0.75, 1, 1]
    assert rates(lr_scheduler.CosineAnnealingLR(optimizer(), 2), 3) == pytest.approx([1, 0.5, 0])


def test_a_schedule_keeps_what_others_do():
    """Multiplying schedules leave a change from outside in force."""
    schedule = lr_scheduler.ExponentialLR(optimizer(), 0.5)
    rates(schedule, 1)
    schedule.optimizer.param_groups[0]["lr"] = 8.0
    assert rates(schedule, 2) == [0.5, 4.0]


def test_resuming_from_states():
    """Optimizer's and schedule's state_dicts, pickled, go on as without a break; functions are one's own."""
    for build in (
        lambda o: lr_scheduler.OneCycleLR(o, 0.5, total_steps=20),
        lambda o: lr_scheduler.LambdaLR(o, lambda epoch: 0.9**epoch),
        lambda o: lr_scheduler.SequentialLR(
            o, [lr_scheduler.LinearLR(o), lr_scheduler.CosineAnnealingLR(o, 5)], milestones=[3]
        ),
    ):
        one = build(optimizer())
        rates(one, 5)
        saved = pickle.loads(pickle.dumps((one.state_dict(), one.optimizer.state_dict())))
        two = build(optimizer())
        two.load_state_dict(saved[0])
        two.optimizer.load_state_dict(saved[1])
        assert rates(one, 6) == rates(two, 6)


def test_functions_that_hold_something_are_saved():
    """Of a callable object the state has what it holds."""

    class Factor:
        def __init__(self, base):
            self.base = base

        def __call__(self, epoch):
            return self.base**epoch

    saved = lr_scheduler.LambdaLR(optimizer(), Factor(0.5)).state_dict()
    other = lr_scheduler.LambdaLR(optimizer(), Factor(0.9))
    other.load_state_dict(saved)
    assert other.lr_lambdas[0].base == 0.5


def test_a_learning_rate_that_is_a_tensor_stays_one():
    """It is written in place; what get_last_lr gives are copies."""
    rate = tg.tensor(1.0)
    schedule = lr_scheduler.ExponentialLR(optimizer(rate), 0.5)
    found = rates(schedule, 3)
    assert [r.item() for r in found] == [1, 0.5, 0.25]
    assert schedule.optimizer.param_groups[0]["lr"] is rate


def test_a_traced_step_follows_the_schedule():
    """The program reads the rate, and the betas that a cycle sets, at every run."""

    def training():
        tg.manual_seed(0)
        model = nn.Linear(3, 1)
        rule = optim.Adam(model.parameters())
        schedule = lr_scheduler.OneCycleLR(rule, 0.5, total_steps=20)

        def step():
            rule.zero_grad()
            loss = (model(tg.ones(2, 3)) ** 2).sum()
            loss.backward()
            rule.step()
            return loss

        step()
        schedule.step()
        return step, schedule

    (step, schedule), (eager, eager_schedule) = training(), training()
    program = trace(step)
    for _ in range(15):
        assert program().item() == eager().item()
        schedule.step()
        eager_schedule.step()


# --- warnings


def test_a_step_before_the_optimizer_s():
    """Is warned of, once; after optimizer.step() nothing is said."""
    schedule = lr_scheduler.ExponentialLR(optimizer(), 0.5)
    with pytest.warns(UserWarning, match=r"`lr_scheduler.step\(\)` before `optimizer.step\(\)`"):
        schedule.step()
    schedule.step()
    stepped = optimizer()
    stepped.step()  # before there is a schedule: doesn't count
    schedule = lr_scheduler.ExponentialLR(stepped, 0.5)
    with pytest.warns(UserWarning, match="Detected call"):
        schedule.step()


def test_a_step_that_was_exchanged():
    """Is warned of: whether it is called can't be seen."""
    rule = optimizer()
    schedule = lr_scheduler.ExponentialLR(rule, 0.5)
    rule.step = lambda: None
    with pytest.warns(UserWarning, match="has been overridden"):
        schedule.step()


def test_get_lr_is_for_step():
    """Called by hand it would be taken for the present rate."""
    schedule = lr_scheduler.ExponentialLR(optimizer(), 0.5)
    with pytest.warns(UserWarning, match=r"please use `get_last_lr\(\)`"):
        schedule.get_lr()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        schedule.get_last_lr()


def test_epochs_are_being_given_up():
    """step(epoch) works, with PyTorch's warning."""
    schedule = lr_scheduler.ExponentialLR(optimizer(), 0.5)
    schedule.optimizer.step()
    with pytest.warns(UserWarning, match="The epoch parameter"):
        schedule.step(3)
    assert schedule.get_last_lr() == [0.125]


def test_what_is_refused():
    """No optimizer, schedules of several, more steps than announced, a plateau in a sequence."""
    with pytest.raises(TypeError, match="list is not an Optimizer"):
        lr_scheduler.StepLR([], 3)
    one, two = optimizer(), optimizer()
    with pytest.raises(ValueError, match="belong to the same optimizer"):
        lr_scheduler.ChainedScheduler([lr_scheduler.StepLR(one, 3), lr_scheduler.StepLR(two, 3)])
    with pytest.raises(ValueError, match="does not support `ReduceLROnPlateau`"):
        lr_scheduler.SequentialLR(one, [lr_scheduler.ReduceLROnPlateau(one)], [])
    schedule = lr_scheduler.OneCycleLR(one, 0.5, total_steps=3)
    rates(schedule, 3)
    with pytest.raises(ValueError, match=r"Tried to step 4 times\. The specified number of total steps is 3"):
        schedule.step()


def test_averaging_takes_one_function():
    """Not two."""
    utils = optim.swa_utils
    with pytest.raises(AssertionError, match="Only one of avg_fn and multi_avg_fn"):
        utils.AveragedModel(nn.Linear(1, 1), avg_fn=utils.get_swa_avg_fn(), multi_avg_fn=utils.get_swa_multi_avg_fn())
    with pytest.raises(ValueError, match=r"Invalid decay value 1\.5"):
        utils.get_ema_avg_fn(1.5)
