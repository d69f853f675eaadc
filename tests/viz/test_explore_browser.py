"""The explorer in a real browser: every step, at several sizes, with mouse and keys."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

import tinygrad_edu as te
import tinygrad_edu.nn.functional as F
from tinygrad_edu import nn
from tinygrad_edu.viz import explore

from .browser import CONTRAST, quiet, running
from .graphs import article

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
if shutil.which("chromium") is None:
    pytest.skip("chromium is not installed", allow_module_level=True)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.inner = nn.LayerNorm(4), nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 4))

    def forward(self, x):
        return x + self.inner(self.norm(x))


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks, self.head = nn.ModuleList([Block() for _ in range(3)]), nn.Linear(4, 1)

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return self.head(x)


@pytest.fixture(scope="module")
def browser():
    with running(playwright) as found:
        yield found


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Explorers as files: the article's network, a classifier of sampled arrays, blocks with shortcuts, pixels."""
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("explorer")
    v = article(rng, 6)
    made = {"article": explore(v["L"], folder / "article.html")}
    te.manual_seed(0)
    model = nn.Sequential(nn.Linear(30, 20), nn.ReLU(), nn.Linear(20, 4))
    x = te.tensor(rng.standard_normal((16, 30)).astype("f4"))
    loss = F.cross_entropy(model(x), te.tensor(np.arange(16) % 4))
    made["classifier"] = explore(loss, folder / "classifier.html")
    model = Residual()
    loss = F.mse_loss(model(te.tensor(rng.standard_normal((5, 4)).astype("f4"))), te.zeros(5, 1))
    made["residual"] = explore(loss, folder / "residual.html")
    scores = te.tensor(rng.standard_normal((2, 3, 2, 2)).astype("f4"), requires_grad=True, name="scores")
    loss = F.cross_entropy(scores, te.tensor(rng.integers(0, 3, (2, 2, 2))))
    made["pixels"] = explore(loss, folder / "pixels.html")
    return {name: (page, (folder / f"{name}.html").as_uri()) for name, page in made.items()}


@pytest.fixture
def tab(browser):
    """A page that fails the test at its end if it said, asked or raised anything."""
    with quiet(browser, ("/article.html", "/classifier.html", "/residual.html", "/pixels.html")) as page:
        yield page


STATE = """() => ({
    marked: [...document.querySelectorAll('.card.on')].map(c => +c.dataset.k),
    title: document.getElementById('title').textContent,
    slider: +document.getElementById('slider').value,
    said: document.getElementById('slider').getAttribute('aria-valuetext'),
    chip: document.querySelector('#chips [aria-current]').getAttribute('aria-label'),
    code: [...document.querySelectorAll('#code .on')].map(r => [...r.parentNode.children].indexOf(r)),
    formula: document.querySelector('#fx > *')?.textContent ?? '',
    worked: document.getElementById('worked').textContent,
    hash: location.hash,
})"""


@pytest.mark.parametrize("name", ["article", "classifier"])
def test_stepping_visits_the_steps_and_marks_one_value(name, pages, tab):
    """Formula, title, slider, chip, code line and address agree with the data at every step."""
    page, address = pages[name]
    tab.goto(address)
    for number, step in enumerate(page.data["steps"]):
        state = tab.evaluate(STATE)
        assert state["slider"] == number
        assert state["hash"] == f"#step={number}"
        assert state["title"] == step["title"]
        assert state["said"].endswith(step["title"])
        assert state["chip"] == f"step {number}: {step['title']}"
        assert state["marked"] == ([step["k"]] if number else [])
        assert state["code"] == ([step["code"]] if number else [])
        row = tab.evaluate(f"document.querySelector('#r{number} .exact')?.textContent ?? ''")
        assert state["formula"] == row
        assert bool(row) == bool(number)
        tab.keyboard.press("ArrowRight")
    assert tab.evaluate(STATE)["slider"] == len(page.data["steps"]) - 1


