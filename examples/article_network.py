"""The article's network twice, as it is written there and as PyTorch users write it: the same losses to rounding.

You will see the cost of both at every 300th step, equal in all digits that are shown; the gradient's equations, derived
from the recorded forward pass, with the article's among them; and what share of the points the network gets right,
beside the half or less that it gets right when its non-linearity is taken away.
"""

import tinygrad_edu as te
from tinygrad_edu import nn, optim
from tinygrad_edu.datasets import petals
from tinygrad_edu.nn import functional as F

STEPS, LEARNING_RATE, N_H = 1500, 1.2, 4
te.set_default_dtype(te.float64)
points, labels = (te.tensor(a) for a in petals(400))  # (400, 2), (400,)
X, Y = points.T, labels[None]  # (2, 400), (1, 400): columns are samples
X.name, Y.name = "X", "Y"

# In the article's notation: W (n_in, n_out), b (n_out, 1), and gradient descent by hand.
te.manual_seed(2)
start = {"W1": 0.5 * te.randn(2, N_H), "b1": te.zeros(N_H, 1), "W2": 0.5 * te.randn(N_H, 1), "b2": te.zeros(1, 1)}
W1, b1, W2, b2 = parameters = [te.tensor(W.numpy(), requires_grad=True, name=name) for name, W in start.items()]
costs = []
for _ in range(STEPS):
    Z1 = W1.T @ X + b1  # (4, 400)
    A1 = te.tanh(Z1)
    Z2 = W2.T @ A1 + b2  # (1, 400)
    A2 = te.sigmoid(Z2)
    cost = F.binary_cross_entropy(A2, Y)
    cost.backward()
    costs.append(cost.item())
    with te.no_grad():
        for W in parameters:
            W -= LEARNING_RATE * W.grad
            W.grad = None


# As PyTorch users write it: rows are samples, a weight is (out, in).
def train(activation: nn.Module) -> tuple[nn.Sequential, list[float]]:
    model = nn.Sequential(nn.Linear(2, N_H), activation, nn.Linear(N_H, 1), nn.Sigmoid())
    values = (start["W1"].T, start["b1"][:, 0], start["W2"].T, start["b2"][:, 0])
    model.load_state_dict(dict(zip(model.state_dict(), values, strict=True)))
    optimizer = optim.SGD(model.parameters(), lr=LEARNING_RATE)
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = F.binary_cross_entropy(model(points)[:, 0], labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return model, losses


model, losses = train(nn.Tanh())
straight, _ = train(nn.Identity())
print("  step    columns       rows")
for step in range(0, STEPS, 300):
    print(f"{step:6} {costs[step]:10.6f} {losses[step]:10.6f}")
assert max(abs(a - b) for a, b in zip(costs, losses, strict=True)) < 1e-10  # rounding, grown over the steps

explained = te.explain(cost, scale="textbook").backward
print("", *explained, "", sep="\n")
equations = [line.text() for line in explained]
for line in ("dZ2 = A2 - Y", "dW2 = 1/m A1 dZ2ᵀ", "dZ1 = dA1 ∘ (1 - A1²)", "dW1 = 1/m X dZ1ᵀ"):
    assert line in equations

right = [((net(points)[:, 0] > 0.5) == (labels > 0.5)).double().mean().item() for net in (model, straight)]
print(f"right with tanh {right[0]:.1%}, without a non-linearity {right[1]:.1%}: two layers are then one affine map")
assert right[0] > 0.85
assert right[1] < 0.65
