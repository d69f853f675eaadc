"""A task, told once in PyTorch's names and once as a function of its parameters, and who can do it.

A training step is forward, backward and update, on a batch that is handed in: a loop over a data set does the same.
Each function below gives the step of one library, said as its own users say it: whole steps under `jit`, where it
compiles whole steps; the loss and the update under torch.compile, which does not take backward().

Not here: NumPy by hand and the floor, which each workload says itself.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from . import dialects
from .harness import Absent, Step, Workload
from .workloads.by_hand import updates

Array = np.ndarray[Any, Any]
Loss = Callable[..., Any]


@dataclasses.dataclass(frozen=True)
class Task:
    """What is trained.

    Args:
        batch: the arrays that a step is handed.
        parameters: initial values, in the order of the model's parameters.
        script: `script(torch, nn)` gives the parameters, as Tensors of the same shapes, and `loss(*batch)`.
        cost: `cost(xp, parameters, *batch)`, in the words of benchmarks.dialects; None where nobody can say it.
        rule: the optimizer's name; "" where nothing is updated and the gradients are all that is asked for.
        rate: its learning rate.
    """

    batch: Callable[[], tuple[Array, ...]]
    parameters: Callable[[], list[Array]]
    script: Callable[[Any, Any], tuple[Any, Loss]]
    cost: Callable[..., Any] | None = None
    rule: str = "SGD"
    rate: float = 0.01


def enter(workload: Workload, task: Task, without: tuple[str, ...] = ()) -> None:
    """Give a workload the contenders that need no code of their own; `without` names libraries that can't say it."""
    for name, build in BUILDERS.items():
        if name not in without and (task.cost is not None or name not in FUNCTIONAL):
            workload.contender(name)(functools.partial(build, task))


# --- PyTorch's names: one script


def _scripted(task: Task, torch: Any, nn: Any, optim: Any) -> tuple[Loss, Any, tuple[Any, ...]]:
    """The loss, the optimizer (or None) and the batch, from the same initial values everywhere."""
    parameters, loss = task.script(torch, nn)
    parameters = list(parameters)
    with torch.no_grad():
        for p, value in zip(parameters, task.parameters(), strict=True):
            p.copy_(torch.from_numpy(value))
    torch.ones(8, 8) @ torch.ones(8, 8)  # BLAS makes its threads and buffers before memory is measured
    optimizer = getattr(optim, task.rule)(parameters, lr=task.rate) if task.rule else _Forgetting(parameters)
    return loss, optimizer, tuple(torch.tensor(a) for a in task.batch())


class _Forgetting:
    """In an optimizer's place where nothing is updated: gradients start at None."""

    def __init__(self, parameters: list[Any]) -> None:
        self.parameters = parameters

    def zero_grad(self) -> None:
        for p in self.parameters:
            p.grad = None

    def step(self) -> None:
        pass


def _step(loss: Loss, optimizer: Any, update: Callable[[], Any]) -> Loss:
    def step(*batch: Any) -> Any:
        optimizer.zero_grad()
        L = loss(*batch)
        L.backward()
        update()
        return L

    return step


def tinygrad_edu(task: Task) -> Step:
    import tinygrad_edu as torch
    from tinygrad_edu import nn, optim

    loss, optimizer, batch = _scripted(task, torch, nn, optim)
    step = _step(loss, optimizer, optimizer.step)
    return lambda: step(*batch)


def tinygrad_edu_compiled(task: Task, **options: Any) -> Step:
    import tinygrad_edu as torch
    from tinygrad_edu import nn, optim

    if not hasattr(torch, "compile"):
        raise Absent("tinygrad_edu.compile is not here yet")
    loss, optimizer, batch = _scripted(task, torch, nn, optim)
    gradients = not task.rule  # where nothing is updated they are what is asked for
    compiled = torch.compile(_step(loss, optimizer, optimizer.step), grads=gradients, **options)

    def step() -> Any:
        try:
            return compiled(*batch)
        except (torch.TraceError, NotImplementedError) as error:
            raise Absent(f"refused: {str(error).splitlines()[0]}") from error

    return step


def tinygrad_edu_numba(task: Task) -> Step:
    try:
        import numba  # noqa: F401  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError:
        raise Absent("numba is not installed") from None
    try:
        return tinygrad_edu_compiled(task, engine="numba")
    except (TypeError, ValueError, NotImplementedError) as error:
        raise Absent(f"no engine of that name: {error}") from error


def torch_eager(task: Task) -> Step:
    import torch
    from torch import nn, optim

    loss, optimizer, batch = _scripted(task, torch, nn, optim)
    step = _step(loss, optimizer, optimizer.step)
    return lambda: step(*batch)


