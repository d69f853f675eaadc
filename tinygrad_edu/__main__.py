"""The main job: the article's network, trained twice, with its gradients derived and checked.

    python -m tinygrad_edu                          the planar petals, 2-4-1
    python -m tinygrad_edu --data mnist --root DIR  MNIST's idx files from DIR, 784-128-10
    python -m tinygrad_edu explain FILE.py          the loss of a program of your own

Written as a user writes: everything here goes through the public names.
"""

from __future__ import annotations

import argparse
import functools
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

import tinygrad_edu as te
from tinygrad_edu import datasets, nn, optim, symbolic, viz
from tinygrad_edu.nn import functional as F
from tinygrad_edu.viz import script
from tinygrad_edu.viz.draw import check_target

Array = np.ndarray[Any, Any]
Weights = dict[str, Array]  # W1 (n_x, n_h), b1 (n_h, 1), W2 (n_h, n_y), b2 (n_y, 1), as in the article

# The article's own equations, samples as columns; its dZ and dA are per example, m times the
# derivative of the mean cost.
ARTICLE = {
    "dA2": "- Y / A2 + (1 - Y) / (1 - A2)",
    "dZ2": "A2 - Y",
    "dW2": "1/m  A1 dZ2.T",
    "db2": "1/m  sum(dZ2, columns)",
    "dA1": "W2 dZ2",
    "dZ1": "dA1 * g'(Z1),  g = tanh: 1 - A1**2",
    "dW1": "1/m  X dZ1.T",
    "db1": "1/m  sum(dZ1, columns)",
}
PER_EXAMPLE = ("dZ2", "dA1", "dZ1")


def main(arguments: list[str] | None = None) -> int:
    """Run the program; the exit status: 0, or 2 after an error that the user can mend."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["explain"]:
        return script.main(arguments[1:])
    parser = argparse.ArgumentParser(
        prog="python -m tinygrad_edu",
        description=__doc__.split("\n")[0],
        epilog="`python -m tinygrad_edu explain FILE.py` does it for the loss of a program of your own.",
    )
    parser.add_argument("--data", choices=("petals", "mnist"), default="petals", help="what to learn (petals)")
    parser.add_argument("--root", metavar="DIR", help="the folder with MNIST's idx files, plain or .gz")
    parser.add_argument("--graph", metavar="FILE", default="backprop.dot", help="where the graph goes (backprop.dot)")
    if arguments and not arguments[0].startswith("-"):
        file = arguments[0] if arguments[0].endswith(".py") else "FILE.py"
        parser.error(f"there is no command {arguments[0]!r}; for a program of yours: explain {file}")
    options = parser.parse_args(arguments)
    try:
        check_target(options.graph)
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        parser.error(f"--graph: {error}")
    try:
        if options.data == "mnist":
            if options.root is None:
                parser.error("--data mnist needs --root DIR, the folder with MNIST's idx files")
            run_mnist(options.root, options.graph)
        else:
            run_petals(options.graph)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


# --- the petals


def run_petals(graph_file: str) -> None:
    points, labels = datasets.petals(400)
    X, Y = points.T, labels[None]  # (2, 400), (1, 400): columns are samples
    start = initial_weights(2, 4, 1)
    title("The article's network, 2-4-1, on 400 points of two interleaved petals")
    steps = 5000
    columns, losses = train_columns(X, Y, start, steps, learning_rate=1.2)
    model, losses_again, run = train_rows(X, Y, start, steps, learning_rate=1.2)
    gap = max(abs(a - b) for a, b in zip(losses, losses_again, strict=True))
    print(f"cost in the article's notation, columns:  {losses[0]:.6f} -> {losses[-1]:.6f}")
    print(f"cost by nn.Sequential, rows:              {losses_again[0]:.6f} -> {losses_again[-1]:.6f}")
    print(f"largest difference in {steps} steps:       {gap:.1e}, from the same weights")

    loss = article_loss(leaves(columns), te.tensor(X, name="X"), te.tensor(Y, name="Y"))
    print_equations(loss, ARTICLE)
    gradient_table(start, X, Y, sigmoid_output)

    title("Accuracy")
    straight = train_rows(X, Y, start, 1000, learning_rate=0.1, activation=nn.Identity())[0]
    for name, net in (("with tanh", model), ("without a non-linearity", straight)):
        print(f"{name:<26} {accuracy(net, points, labels):6.1%}")
    print("Without a non-linearity the two layers are one affine map, and no line parts the petals.")
    title("Where the network says 1 (#) and 0 (.), with some of the points (x, o)")
    print(boundary(model, points, labels))
    loss.backward()
    write_graph(loss, graph_file)
    few = slice(None, None, 67)  # six points, three of each petal: a page shows every number of theirs
    six = article_loss(leaves(columns), te.tensor(X[:, few], name="X"), te.tensor(Y[:, few], name="Y"))
    write_page(six, graph_file)
    write_training(run, graph_file)


def initial_weights(n_x: int, n_h: int, n_y: int, scale: float = 0.5) -> Weights:
    te.manual_seed(2)
    W1, W2 = te.randn(n_x, n_h, dtype=te.float64), te.randn(n_h, n_y, dtype=te.float64)
    zeros = np.zeros((n_h, 1)), np.zeros((n_y, 1))
    return {"W1": scale * W1.numpy(), "b1": zeros[0], "W2": scale * W2.numpy(), "b2": zeros[1]}


def leaves(weights: Weights) -> list[te.Tensor]:
    """The weights as tensors that collect gradients."""
    return [te.tensor(array, requires_grad=True, name=name) for name, array in weights.items()]


def article_loss(parameters: list[te.Tensor], X: te.Tensor, Y: te.Tensor) -> te.Tensor:
    """The article's forward pass and cost; X (2, m), W (n_in, n_out), b (n_out, 1), Y (1, m)."""
    W1, b1, W2, b2 = parameters
    Z1 = W1.T @ X + b1
    A1 = te.tanh(Z1)
    Z2 = W2.T @ A1 + b2
    A2 = te.sigmoid(Z2)
    L = F.binary_cross_entropy(A2, Y)
    return named(L, Z1=Z1, A1=A1, Z2=Z2, A2=A2, L=L)


