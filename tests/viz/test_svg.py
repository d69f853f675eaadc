"""viz.draw(...).svg(): the project's own layout and SVG, with no package and no program."""

from __future__ import annotations

import re
import sys
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu.viz import Drawing, draw, graph
from tinygrad_edu.viz.layout import layout
from tinygrad_edu.viz.svg import text_width

from .graphs import GRAPHS, article, evil_names, leaf, used_twice

SVG = "{http://www.w3.org/2000/svg}"
every_graph = pytest.mark.parametrize("name", GRAPHS)


def parsed(drawing):
    return ElementTree.fromstring(drawing.svg())


def groups(root, kind):
    return [g for g in root.iter(f"{SVG}g") if g.get("class") == kind]


def rectangle(group):
    """Left, top, right, bottom."""
    x, y, w, h = (float(group.find(f"{SVG}rect").get(k)) for k in ("x", "y", "width", "height"))
    return x, y, x + w, y + h


def texts(root):
    return ["".join(e.itertext()) for e in root.iter(f"{SVG}text")]


OPERATIONS = [te.add, te.mul, lambda a, b: te.tanh(a), lambda a, b: te.cat([a, b])[:2]]


def random_loss(rng, size):
    """A graph of random operations on random earlier values, with names of odd lengths."""
    values = [leaf(rng.standard_normal(2).astype(np.float32), "w" * int(rng.integers(0, 40)) or None) for _ in range(3)]
    for _ in range(size):
        near = int(rng.integers(1, len(values) + 1))  # some reach far back, most do not
        a, b = (values[-int(rng.integers(1, near + 1))] for _ in range(2))
        result = OPERATIONS[int(rng.integers(4))](a, b)
        if rng.random() < 0.4:
            result.name = rng.choice(["Z", "hidden state", "Δ∘日本", "x" * 45, "<b>&amp;"])
        values.append(result)
    return values[-1].sum()


def assert_nothing_overlaps(root):
    """No two boxes or formulas, and every label within its own."""
    boxes = [(rectangle(g), g) for kind in ("value", "rule", "more") for g in groups(root, kind)]
    boxes.sort(key=lambda item: item[0][1])
    for i, ((left, top, right, bottom), group) in enumerate(boxes):
        for (x0, y0, x1, _), _ in boxes[i + 1 :]:
            if y0 >= bottom:
                break
            assert x1 <= left or x0 >= right
        lines = {}
        for e in group.iter(f"{SVG}text"):
            size = float(e.get("font-size", 11))
            width = text_width("".join(e.itertext()), size, e.get("font-weight") == "bold")
            x, y = float(e.get("x")), float(e.get("y"))
            start = x - {"end": width, "middle": width / 2}.get(e.get("text-anchor"), 0.0)
            assert left <= start
            assert start + width <= right
            assert top <= y - 0.75 * size
            assert y + 0.25 * size <= bottom
            lines.setdefault(y, []).append((start, start + width))
        for spans in lines.values():  # a title and the shape beside it
            assert all(before[1] < after[0] for before, after in pairwise(sorted(spans)))
    width, height = float(root.get("width")), float(root.get("height"))
    assert all(0 <= b[0] and b[2] <= width and 0 <= b[1] and b[3] <= height for b, _ in boxes)


@pytest.mark.parametrize("seed", range(20))
def test_nothing_overlaps_in_random_graphs(seed):
    """Ten graphs each: no two boxes overlap, no label leaves its box, no box the picture."""
    rng = np.random.default_rng(seed)
    for _ in range(10):
        loss = random_loss(rng, int(rng.integers(2, 40)))
        direction = "LR" if rng.random() < 0.3 else "TB"
        limit = int(rng.integers(5, 80))
        root = parsed(draw(loss, limit=limit, direction=direction, constants=rng.random() < 0.5))
        assert len(groups(root, "value")) == min(limit, len(graph(loss)))
        assert_nothing_overlaps(root)


@every_graph
@pytest.mark.parametrize("direction", ["TB", "LR"])
def test_the_sample_graphs_are_well_placed(name, direction):
    """Nothing overlaps, with formulas on the arrows too; and no arrow runs against the direction."""
    t = GRAPHS[name]()
    options = {"formulas": True} if t.shape == () else {}
    root = parsed(draw(t, direction=direction, **options))
    assert_nothing_overlaps(root)
    for path in root.iter(f"{SVG}path"):
        if path.get("fill") == "none":
            ends = re.findall(r"(-?[\d.]+) (-?[\d.]+)(?=[LC ]|$)", path.get("d"))
            along = [float(p[direction == "TB"]) for p in ends]
            assert along == sorted(along)


