"""Models in training, and steps whose surroundings change, for the tests of compiled steps."""

from __future__ import annotations

import tinygrad_edu as te
import tinygrad_edu.nn.functional as F
from tinygrad_edu import optim


def cross_entropy(model, X, Y):
    return F.cross_entropy(model(X), Y)


def training(build, optimizer, loss_of=cross_entropy, before_update=None):
    """A model with its optimizer, and its training step."""
    te.manual_seed(0)
    model = build()
    optimizer = optimizer(model.parameters())

    def step(*batch):
        optimizer.zero_grad()
        loss = loss_of(model, *batch)
        loss.backward()
        if before_update is not None:
            before_update(model)
        optimizer.step()
        return loss

    return model, optimizer, step


OPTIMIZERS = {
    "SGD": lambda p: optim.SGD(p, lr=0.1),
    "Nesterov": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "dampened": lambda p: optim.SGD(p, lr=1e-4, momentum=0.9, dampening=0.1, maximize=True),
    "Adam": optim.Adam,
    "AMSGrad": lambda p: optim.Adam(p, amsgrad=True, weight_decay=0.1),
    "AdamW": optim.AdamW,
    "Adamax": optim.Adamax,
    "NAdam": optim.NAdam,
    "RAdam": optim.RAdam,
    "RMSprop": lambda p: optim.RMSprop(p, momentum=0.9, centered=True),
    "Adagrad": optim.Adagrad,
    "Adadelta": optim.Adadelta,
    "Rprop": optim.Rprop,
    "ASGD": optim.ASGD,
    "Adafactor": optim.Adafactor,
    "Muon": lambda p: optim.Muon([W for W in p if W.ndim == 2]),
}


def assert_follows(step, change):
    """A call after a change gives what the step itself gives, and a call without one takes no new program."""
    compiled, x = te.compile(step), te.ones(2, 3)
    compiled(x), compiled(x)
    assert repr(compiled).endswith(": 1 program>")
    before = step(x).tolist()
    change()
    assert compiled(x).tolist() == step(x).tolist() != before