def named(loss: te.Tensor, **tensors: te.Tensor) -> te.Tensor:
    for name, tensor in tensors.items():
        tensor.name = name
    return loss


def train_columns(X: Array, Y: Array, start: Weights, steps: int, learning_rate: float) -> tuple[Weights, list[float]]:
    """Gradient descent as the article writes it: W := W - learning_rate dW."""
    parameters = leaves(start)
    x, y = te.tensor(X), te.tensor(Y)
    losses = []
    for _ in progress(range(steps), "columns"):
        loss = article_loss(parameters, x, y)
        loss.backward()
        losses.append(loss.item())
        with te.no_grad():
            for W in parameters:
                assert W.grad is not None  # backward has just filled it
                W -= learning_rate * W.grad
                W.grad = None
    return {str(p.name): p.detach().numpy().copy() for p in parameters}, losses


def train_rows(
    X: Array, Y: Array, start: Weights, steps: int, learning_rate: float, activation: nn.Module | None = None
) -> tuple[nn.Sequential, list[float], viz.Training]:
    """The same network as PyTorch users write it: rows are samples, weights are (out, in)."""
    n_x, n_h = start["W1"].shape
    model = nn.Sequential(nn.Linear(n_x, n_h), activation or nn.Tanh(), nn.Linear(n_h, 1), nn.Sigmoid()).double()
    model.load_state_dict(
        {
            "0.weight": te.tensor(start["W1"].T),
            "0.bias": te.tensor(start["b1"][:, 0]),
            "2.weight": te.tensor(start["W2"].T),
            "2.bias": te.tensor(start["b2"][:, 0]),
        }
    )
    optimizer = optim.SGD(model.parameters(), lr=learning_rate)
    criterion = nn.BCELoss()
    x, y = te.tensor(X.T), te.tensor(Y.T)
    run = viz.record(model, every=100, inputs=x, labels=y)
    for _ in progress(range(steps), "rows"):
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        run.step(loss)
    return model, run.losses, run


def accuracy(model: nn.Module, points: Array, labels: Array) -> float:
    with te.no_grad():
        said = model(te.tensor(points)).numpy()[:, 0] > 0.5
    return float(np.mean(said == (labels > 0.5)))


