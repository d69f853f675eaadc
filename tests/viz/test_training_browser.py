"""The training view in a real browser: every kept step, at several sizes, with mouse and keys."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tinygrad_edu.viz import explore
from tinygrad_edu.viz.charts import TOP, Plane
from tinygrad_edu.viz.record import CELLS

from .browser import CONTRAST, quiet, running
from .graphs import article
from .runs import binary, three_columns

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
if shutil.which("chromium") is None:
    pytest.skip("chromium is not installed", allow_module_level=True)


@pytest.fixture(scope="module")
def browser():
    with running(playwright) as found:
        yield found


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A binary and a three-class run with their addresses; and the first one beside the explorer."""
    folder = tmp_path_factory.mktemp("training")
    rng = np.random.default_rng(0)
    found = {"binary": binary(rng), "three": three_columns(rng)[0]}
    for name, run in found.items():
        run.save(folder / f"{name}.html")
    explore(article(rng, 4)["L"], folder / "both.html", training=found["binary"])
    found["both"] = found["binary"]
    return {name: (run, (folder / f"{name}.html").as_uri()) for name, run in found.items()}


@pytest.fixture
def tab(browser):
    with quiet(browser, ("/binary.html", "/three.html", "/both.html")) as page:
        yield page


def data_of(run):
    return json.loads(run.html.split('id="training-data">')[1].split("</script>")[0])


STATE = """() => ({
    said: document.getElementById('t-said').textContent,
    slider: +document.getElementById('t-slider').value,
    told: document.getElementById('t-slider').getAttribute('aria-valuetext'),
    hash: location.hash,
    lines: [...document.querySelectorAll('.t-now')].map(e => e.getAttribute('d')),
    dot: ['cx', 'cy'].map(k => +document.getElementById('t-at').getAttribute(k)),
    norms: [...document.querySelectorAll('[id^=t-n]')].filter(e => e.tagName === 'B').map(e => e.textContent),
    plane: [...document.querySelectorAll('.t-plane path')].map(e => e.getAttribute('d')),
    units: [...document.querySelectorAll('[id^=t-g]')].map(g =>
        [...g.children].map(e => e.getAttribute('class').slice(1)).join('')),
})"""


def levels_of(paths, plane):
    """The levels of the cells that the paths of all levels cover."""
    found = np.full((CELLS, CELLS), -1)
    for level, path in enumerate(paths):
        for x, y, right in re.findall(r"M([\d.]+) ([\d.]+)H([\d.]+)", path):
            i, *columns = (float(y) - TOP) / plane.height, *((float(n) - plane.left) / plane.width for n in (x, right))
            found[round(i), slice(*map(round, columns))] = level
    return found


@pytest.mark.parametrize("name", ["binary", "three"])
def test_scrubbing_shows_every_kept_step(name, runs, tab):
    """From the last one back: text, slider, address, marks, norms, units, and the plane cell by cell."""
    run, address = runs[name]
    frames = data_of(run)["frames"]
    plane = Plane(*run.bounds(), CELLS)
    tab.goto(address)
    for number in reversed(range(len(frames))):
        state, frame, look = tab.evaluate(STATE), frames[number], run.looks[number]
        assert state["said"] == frame["said"]
        assert state["said"].startswith(f"Step {look.step}: loss ")
        assert (state["slider"], state["told"]) == (number, f"step {look.step}")
        assert state["hash"] == f"#frame={number}"
        assert all(line.startswith(f"M{frame['x']:g} ") for line in state["lines"])
        assert state["dot"] == [frame["x"], frame["y"]]
        assert state["norms"] == frame["norms"]
        assert state["units"] == [levels for levels, _ in frame["units"]]
        assert_array_equal(levels_of(state["plane"], plane), look.plane)
        tab.keyboard.press("ArrowLeft")
    assert tab.evaluate(STATE)["slider"] == 0


def test_page_looks_alike_before_and_after_its_program(runs, browser, tab):
    """Without JavaScript the last step is drawn, with the table of all, and no control that does nothing."""
    run, address = runs["binary"]
    context = browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto(address)
    tab.goto(address)
    for part in (".t-plane path", ".t-now", "#t-at", "#t-g0 rect"):
        drawn, moved = (
            [e.evaluate("e => e.outerHTML") if page is tab else None for e in page.query_selector_all(part)]
            for page in (plain, tab)
        )
        assert len(drawn) == len(moved) > 0
    assert plain.inner_text("#t-said") == tab.inner_text("#t-said")
    assert plain.locator("#t-all tbody tr:visible").count() == len(run.looks)
    assert not plain.is_visible("#t-play")
    assert tab.is_visible("#t-play")
    context.close()


