"""Read digits with a fully connected network and with a convolutional one, which needs fewer weights and errs less.

You will see which digits they are, and some of them; then what share of 1,000 each network reads rightly after it has
learnt from 2,000 others. They are MNIST's if the environment variable MNIST names a folder with its idx files, plain or
gzipped (t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte). Otherwise the program draws digits of its own, of differing
size, place and ink, with some noise: easier than handwriting.
"""

import os

import numpy as np

import tinygrad_edu as torch
from tinygrad_edu import nn, optim
from tinygrad_edu.datasets import load_mnist
from tinygrad_edu.utils.data import DataLoader, TensorDataset

EPOCHS, TRAIN, TEST = 8, 2000, 1000
FONT = """### .#. ### ### #.# ### ### ### ### ###
          #.# ##. ..# ..# #.# #.. #.. ..# #.# #.#
          #.# .#. ### ### ### ### ### .#. ### ###
          #.# .#. #.. ..# ..# ..# #.# .#. #.# ..#
          ### ### ### ### ..# ### ### .#. ### ###"""


def draw(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Bytes (count, 28, 28) and labels (count,)."""
    rng = np.random.default_rng(0)
    rows = [line.split() for line in FONT.split("\n")]  # 5 rows of 10 digits, 3 wide
    labels, images = rng.integers(0, 10, count), np.zeros((count, 28, 28))
    for image, label in zip(images, labels, strict=True):
        small = np.array([[mark == "#" for mark in row[label]] for row in rows])  # (5, 3)
        large = np.kron(small, np.ones((rng.integers(3, 5), rng.integers(3, 6))))  # (15 to 20, 9 to 15)
        top, left = ((28 - n) // 2 + rng.integers(-2, 3) for n in large.shape)
        image[top : top + large.shape[0], left : left + large.shape[1]] = large * rng.uniform(0.4, 1)
    return np.uint8(255 * (images + rng.uniform(0, 0.2, images.shape)).clip(0, 1)), labels


folder = os.environ.get("MNIST")
images, labels = load_mnist(folder) if folder else draw(TRAIN + TEST)
print(f"digits of MNIST, from {folder}" if folder else "digits drawn by this program; MNIST=FOLDER takes MNIST's")
for i in range(0, 28, 2):
    print(" ".join("".join(" .:-=+*#%@"[byte // 26] for byte in image[i]) for image in images[:4]))
order = np.random.default_rng(1).permutation(len(images))[: TRAIN + TEST]
x = torch.tensor(images[order, None] / 255, dtype=torch.float32)  # (3000, 1, 28, 28): a channel in front
y = torch.tensor(labels[order].astype(np.int64))
train, test = TensorDataset(x[:TRAIN], y[:TRAIN]), TensorDataset(x[TRAIN:], y[TRAIN:])


class CNN(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 5, stride=2, padding=2, bias=False)  # the norm behind it has a bias
        self.norm = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 16, 3, padding=1)
        self.pool, self.output = nn.MaxPool2d(2), nn.Linear(16 * 7 * 7, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.norm(self.conv1(x)))  # (n, 8, 14, 14)
        x = self.pool(torch.relu(self.conv2(x)))  # (n, 16, 7, 7)
        return self.output(x.flatten(1))  # (n, 10)


def learn(model: nn.Module) -> float:
    """Train, and give the share of the test images that are read rightly."""
    optimizer = optim.Adam(model.parameters(), lr=4e-3)
    for _ in range(EPOCHS):
        for inputs, targets in DataLoader(train, batch_size=40, shuffle=True):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(inputs), targets)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    model.eval()
    with torch.no_grad():
        right = sum((model(inputs).argmax(1) == targets).sum().item() for inputs, targets in DataLoader(test, 500))
    return right / TEST


losses, accuracy, weights = [], {}, {}
torch.manual_seed(0)
mlp = nn.Sequential(nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10))
for name, model in (("fully connected", mlp), ("convolutional", CNN())):
    weights[name] = sum(p.numel() for p in model.parameters())
    accuracy[name] = learn(model)
    print(f"{name:<16} {weights[name]:6} weights  {accuracy[name]:.1%} right")
assert weights["convolutional"] < weights["fully connected"] / 5
assert accuracy["convolutional"] > accuracy["fully connected"] > 0.88
assert accuracy["convolutional"] > 0.95
