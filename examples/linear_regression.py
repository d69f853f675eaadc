"""Fit a plane to noisy points by gradient descent, and by formula: the answers agree.

You will see the loss fall to about 0.01, the variance of the noise, which no plane explains, and the learnt weights
beside those that the points were made with and beside the least-squares solution, which they have reached.
"""

import tinygrad_edu as torch
from tinygrad_edu import nn, optim

STEPS, NOISE = 200, 0.1
torch.manual_seed(0)
weights, intercept = torch.tensor([2.0, -1.0, 0.5]), 3.0
X = torch.randn(500, 3)
y = X @ weights + intercept + NOISE * torch.randn(500)  # (500,)

model = nn.Linear(3, 1)
optimizer = optim.SGD(model.parameters(), lr=0.1)
criterion = nn.MSELoss()
losses = []
for step in range(STEPS):
    optimizer.zero_grad()
    loss = criterion(model(X)[:, 0], y)  # (500, 1) -> (500,), as y: else they would broadcast to (500, 500)
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
    if step % 25 == 0:
        print(f"step {step:3}  loss {losses[-1]:8.4f}")

learnt = torch.cat([model.weight[0], model.bias]).detach()
true = torch.cat([weights, torch.tensor([intercept])])
with_ones = torch.cat([X, torch.ones(500, 1)], dim=1)  # (500, 4)
exact = torch.linalg.lstsq(with_ones, y[:, None]).solution[:, 0]
for name, numbers in (("true", true), ("learnt", learnt), ("least squares", exact)):
    print(f"{name:<13}", "  ".join(f"{number:7.4f}" for number in numbers.tolist()))

assert 0.8 * NOISE**2 < losses[-1] < 1.2 * NOISE**2
assert torch.allclose(learnt, exact, atol=1e-4)
assert torch.allclose(learnt, true, atol=5 * NOISE / 500**0.5)  # five standard errors