def torch_compiled(task: Task) -> Step:
    """The loss and the update compiled: Dynamo leaves a function at its backward()."""
    import shutil

    import torch
    from torch import nn, optim

    if not any(map(shutil.which, ("g++", "clang++"))):
        raise Absent("torch.compile needs a C++ compiler")
    loss, optimizer, batch = _scripted(task, torch, nn, optim)
    step = _step(torch.compile(loss), optimizer, torch.compile(optimizer.step) if task.rule else optimizer.step)
    return lambda: step(*batch)


# --- functional libraries: one cost


def jax(task: Task) -> Step:
    import jax
    import jax.numpy as jnp

    cost = functools.partial(_cost(task), dialects.jax())
    batch = [jnp.asarray(a) for a in task.batch()]
    parameters = [jnp.asarray(p) for p in task.parameters()]
    slope = jax.value_and_grad(cost)
    if not task.rule:
        slope = jax.jit(slope)
        return lambda: jax.block_until_ready(slope(parameters, *batch))[0]

    state = [jnp.zeros_like(p) for p in parameters * 2] if task.rule == "Adam" else []

    def update(parameters: Any, state: Any, t: Any, *batch: Any) -> Any:
        L, gradients = slope(parameters, *batch)
        if not state:
            return L, [W - task.rate * dW for W, dW in zip(parameters, gradients, strict=True)], state
        n = len(parameters)
        V1 = [0.9 * V + 0.1 * G for V, G in zip(state[:n], gradients, strict=True)]
        V2 = [0.999 * V + 0.001 * G * G for V, G in zip(state[n:], gradients, strict=True)]
        c1, c2 = 1 - 0.9**t, 1 - 0.999**t
        new = [W - task.rate / c1 * a / (jnp.sqrt(b / c2) + 1e-8) for W, a, b in zip(parameters, V1, V2, strict=True)]
        return L, new, V1 + V2

    update = jax.jit(update, donate_argnums=(0, 1))
    t = 0

    def step() -> Any:
        nonlocal parameters, state, t
        t += 1
        L, parameters, state = jax.block_until_ready(update(parameters, state, float(t), *batch))
        return L

    return step


def autograd(task: Task) -> Step:
    from autograd import value_and_grad

    slope = value_and_grad(functools.partial(_cost(task), dialects.autograd()))
    batch, parameters = task.batch(), task.parameters()
    np.ones((8, 8), np.float32) @ np.ones((8, 8), np.float32)
    update = updates(task.rule, parameters, task.rate)

    def step() -> Any:
        L, gradients = slope(parameters, *batch)
        update(gradients)
        return L

    return step


def mygrad(task: Task) -> Step:
    import mygrad as mg

    cost = functools.partial(_cost(task), dialects.mygrad())
    batch, values = task.batch(), task.parameters()
    np.ones((8, 8), np.float32) @ np.ones((8, 8), np.float32)
    parameters = [mg.tensor(p) for p in values]
    update = updates(task.rule, [p.data for p in parameters], task.rate)

    def step() -> Any:
        for p in parameters:
            p.null_grad()
        L = cost(parameters, *batch)
        L.backward()
        update([p.grad for p in parameters])
        return L

    return step


def tinygrad(task: Task) -> Step:
    import shutil

    from tinygrad import Device, Tensor, TinyJit, nn
    from tinygrad.helpers import Context

    if not shutil.which("clang"):
        raise Absent("tinygrad needs clang")
    cost = functools.partial(_cost(task), dialects.tinygrad())
    batch = [Tensor(a).realize() for a in task.batch()]
    parameters = [Tensor(p).realize() for p in task.parameters()]
    optimizer = getattr(nn.optim, task.rule)(parameters, lr=task.rate) if task.rule else None

    @TinyJit
    def update(*batch: Any) -> Any:
        for p in parameters:
            p.grad = None
        L = cost(parameters, *batch)
        L.backward()
        # in one go with the loss, which would else be computed again, from the new weights
        return L.realize(*(optimizer.schedule_step() if optimizer is not None else [p.grad for p in parameters]))

    def step() -> Any:
        with Context(TRAINING=1):
            L = update(*batch)
        Device[Device.DEFAULT].synchronize()
        return L

    return step


def _cost(task: Task) -> Callable[..., Any]:
    assert task.cost is not None  # see enter
    return task.cost


BUILDERS = {
    "tinygrad_edu": tinygrad_edu,
    "tinygrad_edu compiled": tinygrad_edu_compiled,
    "tinygrad_edu numba": tinygrad_edu_numba,
    "torch": torch_eager,
    "torch compiled": torch_compiled,
    "jax": jax,
    "autograd": autograd,
    "mygrad": mygrad,
    "tinygrad": tinygrad,
}
FUNCTIONAL = frozenset({"jax", "autograd", "mygrad", "tinygrad"})