OVERLAPS = """() => {
    const box = e => e.getBoundingClientRect(), id = name => document.getElementById(name), found = [];
    const meet = (a, b) =>
        a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1;
    const shown = [...document.querySelectorAll('header, #graph, #step, aside, footer')];
    const cards = [...document.querySelectorAll('.card .bg')].filter(c => box(c).width); // not what is folded
    for (const list of [shown, cards]) list.forEach((a, i) => list.slice(0, i).forEach(b => {
        if (meet(box(a), box(b))) found.push(`${a.parentNode.id || a.id} on ${b.parentNode.id || b.id}`);
    }));
    for (const t of document.querySelectorAll('.card text')) {
        const a = box(t), b = box(t.parentNode.querySelector('.bg'));
        if (a.width && (a.right > b.right + 1 || a.left < b.left - 1 || a.bottom > b.bottom + 1))
            found.push(`${t.textContent} leaves its card`);
    }
    const panel = box(id('step'));
    for (const name of ['said', 'worked', 'eq', 'title', 'words']) {
        const a = box(id(name));
        if (a.width && (a.right > panel.right + 1 || a.bottom > panel.bottom + 1 || a.top < panel.top - 1))
            found.push(`${name} leaves its panel`);
    }
    const [said, eq, worked] = ['said', 'eq', 'worked'].map(name => box(id(name)));
    if (meet(eq, said) || meet(eq, worked) || meet(said, worked)) found.push('the step overlaps itself');
    if (document.documentElement.scrollWidth > innerWidth) found.push('the page is wider than the window');
    return [found, JSON.stringify(cards.map(c => [box(c).x, box(c).y + scrollY]))];
}"""


@pytest.mark.parametrize("width", [900, 1024, 1280, 1600])
def test_nothing_overlaps_and_the_graph_stays(width, pages, tab):
    """At every step; cards stand where they stood."""
    page, address = pages["article"]
    tab.set_viewport_size({"width": width, "height": 900})
    tab.goto(address)
    places = set()
    for number in range(len(page.data["steps"])):
        found, cards = tab.evaluate(OVERLAPS)
        assert found == [], f"step {number}"
        places.add(cards)
        tab.keyboard.press("ArrowRight")
    assert len(places) == 1


@pytest.mark.parametrize("width", [800, 1100])
def test_an_equation_too_wide_for_its_place_takes_the_whole_width(width, pages, tab):
    """Matrices with more than 6 rows, too: beside the words the last would be cut off."""
    page, address = pages["pixels"]
    tab.set_viewport_size({"width": width, "height": 900})
    tab.goto(address)
    for number in range(len(page.data["steps"])):
        over = tab.evaluate("(e => e.scrollWidth - e.clientWidth)(document.getElementById('eq'))")
        assert over <= 0, f"step {number}"
        tab.keyboard.press("ArrowRight")


KNOBS = """() => [...document.querySelectorAll('#modules button:not([hidden])')]
    .map(b => [b.textContent.slice(2), b.getAttribute('aria-expanded')])"""
SEEN = """() => ({
    cards: [...document.querySelectorAll('.card:not(.module)')].filter(c => c.getBoundingClientRect().width).length,
    folded: [...document.querySelectorAll('.card.module .sym')].map(t => t.textContent),
    marked: document.querySelectorAll('.card.on').length,
    places: [...document.querySelectorAll('.card')].map(c => c.getAttribute('transform')).join(),
    frame: JSON.stringify(['graph', 'graph-svg'].map(i => document.getElementById(i).getBoundingClientRect())
        .map((r, k) => [k || r.top + scrollY, r.width, r.height])), // the picture may be scrolled in its window
})"""


