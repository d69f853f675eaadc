"""`python -m tinygrad_edu explain FILE.py`: a program of the user's, run and explained."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap

import pytest

from tinygrad_edu import __main__ as program
from tinygrad_edu.core.mode import mode
from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.viz import script

TRAIN = """
    import sys
    import tinygrad_edu as te

    te.manual_seed(0)
    points, labels = te.randn(2, 8), te.tensor([[1.0, 0, 1, 1, 0, 0, 1, 0]])
    weights = te.randn(2, 1, requires_grad=True)
    offset = te.zeros(1, 1, requires_grad=True)
    for step in range(3):
        scores = weights.T @ points + offset
        chances = te.sigmoid(scores)
        cost = -(labels * te.log(chances) + (1 - labels) * te.log(1 - chances)).mean()
        cost.backward()
        if step == 2 and sys.argv[1:] == ["say"]:
            print(te.explain(cost, scale="textbook"))
        with te.no_grad():
            for p in (weights, offset):
                p -= 0.1 * p.grad
                p.grad = None
"""
FUNCTION = """
    import tinygrad_edu as torch
    from tinygrad_edu import nn, optim

    def train():
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
        optimizer = optim.SGD(net.parameters(), lr=0.1)
        inputs = torch.randn(6, 2)
        for _ in range(2):
            optimizer.zero_grad()
            total = (net(inputs) ** 2).mean()
            total.backward()
            optimizer.step()

    if __name__ == "__main__":
        train()
        raise SystemExit(0)
"""


@pytest.fixture
def explain(tmp_path, capsys):
    """Write a program, explain it; the exit status, what was printed, and what was complained of."""

    def called(text, *arguments, name="train.py"):
        (tmp_path / name).write_text(textwrap.dedent(text), encoding="utf-8")
        status = program.main(["explain", str(tmp_path / name), *arguments])
        return (status, *capsys.readouterr())

    return called


def data_of(page):
    return json.loads(page.read_text(encoding="utf-8").split('id="data">')[1].split("</script>")[0])


def steps_of(page):
    """The steps of the training that a page shows, and its section."""
    text = page.read_text(encoding="utf-8")
    frames = json.loads(text.split('id="training-data">')[1].split("</script>")[0])["frames"]
    return [one["n"] for one in frames], text.split('<section id="training"')[1].split("</section>")[0]


def test_formulas_are_those_of_explain_inside_the_program(explain):
    """Word for word, with the program's own names, although the parameters have been written since."""
    status, out, err = explain(TRAIN, "--", "say")
    assert (status, err) == (0, "")
    inside, outside = out.split("textbook scale:")[1:]
    assert outside.startswith(inside.rstrip())
    assert "dscores = chances - labels" in outside
    assert "dweights = 1/m points dscoresᵀ" in outside


def test_page_is_written_beside_the_program_with_the_last_numbers(explain, tmp_path):
    """train_backprop.html, every value filled in; --out says another place."""
    _, out, _ = explain(TRAIN)
    data = data_of(tmp_path / "train_backprop.html")
    assert all(value["v"] for value in data["values"])
    assert "scores = weights.T @ points + offset" in [text for _, text in data["code"]]
    assert out.rstrip().endswith("train_backprop.html")
    assert explain(TRAIN, "--out", str(tmp_path / "other.html"))[0] == 0
    assert (tmp_path / "other.html").exists()


def test_loss_of_a_function_is_what_backward_was_called_on(explain, tmp_path):
    """No variable is called loss: the scalar of the last backward, with the names that its caller saw."""
    status, out, _ = explain(FUNCTION)
    assert status == 0
    assert "dZ2 = 2 Z2" in out
    assert "0.weight" in out  # the path in the model, a local variable
    assert "inputs" in out
    assert all(value["v"] for value in data_of(tmp_path / "train_backprop.html")["values"])


def test_name_says_which_loss_is_meant(explain):
    """Of two losses the second, and a variable of the function that called backward."""
    two = "import tinygrad_edu as te\nw = te.ones(2, requires_grad=True)\nloss = w.sum()\npenalty = (w * w).sum()"
    assert "w ∘ w" in explain(two, "--name", "penalty")[1]
    assert "w ∘ w" not in explain(two)[1]
    assert "dZ2 = 2 Z2" in explain(FUNCTION, "--name", "total")[1]


def test_scale_may_be_chosen(explain):
    """Textbook where there is one, exact on request; a scale that there isn't is refused."""
    assert "dscores = 1/m (chances - labels)" in explain(TRAIN, "--scale", "exact")[1]
    no_mean = "import tinygrad_edu as te\nw = te.ones(2, requires_grad=True)\nloss = w.sum()"
    assert "exact scale" in explain(no_mean)[1]
    status, _, err = explain(no_mean, "--scale", "textbook")
    assert status == 2
    assert "no textbook scale" in err