def test_keys_slider_play_and_links(runs, tab):
    """Home, End, a link to a step, the buttons, the slider, and play until the last step."""
    run, address = runs["binary"]
    last = len(run.looks) - 1
    tab.goto(f"{address}#frame=2")
    assert tab.evaluate(STATE)["slider"] == 2
    tab.keyboard.press("End")
    assert tab.evaluate(STATE)["slider"] == last
    tab.keyboard.press("Home")
    assert tab.evaluate(STATE)["slider"] == 0
    tab.click("#t-next")
    assert tab.evaluate(STATE)["slider"] == 1
    tab.click("#t-prev")
    assert tab.evaluate(STATE)["slider"] == 0
    tab.fill("#t-slider", "3")
    assert tab.evaluate(STATE)["said"] == data_of(run)["frames"][3]["said"]
    tab.evaluate("location.hash = '#frame=1'")
    tab.wait_for_function("() => document.getElementById('t-slider').value === '1'")
    tab.click("#t-play")
    assert tab.inner_text("#t-play").endswith("pause")
    assert tab.get_attribute("#t-said", "aria-live") == "off"
    tab.wait_for_function(f"() => document.getElementById('t-slider').value === '{last}'")
    tab.wait_for_function("() => document.getElementById('t-play').textContent.endsWith('play')")
    assert tab.get_attribute("#t-said", "aria-live") == "polite"


def test_beside_the_explorer_each_has_its_keys(runs, tab):
    """Arrows step through backprop; in the training section they scrub; colours stay the explorer's own."""
    _, address = runs["both"]
    tab.goto(address)
    step, frame = "+document.getElementById('slider').value", "+document.getElementById('t-slider').value"
    last = tab.evaluate(frame)
    tab.keyboard.press("ArrowRight")
    assert (tab.evaluate(step), tab.evaluate(frame)) == (1, last)
    tab.focus("#t-play")
    tab.keyboard.press("ArrowLeft")
    assert (tab.evaluate(step), tab.evaluate(frame)) == (1, last - 1)
    assert tab.evaluate("getComputedStyle(document.querySelector('.card .k10')).fill") == "rgb(178, 24, 43)"
    assert tab.evaluate("location.hash") == "#step=1"


OVERLAPS = """() => {
    const box = e => e.getBoundingClientRect(), found = [];
    const meet = (a, b) =>
        a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1;
    const parts = [...document.querySelectorAll('#training .t-head, #t-said, .t-bar, .t-panel')];
    parts.forEach((a, i) => parts.slice(0, i).forEach(b => {
        if (meet(box(a), box(b))) found.push(`${a.className} on ${b.className}`);
    }));
    for (const panel of document.querySelectorAll('.t-panel')) for (const e of panel.querySelectorAll('*')) {
        const a = box(e), b = box(panel);
        if (a.width && (a.right > b.right + 1 || a.left < b.left - 1 || a.bottom > b.bottom + 1 || a.top < b.top - 1))
            found.push(`${e.tagName} ${e.textContent.slice(0, 30)} leaves its panel`);
    }
    for (const svg of document.querySelectorAll('.t-panel > svg')) {
        const texts = [...svg.querySelectorAll('text')];
        texts.forEach((a, i) => texts.slice(0, i).forEach(b => {
            if (meet(box(a), box(b))) found.push(`${a.textContent} on ${b.textContent}`);
        }));
    }
    if (document.documentElement.scrollWidth > innerWidth) found.push('the page is wider than the window');
    return found;
}"""


@pytest.mark.parametrize("name", ["binary", "three", "both"])
def test_nothing_overlaps_or_leaves_its_panel(name, runs, tab):
    """At the first step and at the last, in five widths; texts of a chart keep apart."""
    run, address = runs[name]
    tab.goto(address)
    for width in (900, 1024, 1280, 1600, 2000):
        tab.set_viewport_size({"width": width, "height": 900})
        for number in (0, len(run.looks) - 1):
            tab.fill("#t-slider", str(number))
            assert tab.evaluate(OVERLAPS) == [], width


def test_contrast_of_text_is_at_least_four_and_a_half(runs, browser):
    """In the light and the dark scheme: headings, notes, ticks, legends, buttons, the table."""
    texts = ["h1", "h3", ".sub", "#t-said", ".t-panel p", ".t-panel text", ".t-legend li", ".t-legend b", "#t-play",
             "summary", "td", "th"]  # fmt: skip
    for scheme in ("light", "dark"):
        with quiet(browser, "/binary.html", color_scheme=scheme) as tab:
            tab.goto(runs["binary"][1])
            worst, what = tab.evaluate(CONTRAST, texts)
            assert worst >= 4.5, (scheme, what)


def test_page_works_in_a_sandboxed_frame(runs, browser):
    """As a notebook shows it: no history, no address, and the button scrubs."""
    run, _ = runs["binary"]
    with quiet(browser, ("about:blank", "about:srcdoc")) as tab:
        tab.set_content(run._repr_html_())
        frame = tab.frames[1]
        frame.wait_for_selector(".js")
        frame.click("#t-prev")
        assert frame.evaluate(STATE)["slider"] == len(run.looks) - 2
