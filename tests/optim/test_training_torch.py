"""An ordinary PyTorch training script, run by both libraries: only the import differs."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

SCRIPT = """
import {library} as torch
from {library} import nn
from {library}.nn import functional as F


class Classifier(nn.Module):
    def __init__(self, n_in, n_hidden, n_classes):
        super().__init__()
        self.hidden = nn.Linear(n_in, n_hidden)
        self.layers = nn.Sequential(nn.ReLU(), nn.Linear(n_hidden, n_hidden), nn.Tanh())
        self.out = nn.Linear(n_hidden, n_classes)

    def forward(self, x):
        x = self.layers(self.hidden(x.flatten(1)))
        return self.out(x)


torch.manual_seed(0)
images = torch.randn(200, 2, 4)
teacher = nn.Sequential(nn.Flatten(), nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 3))
with torch.no_grad():
    labels = teacher(images).argmax(dim=1)

model = Classifier(8, 32, 3)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)

losses = []
model.train()
for epoch in range(5):
    order = torch.randperm(200)
    for i in range(0, 200, 50):
        batch = order[i : i + 50]
        optimizer.zero_grad()
        loss = criterion(model(images[batch]), labels[batch])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())

model.eval()
with torch.no_grad():
    accuracy = (model(images).argmax(1) == labels).float().mean().item()
    probabilities = F.softmax(model(images), dim=1)
total = sum(p.numel() for p in model.parameters() if p.requires_grad)
"""


def test_the_same_script_gives_the_same_curve():
    """Data, start, order of samples and every loss of 20 steps: PyTorch's, from the same seed."""
    results = {}
    for library in ("tinygrad_edu", "torch"):
        scope = {"__name__": "script"}
        exec(SCRIPT.format(library=library), scope)  # a program, not an expression: only the import differs
        results[library] = scope
    ours, theirs = results["tinygrad_edu"], results["torch"]
    assert len(ours["losses"]) == 20
    # float32 sums in another order, amplified by 20 steps
    np.testing.assert_allclose(ours["losses"], theirs["losses"], rtol=1e-4)
    np.testing.assert_allclose(ours["probabilities"].numpy(), theirs["probabilities"].numpy(), rtol=1e-3, atol=1e-5)
    assert ours["losses"][-1] < ours["losses"][0] / 2
    assert ours["accuracy"] == theirs["accuracy"]
    assert ours["total"] == theirs["total"]
    assert repr(ours["model"]) == repr(theirs["model"])
