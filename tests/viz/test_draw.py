"""viz.draw: DOT that is always there and always right, and pictures where Graphviz is."""

from __future__ import annotations

import builtins
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu import no_grad
from tinygrad_edu.viz import draw

from .graphs import GRAPHS, article, constant, evil_names, leaf, used_twice

GOLDEN = Path(__file__).parent / "golden"
every_graph = pytest.mark.parametrize("name", GRAPHS)
needs_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="the program dot is not installed")


def dot(source: str, *options: str) -> bytes:
    """What dot makes of a text; it must have nothing to say about it."""
    run = subprocess.run(["dot", *options], input=source.encode(), capture_output=True, check=True)
    assert run.stderr == b""
    return run.stdout


def texts(source: str) -> list[str]:
    """Every text in the rendered picture."""
    root = ElementTree.fromstring(dot(source, "-Tsvg"))
    return ["".join(e.itertext()) for e in root.iter("{http://www.w3.org/2000/svg}text")]


def box(source: str, name: str) -> str:
    """The statement of the box of that name, without tags."""
    (line,) = [line for line in source.splitlines() if f"<B>{name}</B>" in line]
    return re.sub(r"<[^<>]*>", " ", line)


# --- the text


@every_graph
def test_text_is_as_stored(name, request):
    """The DOT of each graph is the stored one; rewrite it with --update-golden and look at it."""
    source = draw(GRAPHS[name]()).source
    file = GOLDEN / f"{name}.dot"
    if request.config.getoption("--update-golden"):
        file.write_text(source, encoding="utf-8")
    assert file.read_text(encoding="utf-8") == source


def test_text_does_not_depend_on_the_hash_seed():
    """Two processes with different hash seeds write the same bytes."""
    runs = [
        subprocess.run(
            [sys.executable, Path(__file__).with_name("graphs.py"), "residual"],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1]
    assert runs[0].startswith(b"digraph")


def test_a_repeated_operand_has_two_arrows():
    """a + a is two arrows from one box to the other."""
    assert draw(used_twice()).source.count("v0 -> v1") == 2


def test_a_value_says_name_formula_shape_and_numbers():
    """The box of Z1 has its expression in the user's words, its shape, its range and its mean."""
    text = box(draw(article(np.random.default_rng(0), m=5)["L"]).source, "Z1")
    assert re.search(r"Z1 .*\(3, 5\).*= W1\.T @ X \+ b1.* -?\d[\d.]* … \d[\d.]*, mean -?\d", text)


def test_before_and_after_backward():
    """A parameter's gradient is "not computed" before backward and a range after; others only if retained."""
    v = article(np.random.default_rng(0))
    v["A1"].retain_grad()
    before = draw(v["L"]).source
    assert "grad not computed" in box(before, "W1")
    assert "grad" not in box(before, "A1")
    v["L"].backward()
    after = draw(v["L"]).source
    assert re.search(r"grad -?\d\S* … -?\d", box(after, "W1"))
    assert re.search(r"grad -?\d\S* … -?\d", box(after, "A1"))
    assert "grad" not in box(after, "Z1")
    assert "grad" not in box(after, "X")


def test_what_was_written_since_is_said():
    """A value that can't be had is "not available", and the legend says why."""
    v = article(np.random.default_rng(0))
    with no_grad():
        v["b1"] += 1
    source = draw(v["L"]).source
    assert "not available" in box(source, "b1")
    assert "a tensor was written after the graph was made" in source
    assert "not available" not in draw(article()["L"]).source


def test_parameters_and_constants_are_marked():
    """A parameter has a colour of its own, a constant a dashed border, and the legend names both."""
    source = draw(article()["L"]).source
    assert 'fillcolor="#FFF3C4"' in box(source, "W1")
    assert "dashed" in box(source, "X")
    assert "dashed" not in box(source, "Z1")
    assert "parameter: backward() fills its .grad" in source
    assert "constant: no gradient" in source
    assert "constant" not in draw(used_twice()).source


def test_no_dtype_but_another_than_float32_is_said():
    """float32 is what everything is; float64 and integers are said."""
    x = leaf([1.0, 2.0], "x", dtype=te.float64)
    source = draw((x * constant([1, 2], "n")).sum()).source
    assert "(2,) float64" in box(source, "x")
    assert "(2,) int64" in box(source, "n")
    assert "float32" not in draw(article()["L"]).source


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([1.0, float("nan"), 3.0, float("inf"), -float("inf")], "1 … 3, 1 nan, 1 inf, 1 -inf"),
        ([float("nan")] * 2, "2 nan"),
        (float("nan"), "nan"),
        (-0.0, " 0 "),
        (0.123456, "0.1235"),
        ([], "no elements"),
        ([2.0, 2.0], "all 2"),
        ([1.0, 2.0, 6.0], "1 … 6, mean 3"),
        ([[12345.0, -0.000123]], "-0.000123 … 1.23e+04, mean 6.17e+03"),
        ([7, 9], "7 … 9, mean 8"),
        ([True, False, True], "2 of 3 true"),
        (True, "True"),
    ],
)
def test_numbers_in_a_few_words(values, words):
    """One number as it is; of several the range and the mean; what is not finite is counted."""
    assert words in box(draw(constant(values, "x")).source, "x")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda x, y: x @ y.T, "x @ y.T"),
        (lambda x, y: (x - (y - x)) * y, "(x - (y - x)) * y"),
        (lambda x, y: -((x * y) ** 2), "-(x * y) ** 2"),
        (lambda x, y: 1 / x, "1 / x"),
        (lambda x, y: x**-1, "x ** (-1)"),
        (lambda x, y: x.sum(), "sum(x)"),
        (lambda x, y: x.mean(1, keepdim=True), "mean(x, dim=1, keepdim=True)"),
        (lambda x, y: x[0, 1:], "x[0, 1:]"),
        (lambda x, y: x.reshape(4), "reshape(x, shape=(4,))"),
        (lambda x, y: te.maximum(x, y), "maximum(x, y)"),
        (lambda x, y: te.relu(x * x * x * x * x * x), "relu(·)"),
        (lambda x, y: (x * x * x * x * x * x) * y, "· * y"),
        (lambda x, y: te.tanh(x).mean().exp(), "exp(mean(tanh(x)))"),
        (lambda x, y: te.cat([x, y, x, y, x, y]), "cat(x, y, … 4 more, dim=0)"),
        (lambda x, y: x * constant(2.5), "x * 2.5"),
        (lambda x, y: x * constant([2.5]), "x * ·"),
    ],
)
def test_an_operation_reads_as_it_was_typed(make, words):
    """Python's signs with their parentheses, PyTorch's words, and a dot for what has no short name."""
    result = make(leaf([[1.0, 2.0], [3.0, 4.0]], "x"), leaf([[1.0, 2.0], [3.0, 4.0]], "y"))
    result.name = "result"
    assert f"= {words} " in box(draw(result).source, "result")