def boundary(model: nn.Module, points: Array, labels: Array, width: int = 64, height: int = 26) -> str:
    """The plane as text: what the network says everywhere, and every fourth point."""
    low, high = points.min(0) - 0.4, points.max(0) + 0.4
    across, up = np.meshgrid(np.linspace(low[0], high[0], width), np.linspace(high[1], low[1], height))
    with te.no_grad():
        said = model(te.tensor(np.stack([across.ravel(), up.ravel()], axis=1))).numpy() > 0.5
    picture = np.where(said.reshape(height, width), "#", ".")
    for (x, y), label in zip(points[::4], labels[::4], strict=True):
        column = round((x - low[0]) / (high[0] - low[0]) * (width - 1))
        row = round((high[1] - y) / (high[1] - low[1]) * (height - 1))
        picture[row, column] = "x" if label else "o"
    return "\n".join("".join(row) for row in picture)


# --- MNIST


def run_mnist(root: str, graph_file: str) -> None:
    images, labels = datasets.load_mnist(root)
    order = te.randperm(len(images), generator=te.Generator().manual_seed(0)).numpy()
    held_out = len(images) // 5
    x = (images.reshape(len(images), -1)[order] / 255).astype(np.float32)
    y = labels[order].astype(np.int64)
    train, test = slice(held_out, None), slice(None, held_out)
    title(f"784-128-10 on MNIST: {len(x) - held_out:,} images to learn from, {held_out:,} held out")
    print(f"{'with ReLU':<26}", end="", flush=True)
    model = train_digits(x[train], y[train], nn.ReLU())
    straight = train_digits(x[train], y[train], nn.Identity())

    # The article's notation on 64 of the images: columns, float64, softmax in the place of sigmoid.
    state = {k: v.numpy().astype(np.float64) for k, v in model.state_dict().items()}
    weights = {"W1": state["0.weight"].T, "b1": state["0.bias"][:, None]}
    weights |= {"W2": state["2.weight"].T, "b2": state["2.bias"][:, None]}
    X, few = x[test][:64].T.astype(np.float64), y[test][:64]
    loss = digits_loss(leaves(weights), te.tensor(X, name="X"), te.tensor(few, name="Y"))
    article = {k: v for k, v in ARTICLE.items() if k != "dA2"}
    article["dZ2"] = "softmax(Z2) - Y, Y in one-hot columns"
    article["dZ1"] = "dA1 * g'(Z1),  g = ReLU: 1 where Z1 > 0"
    print_equations(loss, article)
    gradient_table(weights, X, few, softmax_output)

    title("Accuracy on the held-out images")
    for name, net in (("with ReLU", model), ("without a non-linearity", straight)):
        with te.no_grad():
            right = net(te.tensor(x[test])).argmax(1).numpy() == y[test]
        print(f"{name:<26} {right.mean():6.1%}")
    title("The first held-out images, and what the network reads in them")
    with te.no_grad():
        said = model(te.tensor(x[test][:6])).argmax(1).tolist()
    print(digits(x[test][:6].reshape(-1, 28, 28), said))
    loss.backward()
    write_graph(loss, graph_file)
    write_page(loss, graph_file)


def train_digits(x: Array, y: Array, activation: nn.Module) -> nn.Sequential:
    """Ten epochs of SGD with momentum in batches of 64."""
    te.manual_seed(0)
    model = nn.Sequential(nn.Linear(784, 128), activation, nn.Linear(128, 10))
    optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    criterion = nn.CrossEntropyLoss()
    for _ in progress(range(10), "epochs"):
        order = te.randperm(len(x)).numpy()
        for batch in np.split(order, range(64, len(order), 64)):
            optimizer.zero_grad()
            loss = criterion(model(te.tensor(x[batch])), te.tensor(y[batch]))
            loss.backward()
            optimizer.step()
    return model


def digits_loss(parameters: list[te.Tensor], X: te.Tensor, Y: te.Tensor) -> te.Tensor:
    """The network in the article's notation: columns are samples, Y holds the labels."""
    W1, b1, W2, b2 = parameters
    Z1 = W1.T @ X + b1
    A1 = te.relu(Z1)
    Z2 = W2.T @ A1 + b2
    L = F.cross_entropy(Z2.T, Y)
    return named(L, Z1=Z1, A1=A1, Z2=Z2, L=L)