def test_boxes_stand_below_their_inputs():
    """Every arrow of a random acyclic graph goes down, and its ends lie on the edges of its boxes."""
    rng = np.random.default_rng(1)
    arrows = [(str(int(rng.integers(max(0, i - 9), i))), str(i)) for i in range(1, 60) for _ in range(2)]
    sizes = {str(i): (float(rng.integers(20, 90)), float(rng.integers(10, 50))) for i in range(60)}
    found = layout(sizes, arrows)
    for a, b in arrows:
        assert found.places[a][1] + sizes[a][1] / 2 < found.places[b][1] - sizes[b][1] / 2
    for route in found.routes:
        if route.begins:
            x, y = found.places[route.source]
            assert route.points[0] == (x, y + sizes[route.source][1] / 2)
        if route.target is not None:
            (x, y), (w, h) = found.places[route.target], sizes[route.target]
            assert abs(route.points[-1][0] - x) <= w / 2
            assert route.points[-1][1] == y - h / 2
    assert sum(route.target is not None for route in found.routes) == len(arrows)


def test_a_box_that_nobody_uses_stands_below_what_it_comes_from():
    """Not at the end, a long arrow away."""
    sizes = dict.fromkeys("abcdx", (20.0, 10.0))
    places = layout(sizes, [("a", "b"), ("b", "c"), ("c", "d"), ("a", "x")]).places
    assert places["x"][1] == places["b"][1] < places["d"][1]


def test_arrows_pass_beside_boxes():
    """A straight piece of an arrow that is several layers long crosses no box."""
    sizes = dict.fromkeys("abcde", (80.0, 30.0))
    found = layout(sizes, [("a", "b"), ("b", "c"), ("c", "d"), ("a", "d"), ("d", "e"), ("a", "e")])
    for route in found.routes:
        for (x, y), (x2, y2) in zip(route.points[::2], route.points[1::2], strict=True):
            assert x == x2
            for px, py in found.places.values():
                outside = abs(x - px) >= 40 or y2 <= py - 15 or y >= py + 15
                assert outside, route


def test_the_same_graph_is_drawn_the_same():
    """Twice the same bytes; and layouts of nothing and of one box."""
    assert draw(article()["L"]).svg() == draw(article()["L"]).svg()
    assert layout({}, []).places == {}
    assert layout({"a": (10.0, 4.0)}, []).places == {"a": (5.0, 2.0)}
    with pytest.raises(ValueError, match="in a circle"):
        layout({"a": (1.0, 1.0), "b": (1.0, 1.0)}, [("a", "b"), ("b", "a")])


def test_large_graphs_are_laid_out():
    """1,000 values that one uses all of have 500,000 layers between them; the longest arrows get no points."""
    n = 1000
    arrows = [(str(i), str(i + 1)) for i in range(n - 2)] + [(str(i), str(n - 1)) for i in range(n - 1)]
    found = layout({str(i): (100.0, 50.0) for i in range(n)}, arrows)
    assert len({y for _, y in found.places.values()}) == n
    assert sum(len(route.points) for route in found.routes) < 40_000
    y = leaf([0.5])
    for _ in range(1000):
        y = te.tanh(y)
    assert draw(y, limit=2000).svg().count('class="value"') == 1001


def test_a_repeated_operand_has_two_arrows():
    """a + a is two heads, side by side."""
    root = parsed(draw(used_twice()))
    heads = [p.get("d") for p in root.iter(f"{SVG}path") if p.get("marker-end")]
    assert len(heads) == 2
    assert heads[0] != heads[1]


def test_names_are_shown_letter_by_letter():
    """Tags, quotes, entities and backslashes as they were typed; what XML can't hold is replaced."""
    svg = draw(evil_names()).svg()
    shown = texts(ElementTree.fromstring(svg))
    assert {"<lambda>", 'x"]; evil [label="pwn', r"\N \G C:\temp\\ &amp; </TD>", "a↵b"} <= set(shown)
    assert "<lambda>" not in svg
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202e\ud800-\udfff]", svg)


