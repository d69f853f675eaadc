"""The training step of every example, cut out of its file: 200 compiled steps equal 200 eager ones bit for bit."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import tinygrad_edu as te
from tinygrad_edu import nn

FOLDER = Path(__file__).parents[2] / "examples"
STEPS = 200
# What stays outside of a step: pictures, lists, the schedule, signals
LEFT_OUT = ("print(", "append(", "losses +=", "scheduler", "self.batch", "interrupt", "self.stopping", "train_critic(")

SMALLER = {
    "digits": [("TRAIN, TEST = 8, 2000, 1000", "TRAIN, TEST = 8, 40, 10")],
    "word_embeddings": [("range(4000)", "range(400)"), ("BATCH, SIZE = 400, 512", "BATCH, SIZE = 400, 64")],
    "vae": [("BATCH, SIDE = 800, 64", "BATCH, SIDE = 800, 16")],
    "reverse": [("BATCH, LENGTH, TOKENS, WIDTH = 400, 64", "BATCH, LENGTH, TOKENS, WIDTH = 400, 16")],
    "names": [("BATCH, SIZE, LONGEST = 500, 64", "BATCH, SIZE, LONGEST = 500, 16")],
}


def cut_out(name: str, until: str, which: int = 0) -> tuple[dict, str, list[str]]:
    """What the file has made before the line that begins with `until`; its step as source; the step's arguments."""
    text = (FOLDER / f"{name}.py").read_text(encoding="utf-8")
    head = text[: text.index("\n" + until)]
    for large, small in SMALLER.get(name, ()):
        assert large in head
        head = head.replace(large, small)
    made: dict = {"__name__": name}
    exec(compile(head, name, "exec"), made)
    bodies = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.For, ast.FunctionDef)):
            inner = [part for part in node.body if isinstance(part, ast.Expr)]
            bodies += [node] if any("backward()" in ast.unparse(part) for part in inner) else []
    found = bodies[which]
    kept = [part for part in found.body if not any(word in ast.unparse(part) for word in LEFT_OUT)]
    kept = [part for part in kept if not isinstance(part, ast.Return)]
    if isinstance(found, ast.FunctionDef):
        arguments = [a.arg for a in found.args.args]
    else:
        arguments = [n.id for n in ast.walk(found.target) if isinstance(n, ast.Name) and n.id not in ("step", "_")]
    loss = next(word for word in ("loss_d", "cost", "loss") if any(f"{word} =" in ast.unparse(part) for part in kept))
    lines = [f"def step({', '.join(arguments)}):", *(ast.unparse(part).replace("\n", "\n    ") for part in kept)]
    return made, "\n    ".join([*lines, f"return {loss}"]), arguments


def batches_of(made: dict, x: str, y: str, size: int) -> list:
    X, Y = made[x], made[y]
    batches = [(X[k : k + size], Y[k : k + size]) for k in range(0, len(X), size)]
    return [batches[k % 4] for k in range(STEPS)]


def clouds(made: dict) -> list:
    return [(made["cloud"](made["SHIFT"]), made["cloud"](0.0)) for _ in range(STEPS)]


def schedule(made: dict, k: int) -> None:
    if "scheduler" in made and (k % 13 == 12 or made["__name__"] != "moons"):
        made["scheduler"].step()


FIRST_LOOP = "for step in range"
GENERATOR = "generator = nn.Linear(2, 2)\noptimizer_g = optim.SGD(generator.parameters(), lr=0.1)"
ROWS = """model = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1), nn.Sigmoid())
optimizer = optim.SGD(model.parameters(), lr=1.2)"""
EXAMPLES = {
    "article_network": ("article_network", "for _ in", 0, "", None),
    "article_network, rows": (
        "article_network", "for _ in", 1, ROWS, None,
    ),
    "digits, fully connected": (
        "digits", "for name, model", 0, "model, optimizer = mlp, optim.Adam(mlp.parameters(), lr=4e-3)",
        lambda made: batches_of(made, "x", "y", 10),
    ),
    "digits, convolutional": (
        "digits", "for name, model", 0, "model = CNN()\noptimizer = optim.Adam(model.parameters(), lr=4e-3)",
        lambda made: batches_of(made, "x", "y", 10),
    ),
    "gan": ("gan", FIRST_LOOP, 0, "", None),
    "gradient_penalty, critic": ("gradient_penalty", 'print("The critic', 0, "", clouds),
    "gradient_penalty, generator": ("gradient_penalty", 'print("The critic', 1, GENERATOR, None),
    "linear_regression": ("linear_regression", FIRST_LOOP, 0, "", None),
    "moons": ("moons", "losses = []", 0, "", lambda made: batches_of(made, "X", "y", 32)),
    "names": ("names", FIRST_LOOP, 0, "", None),
    "resume": ("resume", "whole =", 0, "self = Training()", lambda made: batches_of(made, "X", "y", 20)),
    "reverse": ("reverse", FIRST_LOOP, 0, "", None),
    "vae": ("vae", FIRST_LOOP, 0, "", None),
    "word_embeddings": ("word_embeddings", FIRST_LOOP, 0, "", None),
}  # fmt: skip


def parameters_of(made: dict) -> list[te.Tensor]:
    """All that the example trains, and the buffers of its modules."""
    own = [made["self"].model] if "self" in made else []
    modules = [x for x in (*made.values(), *own) if isinstance(x, nn.Module)]
    return [*made.get("parameters", []), *(t for m in modules for t in m.state_dict().values())]


def run(key: str, wrap) -> list:
    """The losses, parameters and generator of 200 steps, as bytes."""
    name, until, which, setup, batches = EXAMPLES[key]
    made, source, arguments = cut_out(name, until, which)
    exec(f"{setup}\n{source}", made)
    step, seen = wrap(made["step"]), []
    given = batches(made) if batches is not None else [()] * STEPS
    te.manual_seed(4)
    for k, batch in enumerate(given):
        loss = step(*batch[: len(arguments)])
        schedule(made, k)
        seen.append((loss.detach().numpy().tobytes(), [p.detach().numpy().tobytes() for p in parameters_of(made)]))
    seen.append(te.get_rng_state().tolist())
    return seen


@pytest.fixture(autouse=True)
def float32_again():
    """The article's example computes in float64, and says so for good."""
    yield
    te.set_default_dtype(te.float32)


@pytest.mark.parametrize("key", EXAMPLES)
def test_two_hundred_steps_of_every_example_equal_the_eager_ones(key, capsys):
    """Losses, parameters, buffers and the random stream, after every step, in one program."""
    made = []
    expected = run(key, lambda step: step)
    te.set_default_dtype(te.float32)
    found = run(key, lambda step: made.append(te.compile(step)) or made[0])
    for k, (one, other) in enumerate(zip(found, expected, strict=True)):
        assert one == other, f"step {k}"
    assert made[0]._count <= 2, "gradients are there from the second call on, and that is all that changes"


def test_there_is_a_step_of_every_example():
    """A new example is compiled too."""
    assert {name for name, *_ in EXAMPLES.values()} == {path.stem for path in FOLDER.glob("*.py")}
