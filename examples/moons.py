"""Part two moons that no straight line parts, and draw where the network puts the border.

You will see the loss and the share of held-out points that are classified rightly, every fourth epoch, and then the
plane: `#` where the network says class 1, `.` where it says class 0, with the held-out points of the two as x and o.
"""

import tinygrad_edu as torch
from tinygrad_edu import nn, optim
from tinygrad_edu.datasets import moons
from tinygrad_edu.utils.data import DataLoader, TensorDataset, random_split

EPOCHS = 20
torch.manual_seed(0)
X, y = (torch.tensor(a, dtype=torch.float32) for a in moons(600, noise=0.15))  # (600, 2), (600,)
train, test = random_split(TensorDataset(X, y), [400, 200])
loader = DataLoader(train, batch_size=32, shuffle=True)
X_test, y_test = test[:]

model = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 1))
optimizer = optim.AdamW(model.parameters(), lr=0.02, weight_decay=1e-3)
scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=EPOCHS)
criterion = nn.BCEWithLogitsLoss()


@torch.no_grad()
def accuracy() -> float:
    return ((model(X_test)[:, 0] > 0) == (y_test > 0.5)).float().mean().item()


losses = []
for epoch in range(EPOCHS):
    for inputs, labels in loader:
        optimizer.zero_grad()
        loss = criterion(model(inputs)[:, 0], labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    scheduler.step()
    if epoch % 4 == 3:
        mean = sum(losses[-len(loader) :]) / len(loader)
        print(f"epoch {epoch + 1:2}  loss {mean:.4f}  held-out points right {accuracy():.1%}")


def picture(width: int = 72, height: int = 24) -> str:
    """The plane from (-1.5, -1.1) to (2.5, 1.6), north up."""
    across, up = torch.linspace(-1.5, 2.5, width), torch.linspace(1.6, -1.1, height)
    places = torch.cartesian_prod(up, across).flip(1)  # (height * width, 2), each (x, y)
    with torch.no_grad():
        said = (model(places) > 0).reshape(height, width).tolist()
    rows = [["#" if one else "." for one in row] for row in said]
    for (x1, x2), label in zip(X_test.tolist(), y_test.tolist(), strict=True):
        column, row = round((x1 + 1.5) / 4 * (width - 1)), round((1.6 - x2) / 2.7 * (height - 1))
        if 0 <= column < width and 0 <= row < height:
            rows[row][column] = "x" if label else "o"
    return "\n".join("".join(row) for row in rows)


drawing = picture()
print(drawing)
assert accuracy() > 0.96
assert all(mark in drawing for mark in "#.xo")