def test_modules_fold_and_unfold(pages, tab):
    """By mouse and by keyboard, from the buttons and from the folded card; unfolded, all stands where it stood."""
    page, address = pages["residual"]
    tab.goto(address)
    for knob in tab.query_selector_all("#modules button:not([hidden])"):
        if knob.is_visible() and knob.get_attribute("aria-expanded") == "false":
            knob.click()
    before = tab.evaluate(SEEN)
    assert before["folded"] == []
    assert before["cards"] == len(page.data["values"])
    tab.click("#modules button:text-is('▾ blocks.1')")
    assert ["blocks.1", "false"] in tab.evaluate(KNOBS)
    assert "blocks.1.inner" not in dict(tab.evaluate(KNOBS))  # inside of what is folded
    now = tab.evaluate(SEEN)
    assert now["folded"] == ["blocks.1"]
    (module,) = [m for m in page.data["modules"] if m["name"] == "blocks.1"]
    assert now["cards"] == before["cards"] - len(module["cards"])
    assert tab.evaluate("document.activeElement.textContent") == "▸ blocks.1"
    tab.keyboard.press("Enter")
    assert tab.evaluate(SEEN)["places"] == before["places"]
    tab.keyboard.press("Space")
    tab.focus(".card.module")
    assert tab.get_attribute(".card.module", "aria-expanded") == "false"
    tab.keyboard.press("Enter")
    assert tab.evaluate(SEEN)["places"] == before["places"]
    tab.click("#modules button:text-is('▾ blocks.0')")
    tab.click(".card.module .bg")
    assert tab.evaluate(SEEN)["folded"] == []


@pytest.mark.parametrize(
    ("width", "names"),
    [
        (900, ["blocks.0"]),
        (1024, ["blocks.2.inner", "blocks.0", "head"]),
        (1280, ["blocks.0", "blocks.1", "blocks.2"]),
        (1600, ["Residual"]),
    ],
    ids=str,
)
def test_nothing_overlaps_or_moves_while_modules_are_folded(width, names, pages, tab):
    """At every step one card is marked, or the module around it, and what is folded has its arrows."""
    page, address = pages["residual"]
    tab.set_viewport_size({"width": width, "height": 900})
    tab.goto(address)
    for knob in tab.query_selector_all("#modules button:not([hidden])"):
        if knob.is_visible() and knob.get_attribute("aria-expanded") == "false":
            knob.click()
    for name in names:
        tab.click(f"#modules button:text-is('▾ {name}')")
    tab.evaluate("document.activeElement.blur()")
    places = set()
    for number in range(len(page.data["steps"])):
        found, _ = tab.evaluate(OVERLAPS)
        assert found == [], f"step {number}"
        seen = tab.evaluate(SEEN)
        places.add(seen["places"] + seen["frame"])
        assert seen["marked"] == (number > 0)
        assert len(seen["folded"]) == len(names)
        tab.keyboard.press("ArrowRight")
    assert len(places) == 1
    ways = tab.evaluate("[...document.querySelectorAll('.edge')].filter(e => e.style.display !== 'none').length")
    assert ways >= seen["cards"] + len(names) - 1


def test_one_entry_is_worked_out_and_any_on_hover(pages, tab):
    """dW2 in textbook scale: 1/6 of six products; the entry under the mouse is the one that is told."""
    page, address = pages["article"]
    step = next(i for i, s in enumerate(page.data["steps"]) if s["id"] == "dW2")
    tab.goto(f"{address}#step={step}&scale=textbook")
    told = tab.evaluate(STATE)["worked"]
    assert told.startswith("One entry: dW2[")
    assert "1/6·(" in told
    assert told.count("·") == 7
    tab.hover("#eq figure:first-child rect[data-i='1'][data-j='0']")
    value = page.data["values"][page.data["steps"][step]["k"]]["g"][1][0]
    told = tab.evaluate(STATE)["worked"]
    assert told.startswith("One entry: dW2[1, 0] = ")
    assert float(told.rsplit("= ", 1)[1].replace("−", "-")) == pytest.approx(value, rel=1e-4)  # five digits


def test_numbers_in_cells_are_the_data_to_their_digits(pages, tab):
    """Every figure of every step, rounded as it is shown."""
    page, address = pages["article"]
    tab.goto(address)
    for step in page.data["steps"][1:]:
        tab.keyboard.press("ArrowRight")
        shown = tab.evaluate("[...document.querySelectorAll('#eq figure:first-child text')].map(t => t.textContent)")
        unit = 10.0 ** int(tab.evaluate("document.querySelector('#eq figure').dataset.power"))
        numbers = np.ravel(page.data["values"][step["k"]]["g" if step["phase"] == "b" else "v"])
        for text, number in zip(shown, numbers, strict=False):
            number = number / unit
            digit = 10.0 ** -len(text.partition(".")[2])  # the last one shown
            assert float(text.replace("−", "-")) == pytest.approx(number, abs=0.51 * digit)