def test_given_names_are_shown():
    """names= fills in where a tensor has no name of its own."""
    w = leaf([1.0])
    assert "<B>0.weight</B>" in draw(w * 2, names={"0.weight": w}).source
    assert "<I>parameter</I>" in draw(w * 2).source


def test_forty_doublings_are_drawn_at_once(calls):
    """y = y + y, 40 times, has 2**40 paths, 41 boxes, and takes no time."""
    y = GRAPHS["doubled"]()
    source = draw(y).source
    assert calls(lambda: draw(y).source) < 100_000  # 50 ms, the limit set for it; measured 3 ms
    assert len(re.findall(r"^\tv\d+ \[", source, re.M)) == 41
    assert "earlier values" not in source


def test_a_large_graph_is_cut_and_says_so():
    """Of 1,001 named values the last 60 are drawn, with the number of the others; limit= draws more."""
    y = leaf([0.0])
    for i in range(1000):
        y = y + y
        y.name = f"y{i}"  # what has a name is not folded
    drawing = draw(y)
    assert len(re.findall(r"^\tv\d+ \[", drawing.source, re.M)) == 60
    assert "941 earlier values, not drawn" in drawing.source
    assert "more -> v941" in drawing.source
    assert drawing.hint == "The last 60 of 1,001 values; draw(..., limit=1001) draws all of them."
    assert drawing.hint in drawing.source
    whole = draw(y, limit=1001)
    assert len(re.findall(r"^\tv\d+ \[", whole.source, re.M)) == 1001
    assert whole.hint == ""


def test_a_cut_keeps_parameters_beside_what_uses_them():
    """What is left out lies furthest from the end, also where all parameters were made first."""
    weights = [leaf([1.0], f"w{i}") for i in range(30)]
    y = leaf([1.0], "x")
    for w in weights:
        y = te.tanh(y * w)
    source = draw(y, limit=9).source
    assert [w.name for w in weights if f"<B>{w.name}</B>" in source] == ["w27", "w28", "w29"]


