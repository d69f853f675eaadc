"""The system's browser, for tests that open pages in it."""

from __future__ import annotations

import contextlib
import shutil

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# The lowest contrast of the texts that the selectors find with what they stand on, and which it is
CONTRAST = """(selectors) => {
    const rgb = s => s.match(/[\\d.]+/g).slice(0, 3).map(Number);
    const light = c => c.map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((s, v, i) => s + v * [0.2126, 0.7152, 0.0722][i], 0);
    const ground = e => {
        const card = e.closest?.('.card')?.querySelector('.bg');
        if (card) return rgb(getComputedStyle(card).fill);
        for (; e; e = e.parentElement) {
            const c = getComputedStyle(e).backgroundColor;
            if (!/, 0\\)$|transparent/.test(c)) return rgb(c);
        }
    };
    return selectors.flatMap(q => [...document.querySelectorAll(q)]).map(e => {
        const style = getComputedStyle(e), svg = e.closest('svg');
        const [a, b] = [light(rgb(svg ? style.fill : style.color)), light(ground(e))];
        return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), e.className?.baseVal ?? e.id];
    }).sort((x, y) => x[0] - y[0])[0];
}"""


@contextlib.contextmanager
def running(playwright):
    """A browser, closed at the end."""
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def quiet(browser, own, **options):
    """A tab whose pages may log nothing, raise nothing, and ask for nothing but the files in `own`."""
    heard: list[str] = []
    tab = browser.new_page(viewport={"width": 1280, "height": 860}, reduced_motion="reduce", **options)
    tab.on("console", lambda message: heard.append(message.text))
    tab.on("pageerror", lambda error: heard.append(str(error)))
    tab.on("request", lambda request: None if request.url.split("#")[0].endswith(own) else heard.append(request.url))
    try:
        yield tab
    finally:
        tab.close()
    assert heard == []