def digits(images: Array, said: list[int]) -> str:
    """Digits side by side, a character for two rows of pixels."""
    shades = " .:-=+*#%@"
    rows = [
        "  ".join("".join(shades[round(float(v) * 9)] for v in image[r, 4:24]) for image in images)
        for r in range(2, 28, 2)
    ]
    return "\n".join([*rows, "  ".join(f"{f'-> {digit}':^20}" for digit in said)])


# --- the article's equations against autograd and central differences


def sigmoid_output(Z2: Array, Y: Array) -> tuple[float, Array]:
    """The mean cost and dZ2, per example, of a sigmoid output."""
    A2 = 1 / (1 + np.exp(-Z2))
    return float(-np.mean(Y * np.log(A2) + (1 - Y) * np.log(1 - A2))), A2 - Y


def softmax_output(Z2: Array, labels: Array) -> tuple[float, Array]:
    """The mean cost and dZ2, per example, of a softmax output; columns are samples."""
    P = np.exp(Z2 - Z2.max(0))
    P /= P.sum(0)
    right = P[labels, np.arange(len(labels))]
    return float(-np.mean(np.log(right))), P - np.eye(len(P))[:, labels]


def gradient_table(weights: Weights, X: Array, Y: Array, output: Callable[..., tuple[float, Array]]) -> None:
    """Print autograd's gradients beside the article's and central differences, with largest errors."""
    softmax = output is softmax_output
    m = X.shape[1]
    W1, b1, W2, b2 = parameters = leaves(weights)
    Z1 = W1.T @ te.tensor(X) + b1
    A1 = te.relu(Z1) if softmax else te.tanh(Z1)
    Z2 = W2.T @ A1 + b2
    for inner in (Z1, A1, Z2):
        inner.retain_grad()
    y = te.tensor(Y)
    loss = F.cross_entropy(Z2.T, y) if softmax else F.binary_cross_entropy(te.sigmoid(Z2), y)
    loss.backward()
    tensors = {"dZ2": Z2, "dW2": W2, "db2": b2, "dA1": A1, "dZ1": Z1, "dW1": W1, "db1": b1}
    auto = {name: t.grad.numpy() * (m if name in PER_EXAMPLE else 1) for name, t in tensors.items()}
    values = {f"d{name}": t.detach().numpy() for name, t in (("Z1", Z1), ("A1", A1), ("Z2", Z2))}
    values |= {f"d{p.name}": p.detach().numpy() for p in parameters}

    def slope(A1: Array) -> Array:
        return (A1 > 0).astype(float) if softmax else 1 - A1**2

    hand = {"dZ2": output(values["dZ2"], Y)[1]}
    hand["dW2"] = values["dA1"] @ hand["dZ2"].T / m
    hand["db2"] = hand["dZ2"].sum(1, keepdims=True) / m
    hand["dA1"] = values["dW2"] @ hand["dZ2"]
    hand["dZ1"] = hand["dA1"] * slope(values["dA1"])
    hand["dW1"] = X @ hand["dZ1"].T / m
    hand["db1"] = hand["dZ1"].sum(1, keepdims=True) / m

    def cost(name: str, value: Array) -> float:
        """The cost, times m for the per-example gradients, with one value exchanged and the rest computed again."""
        at = {**values, name: value}
        if name in ("dW1", "db1"):
            at["dZ1"] = at["dW1"].T @ X + at["db1"]
        if name in ("dW1", "db1", "dZ1"):
            at["dA1"] = np.maximum(at["dZ1"], 0) if softmax else np.tanh(at["dZ1"])
        if name != "dZ2":
            at["dZ2"] = at["dW2"].T @ at["dA1"] + at["db2"]
        return output(at["dZ2"], Y)[0] * (m if name in PER_EXAMPLE else 1)

    title("Autograd beside the article's equations and central differences")
    print(f"{'':5}{'shape':>12}{'autograd':>13}{'by hand':>13}{'error':>10}{'differences':>14}{'error':>10}")
    rng = np.random.default_rng(0)
    for name in auto:
        place, numeric, error = differences(functools.partial(cost, name), values[name], auto[name], rng)
        shape = "{} x {}".format(*values[name].shape)
        by_hand = np.abs(auto[name] - hand[name]).max()
        print(
            f"{name:<5}{shape:>12}{auto[name][place]:13.6f}{hand[name][place]:13.6f}{by_hand:10.1e}"
            f"{numeric:14.6f}{error:10.1e}"
        )
    print(f"Shown is the largest entry; errors are the largest of all entries ({LIMIT} drawn from larger arrays).")
    print(f"dZ2, dA1 and dZ1 are per example, as in the article: m = {m} times the derivative of the mean cost.")