# --- names are just names


def test_names_stay_inside_their_labels():
    """No name ends its label, opens another, adds a statement, or leaves a raw control character."""
    source = draw(evil_names()).source
    assert "&lt;lambda&gt;" in source
    unquoted = re.sub(r'"(?:\\.|[^"\\])*"', "", source)
    assert "<lambda>" not in unquoted
    assert "evil [label=" not in unquoted.replace("evil [label=&quot;", "")
    assert "evil [label=&quot;pwn" in source
    assert 'evil [label="' not in source
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202e\ud800-\udfff]", source)
    statements = [line for line in source.splitlines() if line.startswith("\t") and not line.startswith("\tv")]
    assert [s.split()[0].split("=")[0] for s in statements] == ["graph", "node", "edge", "label"]


@needs_dot
def test_names_are_shown_letter_by_letter():
    """dot shows <lambda>, quotes, brackets, entities and backslashes as they were typed."""
    shown = texts(draw(evil_names()).source)
    assert "<lambda>" in shown
    assert 'x"]; evil [label="pwn' in shown
    assert r"\N \G C:\temp\\ &amp; </TD>" in shown
    assert "a↵b" in shown
    assert any(re.fullmatch(r"��� tab\s+(long)+l?o?…", t) for t in shown)


@needs_dot
@pytest.mark.parametrize("name", ["javascript:alert(1)", "--><script>", "'", "%3", "]]>", " ", "日本", "\\", "\\\\"])
def test_any_name_renders(name):
    """Whatever a tensor is called, dot takes it without a word and the picture has one box."""
    x = leaf([1.0], name)
    svg = dot(draw(x).source, "-Tsvg").decode()
    assert svg.count('class="node"') == 1
    assert "<script" not in svg
    assert name.strip() in "".join(texts(draw(x).source))


# --- rendering


@needs_dot
@every_graph
@pytest.mark.parametrize("direction", ["TB", "LR"])
def test_dot_takes_every_graph(name, direction):
    """dot draws every graph with nothing on its standard error, one node per box."""
    source = draw(GRAPHS[name](), direction=direction).source
    assert dot(source, "-Tsvg").count(b'class="node"') == len(re.findall(r"^\tv\d+ \[", source, re.M))


@needs_dot
@pytest.mark.parametrize("name", ["after_backward", "evil_names", "residual"])
@pytest.mark.parametrize("view", ["forward", "backward", "both"])
def test_dot_takes_every_view(name, view):
    """Also with formulas on the arrows, without constants, and with counts in the legend."""
    source = draw(GRAPHS[name](), view=view, formulas=True, constants=False, counts=True).source
    assert dot(source, "-Tsvg").count(b'class="edge"') == source.count(" -> ")


def test_digraph_has_the_same_text():
    """.digraph is a graphviz.Digraph of exactly .source."""
    graphviz = pytest.importorskip("graphviz", reason="the Python package graphviz is not installed")
    drawing = draw(evil_names())
    assert isinstance(drawing.digraph, graphviz.Digraph)
    assert drawing.digraph.source == drawing.source


@needs_dot
@pytest.mark.parametrize(("suffix", "start"), [(".pdf", b"%PDF"), (".png", b"\x89PNG"), (".PNG", b"\x89PNG")])
def test_save_renders_by_suffix(tmp_path, suffix, start):
    """A picture of the kind that the suffix names, and nothing else, lies in the folder."""
    pytest.importorskip("graphviz", reason="the Python package graphviz is not installed")
    draw(used_twice()).save(tmp_path / f"g{suffix}")
    assert (tmp_path / f"g{suffix}").read_bytes().startswith(start)
    assert [p.name for p in tmp_path.iterdir()] == [f"g{suffix}"]


@pytest.mark.parametrize("suffix", [".dot", ".gv"])
def test_text_is_saved_without_package_or_program(tmp_path, suffix, monkeypatch):
    """.dot and .gv are .source, with nothing installed."""
    without_package(monkeypatch)
    monkeypatch.setenv("PATH", "")
    drawing = draw(evil_names())
    drawing.save(str(tmp_path / f"g{suffix}"))
    assert (tmp_path / f"g{suffix}").read_text(encoding="utf-8") == drawing.source