@pytest.mark.parametrize(
    "name", ["javascript:alert(1)", "--><script>", "'", "]]>", " ", "日本", "\\", "</svg>", "v0", "more", "v0 rule"]
)
def test_any_name_is_just_text(name):
    """Whatever a tensor is called, the picture has its two boxes, and no other element than a picture needs."""
    x = leaf([1.0], name)
    y = x * 2
    y.name = name + "2"
    root = parsed(draw(y.sum(), formulas=True))
    assert len(groups(root, "value")) == 3
    assert name in texts(root)
    kinds = {e.tag.removeprefix(SVG) for e in root.iter()}
    assert kinds <= {"svg", "title", "defs", "marker", "path", "rect", "g", "text"}


def test_formulas_stand_on_the_arrows():
    """explain's lines in either scale, with its names; not in the forward view."""
    loss = article(np.random.default_rng(0))["L"]
    shown = texts(parsed(draw(loss, formulas="textbook")))
    assert {"dZ2 = A2 - Y", "dW2 = 1/m A1 dZ2ᵀ", "dZ1 = dA1 ∘ (1 - A1²)"} <= set(shown)
    assert "dZ2 = 1/m (A2 - Y)" in texts(parsed(draw(loss, formulas=True)))
    assert not groups(parsed(draw(loss, formulas=True, view="forward")), "rule")
    assert "dZ2 = A2 - Y" in draw(loss, formulas="textbook").source.replace("&#x27;", "'")
    w = leaf([1.0, 2.0])
    assert "dw = 2 w" in texts(parsed(draw((w * w).sum(), formulas=True)))
    assert "w" in texts(parsed(draw((w * w).sum(), formulas=True)))


def test_views_show_what_they_are_for():
    """Forward has no gradients; backward only what gradients flow through, its arrows turned round."""
    L = article(np.random.default_rng(0))["L"]
    L.backward()
    forward, backward = draw(L, view="forward"), draw(L, view="backward")
    assert not [t for t in texts(parsed(forward)) if t.startswith("grad")]
    assert "marker-start" not in forward.svg()
    shown = texts(parsed(backward))
    assert "X" not in shown
    assert [t for t in shown if t.startswith("grad")]
    assert "marker-end" not in backward.svg()
    assert "dir=back" in backward.source
    assert any(t.startswith("not drawn: 3 of what has no gradient") for t in shown)


def test_numbers_gradients_and_constants_can_be_left_out():
    """values=, grads= and constants= take away their lines and boxes, and the legend says so."""
    L = article()["L"]
    plain = texts(parsed(draw(L, values=False, grads=False)))
    assert not [t for t in plain if "mean " in t or t.startswith(("grad", "all "))]
    hidden = texts(parsed(draw(L, constants=False)))
    assert "X" not in hidden
    assert "not drawn: 3 of the constants" in hidden
    assert "constant: no gradient" not in hidden


def test_counts_are_given_on_request():
    """The article's network 2-3-1 has 13 parameters of 4 bytes."""
    shown = " ".join(texts(parsed(draw(article()["L"], counts=True))))
    assert "13 parameters, 52 bytes" in shown


def test_a_cut_graph_says_so():
    """The number of the values left out, and how to see them."""
    y = leaf([0.0])
    for i in range(100):
        y = y + 1
        y.name = f"y{i}"  # what has a name is not folded
    shown = texts(parsed(draw(y)))
    assert "41 earlier values, not drawn" in shown
    assert "draw(..., limit=101) draws all of them." in " ".join(shown)


def test_saved_without_package_or_program(tmp_path, monkeypatch):
    """save("g.svg") needs no graphviz and no dot."""
    monkeypatch.setitem(sys.modules, "graphviz", None)
    monkeypatch.setenv("PATH", "")
    drawing = draw(article()["L"])
    drawing.save(tmp_path / "g.SVG")
    assert (tmp_path / "g.SVG").read_text(encoding="utf-8") == drawing.svg()


def test_notebooks_show_picture_and_text(monkeypatch):
    """Drawings and graphs give both; where no picture can be made the text says why."""
    L = article()["L"]
    for thing in (draw(L), graph(L)):
        bundle = thing._repr_mimebundle_(include=None, exclude=None)
        assert bundle["image/svg+xml"] == draw(L).svg()
        assert "values" in bundle["text/plain"]
    monkeypatch.setattr(Drawing, "svg", lambda _: 1 / 0)
    assert draw(L)._repr_mimebundle_() == {"text/plain": f"{draw(L)!r}: not shown, ZeroDivisionError: division by zero"}


def test_drawing_a_view_that_is_none():
    """Refused with the three that there are."""
    with pytest.raises(ValueError, match="view is 'forward', 'backward' or 'both', not 'sideways'"):
        draw(used_twice(), view="sideways")