@pytest.mark.parametrize(
    ("text", "arguments", "says"),
    [
        (
            "import tinygrad_edu as te\nw = te.ones(2, requires_grad=True)\nmine = w.sum()",
            [],
            "no loss was found: no variable called loss, L, cost holds a scalar that requires a gradient, and "
            "backward() was called on none. --name VARIABLE says which one is meant: mine.",
        ),
        ("x = 1", [], "exchanged for `import tinygrad_edu as torch`"),
        (
            "import tinygrad_edu as te\nw = te.ones(2, requires_grad=True)\nmine = w.sum()\nloss = 3.0",
            ["--name", "loss"],
            "loss is no tensor but of type float. What could be meant: mine.",
        ),
        (TRAIN, ["--name", "scores"], "scores is a tensor of shape (1, 8), not a computed scalar"),
        (TRAIN, ["--name", "points"], "points is a tensor that does not require a gradient"),
        (TRAIN, ["--name", "los"], "the program has no variable los. What could be meant: cost."),
        (TRAIN, ["--out", "/nowhere/page.html"], "error: /nowhere/page.html: No such file or directory"),
    ],
)
def test_what_is_not_found_is_named(text, arguments, says, explain):
    """Exit status 2, and the names that could be meant."""
    status, _, err = explain(text, *arguments)
    assert status == 2
    assert says in err


def test_missing_program_is_named(capsys):
    """No traceback."""
    assert program.main(["explain", "nowhere.py"]) == 2
    assert capsys.readouterr().err == "error: nowhere.py: No such file or directory\n"


@pytest.mark.parametrize(
    "text",
    ["def f():\n    raise KeyError('x')\n\nf()\n", "x = = 1\n", "import tinygrad_edu as te\nte.ones(2) @ te.ones(3)\n"],
)
def test_program_that_raises_shows_its_own_traceback(text, tmp_path):
    """To the letter what Python prints for it, and exit status 1."""
    path = tmp_path / "bad.py"
    path.write_text(text, encoding="utf-8")
    alone = subprocess.run([sys.executable, path], capture_output=True, text=True)
    ours = subprocess.run([sys.executable, "-m", "tinygrad_edu", "explain", path], capture_output=True, text=True)
    assert (ours.returncode, ours.stderr) == (1, alone.stderr)


def test_program_that_exits_with_an_error_ends_there(explain):
    """Its own exit status."""
    with pytest.raises(SystemExit) as end:
        explain("import sys\nsys.exit(3)")
    assert end.value.code == 3


def test_nothing_is_left_behind(explain):
    """Arguments, path, main module, backward and keep are what they were."""
    before = sys.argv, list(sys.path), sys.modules["__main__"], Tensor.backward, mode.keep
    explain(TRAIN)
    with pytest.raises(SystemExit):
        explain("raise SystemExit(1)")
    assert (sys.argv, list(sys.path), sys.modules["__main__"], Tensor.backward, mode.keep) == before


def test_a_list_of_losses_keeps_the_numbers_of_the_last():
    """Of those that one line called backward on."""
    text = """
    import tinygrad_edu as te
    w = te.ones(2, requires_grad=True)
    losses = []
    for _ in range(3):
        losses.append((w * w).sum())
        losses[-1].backward()
    """
    found = script.run(textwrap.dedent(text).encode(), "list.py", [])
    assert [loss._record.kept is None for loss in found.variables["losses"]] == [True, True, False]


def test_the_steps_of_a_run_are_on_the_page(explain, tmp_path):
    """How the loss fell and the gradients of each layer, at every step of a short run, for variables and modules."""
    status, out, _ = explain(TRAIN)
    assert status == 0
    assert "with every number, and scrub over the training's 3 steps in a browser: " in out
    steps, section = steps_of(tmp_path / "train_backprop.html")
    assert steps == [0, 1, 2]
    assert "weights" in section
    assert "offset" in section
    explain(FUNCTION)
    steps, section = steps_of(tmp_path / "train_backprop.html")
    assert steps == [0, 1]
    assert "0 Linear" in section
    assert "2 Linear" in section


def test_what_the_program_records_itself_is_what_is_shown(explain, tmp_path):
    """Its own viz.record knows inputs and labels; and a single backward is no training."""
    own = TRAIN.replace(
        "for step in", "from tinygrad_edu import viz\n    run = viz.record([weights], every=2)\n    for step in"
    )
    assert "training" in explain(own.replace("cost.backward()", "cost.backward(); run.step(cost)"))[1]
    assert steps_of(tmp_path / "train_backprop.html")[0] == [0, 2]
    once = "import tinygrad_edu as te\nloss = te.ones(2, requires_grad=True).sum()\nloss.backward()"
    assert "training" not in explain(once)[1]


def test_a_long_run_keeps_few_steps():
    """At most 120 looks, evenly spaced; every loss is kept."""
    text = """
    import tinygrad_edu as te
    w = te.ones(2, requires_grad=True)
    for _ in range(500):
        loss = (w * w).sum()
        loss.backward()
    """
    found = script.run(textwrap.dedent(text).encode(), "long.py", [])
    training = found.training(found.choose(None).loss)
    assert len(training) == 500
    steps = [look.step for look in training.looks]
    assert steps == list(range(0, 500, 8))