def test_keys_slider_play_and_links(pages, tab):
    """Home, End, a link to a step, a click on a card, and play."""
    page, address = pages["article"]
    last = len(page.data["steps"]) - 1
    tab.goto(f"{address}#step=3")
    assert tab.evaluate(STATE)["slider"] == 3
    tab.keyboard.press("End")
    assert tab.evaluate(STATE)["slider"] == last
    tab.keyboard.press("Home")
    assert tab.evaluate(STATE)["slider"] == 0
    tab.evaluate("location.hash = '#step=5'")
    tab.wait_for_function("document.getElementById('slider').value === '5'")
    tab.fill("#slider", "2")
    assert tab.evaluate(STATE)["slider"] == 2
    k = page.data["steps"][4]["k"]
    tab.click(f"#c{k} .bg")
    assert tab.evaluate(STATE)["marked"] == [k]
    before = tab.evaluate(STATE)["slider"]
    tab.click("#play")
    assert tab.evaluate(STATE)["slider"] == before + 1
    assert tab.inner_text("#play").endswith("pause")


def test_scales_change_formula_and_numbers(pages, tab):
    """dZ2 loses its 1/m, and its numbers are m times as large."""
    page, address = pages["article"]
    step = next(i for i, s in enumerate(page.data["steps"]) if s["id"] == "dZ2")
    tab.goto(f"{address}#step={step}")
    last = "document.querySelector('#worked b').textContent.replace('−', '-')"
    exact, formula = float(tab.evaluate(last)), tab.evaluate(STATE)["formula"]
    tab.check("input[value=textbook]")
    assert float(tab.evaluate(last)) == pytest.approx(6 * exact, rel=1e-4)  # five digits
    assert "m" in formula
    assert "m" not in tab.evaluate(STATE)["formula"]


def test_page_works_in_a_sandboxed_frame(pages, browser):
    """As a notebook shows it: no history, no address, and the arrow key steps."""
    page, _ = pages["article"]
    tab = browser.new_page()
    heard: list[str] = []
    tab.on("console", lambda message: heard.append(message.text))
    tab.on("pageerror", lambda error: heard.append(str(error)))
    tab.set_content(page._repr_html_())
    frame = tab.frames[1]
    frame.wait_for_selector(".js")
    frame.click("#next")
    assert frame.evaluate(STATE)["slider"] == 1
    tab.close()
    assert heard == []


def test_without_a_program_the_graph_and_the_table_are_there(pages, browser):
    """JavaScript off: all gradients drawn, all steps in the table, no control that does nothing."""
    page, address = pages["article"]
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(address)
    assert tab.is_visible("#c0")
    assert tab.locator(".gr").count() == sum(v["g"] is not None for v in page.data["values"])
    assert tab.locator("tbody tr:visible").count() == len(page.data["steps"]) - 1
    assert not tab.is_visible("#play")
    context.close()


def test_contrast_of_text_is_at_least_four_and_a_half(pages, browser):
    """In the light and the dark scheme, for text of headings, notes, cards and buttons."""
    _, address = pages["article"]
    texts = ["h1", ".badge", "#title", "#words", "#worked", "summary", ".legend", "#code span", "#chips button",
             "#modules button", ".card.module .sym", ".card.module .op", ".card .sym", ".card .dim", ".card.todo .sym",
             "#play"]  # fmt: skip
    for scheme in ("light", "dark"):
        tab = browser.new_page(color_scheme=scheme)
        for step in (2, 8):
            tab.goto(f"{address}#step={step}")
            tab.reload()
            worst, what = tab.evaluate(CONTRAST, texts)
            assert worst >= 4.5, (scheme, step, what)
        tab.close()