LIMIT = 400  # entries whose differences are taken, per array


def differences(
    cost: Callable[[Array], float], value: Array, gradient: Array, rng: np.random.Generator
) -> tuple[Any, float, float]:
    """Where |gradient| is largest, the central difference there, and the largest error of all taken."""
    h = 1e-5  # rounding of the cost over h and h squared balance: errors near 1e-10
    largest = np.unravel_index(np.abs(gradient).argmax(), gradient.shape)
    places = list(np.ndindex(*gradient.shape))
    if len(places) > LIMIT:
        places = [largest, *(places[i] for i in rng.choice(len(places), LIMIT, replace=False))]
    numeric = {}
    for place in places:
        up, down = value.copy(), value.copy()
        up[place] += h
        down[place] -= h
        numeric[place] = (cost(up) - cost(down)) / (2 * h)
    worst = max(abs(slope - float(gradient[place])) for place, slope in numeric.items())
    return largest, numeric[largest], worst


# --- what is printed and written


def print_equations(loss: te.Tensor, article: dict[str, str]) -> None:
    """The equations as the library derives them from the recorded graph, beside the article's."""
    found = symbolic.explain(loss, scale="textbook")
    title("Forward, as recorded")
    for line in found.forward:
        print(f"  {line}")
    title("Backward, derived from that record by reading its rules on symbols (left), and the article (right)")
    width = max(len(str(line)) for line in found.backward)
    for line in found.backward[1:]:
        print(f"  {line!s:<{width}}   | {article.get(line.name, '')}")
    print(
        "Left dZ and dA are m times the derivative of the mean cost, as in the article; dW and db are what .grad holds."
    )
    print(f"Largest error of a formula, evaluated in float64 beside autograd: {found.check():.1e}")


def write_graph(loss: te.Tensor, file: str) -> None:
    viz.draw(loss).save(file)
    hint = " (--graph backprop.svg draws it for a browser)" if file.endswith((".dot", ".gv")) else ""
    print(f"\nThe computation graph, with values and gradients, is in {file}{hint}.")


def write_page(loss: te.Tensor, graph_file: str) -> None:
    """The explorer, beside the graph: backprop.html for backprop.dot, backprop_steps.html for backprop.html."""
    base, suffix = os.path.splitext(graph_file)
    file = base + ("_steps.html" if suffix == ".html" else ".html")
    viz.explore(loss, file)
    print(f"Step through the same equations, with every number, in a browser: {file}.")


def write_training(run: viz.Training, graph_file: str) -> None:
    """The training view: backprop_training.html for backprop.dot."""
    file = os.path.splitext(graph_file)[0] + "_training.html"
    run.save(file)
    print(f"Scrub over the training, its losses, gradients and the boundary as it grew: {file}.")


def title(text: str) -> None:
    print(f"\n{text}\n{'-' * len(text)}")


def progress(steps: Iterable[int], name: str) -> Iterator[int]:
    """A bar if tqdm is there and someone is watching, else a line when it is done."""
    try:
        from tqdm import tqdm  # type: ignore[import-untyped]  # an extra
    except ImportError:
        tqdm = None
    if tqdm is not None and sys.stderr.isatty():
        yield from tqdm(steps, desc=name, leave=False)
        return
    begun = time.perf_counter()
    count = 0
    for step in steps:
        yield step
        count += 1
    print(f"trained {count} {name if name == 'epochs' else f'steps, {name}'} in {time.perf_counter() - begun:.1f} s")


if __name__ == "__main__":
    sys.exit(main())