def test_a_page_holds_the_picture(tmp_path):
    """.html is one file around the same SVG, that loads and runs nothing."""
    drawing = draw(evil_names())
    drawing.save(tmp_path / "g.html")
    page = (tmp_path / "g.html").read_text(encoding="utf-8")
    assert drawing.svg() in page
    assert "content=\"default-src 'none'\"" in page
    assert "<title>How " in page
    assert "<script" not in page


def without_package(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name == "graphviz":
            raise ModuleNotFoundError("No module named 'graphviz'")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)


def test_a_missing_package_is_one_clear_error(tmp_path, monkeypatch):
    """Without the package, .digraph and .save("g.pdf") say what to install, and nothing is written."""
    without_package(monkeypatch)
    drawing = draw(used_twice())
    with pytest.raises(ImportError, match=r'digraph: .*pip install graphviz, or pip install "tinygrad_edu\[viz\]"'):
        drawing.digraph
    with pytest.raises(ImportError, match=r"save: .*pip install graphviz.*save\('graph.svg'\) still draws"):
        drawing.save(tmp_path / "g.pdf")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_dot_is_one_clear_error(tmp_path, monkeypatch):
    """Without the program, .save("g.png") says what to install, and nothing is written; .digraph is there."""
    pytest.importorskip("graphviz", reason="the Python package graphviz is not installed")
    monkeypatch.setenv("PATH", "")
    drawing = draw(used_twice())
    with pytest.raises(RuntimeError, match=r"save: the program dot was not found: install Graphviz \(apt-get"):
        drawing.save(tmp_path / "g.png")
    assert list(tmp_path.iterdir()) == []
    assert drawing.digraph.source == drawing.source


def test_a_failing_dot_is_one_clear_error(tmp_path, monkeypatch):
    """What dot complained of is in the message, and a picture that was there stays as it was."""
    pytest.importorskip("graphviz", reason="the Python package graphviz is not installed")
    program = tmp_path / "dot"
    program.write_text("#!/bin/sh\necho 'out of ink' >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    picture = tmp_path / "g.png"
    picture.write_bytes(b"old")
    with pytest.raises(RuntimeError, match=r"save: dot failed: .*out of ink"):
        draw(used_twice()).save(picture)
    assert picture.read_bytes() == b"old"


@pytest.mark.parametrize("file", ["g.jpg", "g", "g.dot.txt"])
def test_an_unknown_suffix_lists_those_that_work(tmp_path, file):
    """Nothing is written, and the message names the suffix and the ones that work."""
    with pytest.raises(ValueError, match=r"what works is \.dot, \.gv, \.svg, \.html and \.pdf, \.png \(by Graphviz\)"):
        draw(used_twice()).save(tmp_path / file)
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_fails_leaves_nothing_behind(tmp_path, monkeypatch):
    """If the disk fails half-way, the old file is whole and no part of the new one is left."""
    file = tmp_path / "g.dot"
    file.write_text("old")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        draw(used_twice()).save(file)
    assert file.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["g.dot"]


# --- arguments


def test_what_is_no_tensor_is_refused():
    """A number can't be drawn."""
    with pytest.raises(TypeError, match="draw: expected a Tensor, got float"):
        draw(1.0)


@pytest.mark.parametrize("limit", [0, -1, 2.5])
def test_a_limit_is_a_positive_whole_number(limit):
    """Refused with what is meant by it."""
    with pytest.raises(ValueError, match="draw: limit is the number of values to draw, at least 1, not"):
        draw(used_twice(), limit=limit)


def test_a_direction_is_down_or_to_the_right():
    """Refused with the two that there are."""
    with pytest.raises(ValueError, match=r"draw: direction is 'TB' .* or 'LR' .*, not 'up'"):
        draw(used_twice(), direction="up")


def test_drawing_changes_nothing():
    """A graph that was drawn runs backward as if it had not been, and keeps no array longer."""
    v, w = article(np.random.default_rng(0)), article(np.random.default_rng(0))
    draw(v["L"])
    v["L"].backward()
    w["L"].backward()
    draw(v["L"])
    for name in ("W1", "b1", "W2", "b2"):
        np.testing.assert_array_equal(v[name].grad.numpy(), w[name].grad.numpy())
    with pytest.raises(RuntimeError, match="second time"):
        v["L"].backward()


def test_graphviz_is_not_imported_before_it_is_needed():
    """Importing the viewer and making DOT load no package."""
    code = (
        "import sys; from tinygrad_edu import tensor, viz; viz.draw(tensor([1.0])).source;"
        "print('graphviz' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
