"""The training view: a page, or a section of the explorer's, on which the kept steps of a run are scrubbed over.

Loss, gradient norms per layer, the plane of two features with what the model says there, and the units
that are saturated. The pictures show the last kept step, so that the page is whole without JavaScript.

Files: page/training.html, training.css, training.js, and page.css, copied in as they are; data go in as JSON.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

import numpy as np

from .cards import escaped
from .charts import (
    BOTTOM,
    HEIGHT,
    LEFT,
    POINTS,
    RIGHT,
    TOP,
    WIDTH,
    Axis,
    Plane,
    bundled,
    frame,
    marker,
    path,
    runs,
    scale_of,
    short,
    svg,
)
from .frame import asset, digest
from .record import CELLS, CLASSES, CONFIDENCE, FLAT, Look, Training
from .trees import positions

FRAMES = 200  # kept steps on a page at most; of more, evenly spaced ones
BYTES = 1_500_000  # of the section at most
LAYERS, ACTIVATIONS = 8, 5  # that are drawn
UNITS = 64  # of an activation
DOTS = 300  # inputs drawn as points


def page(training: Training) -> str:
    """The page of its own."""
    inner, data = section(training, "h1")
    styles = asset("page.css"), asset("training.css")
    program = asset("training.js")
    parts = {
        "STYLE": "</style>\n<style>".join(styles),
        "STYLE_HASH": " ".join(map(digest, styles)),
        "PROGRAM": program,
        "PROGRAM_HASH": digest(program),
        "SECTION": inner,
        "DATA": data,
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], asset("training.html"))


def section(training: Training, heading: str = "h2") -> tuple[str, str]:
    """The section, and its data as JSON that can stand in a script element."""
    training.finish()
    most = FRAMES
    while True:
        looks = [training.looks[i] for i in positions(len(training.looks), most)]
        view = _View(training, looks, heading)
        data = json.dumps(view.data, ensure_ascii=True, separators=(",", ":")).replace("<", "\\u003c")
        if len(view.html) + len(data) <= BYTES or most <= 2:
            return view.html, data
        most //= 2


class _View:
    """The section of some of a run's looks."""

    def __init__(self, training: Training, looks: list[Look], heading: str) -> None:
        self.training, self.looks, self.last = training, looks, looks[-1]
        self.frames: list[dict[str, Any]] = [
            {
                "n": look.step,
                "said": f"Step {look.step:,}: loss {_number(look.loss)}"
                + ("" if look.right is None else f", {look.right:.1%} of the inputs right"),
            }
            for look in looks
        ]
        self.data: dict[str, Any] = {"frames": self.frames}
        self.across = Axis(0, max(len(training) - 1, 1), LEFT, WIDTH - RIGHT, whole=True)
        for one, look in zip(self.frames, looks, strict=True):
            one["x"] = self.across.at(look.step)
        self.notes: list[str] = []
        if len(looks) < len(training.looks):
            self.notes.append(f"Of {len(training.looks):,} kept steps, {len(looks)} are shown, evenly spaced.")
        if training.asked:
            self.notes.append(f"The model was asked about {training.asked:,} of the inputs, evenly spaced.")
        panels = [self._loss(), self._norms(), self._plane(), self._units()]
        inner = "".join(panel for panel in panels if panel)
        self.html = (
            '<section id="training" aria-label="Training">'
            f'<div class="t-head"><{heading}>Training, one kept step at a time</{heading}>'
            f'<p class="sub">{self._about()}</p></div>'
            f'<p id="t-said" aria-live="polite">{self.frames[-1]["said"]}</p>'
            f'{_CONTROLS}<div class="t-panels">{inner}</div>{self._table()}</section>'
        )

    def _about(self) -> str:
        steps = f"{len(self.training):,} step{'s' * (len(self.training) > 1)}"
        kept = f"{steps}; kept are the first, then one in {self.training.every:,}, and the last."
        if len(self.training.looks) == len(self.training):
            kept = f"{steps}, all kept."
        return escaped(" ".join([kept, *self.notes]))

    # --- the panels

    def _loss(self) -> str:
        training = self.training
        pieces = bundled(training.losses)
        up = scale_of([v for _, *values in pieces for v in values], HEIGHT - BOTTOM, TOP)
        for one, look in zip(self.frames, self.looks, strict=True):
            one["y"] = up.at(look.loss) if math.isfinite(look.loss) else None
        out = frame(self.across, up, "step")
        note = ""
        if len(training) > POINTS:
            band = [(self.across.at(x), up.at(high)) for x, _, _, high in pieces]
            band += [(self.across.at(x), up.at(low)) for x, _, low, _ in reversed(pieces)]
            out += f'<path class="t-band" d="{path(band)}z"/>'
            note = f" Mean of {math.ceil(len(training) / POINTS)} steps at a time; the band reaches to their extremes."
        out += f'<path class="t-line l0" d="{path([(self.across.at(x), up.at(y)) for x, y, _, _ in pieces])}"/>'
        broken = sum(not math.isfinite(v) for v in training.losses)
        if broken:
            begun = next(i for i, v in enumerate(training.losses) if not math.isfinite(v))
            note += f" {broken:,} losses are not finite, the first at step {begun:,}."
        out += self._now("t-at")
        first, last = _number(training.losses[0]), _number(training.losses[-1])
        ends = f"from {first} to {last}" if first != last else f"{first} at the first step and at the last"
        return _panel(
            "Loss", f"{'Logarithmic. ' if up.log else ''}{ends.capitalize()}.{note}", svg(out, f"Loss, {ends}")
        )

    def _now(self, dot: str) -> str:
        """The line at the current step, and a dot on the curve."""
        x, y = self.frames[-1]["x"], self.frames[-1]["y"]
        place = f'cx="{x:g}" cy="{y:g}"' if y is not None else 'r="0"'
        return (
            f'<path class="t-now" d="M{x:g} {TOP}V{HEIGHT - BOTTOM}"/>'
            f'<circle class="t-dot" id="{dot}" {place} r="4.5"/>'
        )

    def _norms(self) -> str:
        labels = list(self.last.norms)
        shown = [labels[i] for i in positions(len(labels), LAYERS)]
        values = [v for look in self.looks for v in look.norms.values() if v is not None]
        if not values:
            return _panel(
                "Gradient norms",
                "There were no gradients: call .step(loss) after backward() and before they are zeroed.",
                "",
            )
        up = scale_of(values, HEIGHT - BOTTOM, TOP)
        out = frame(self.across, up, "step")
        items = []
        for k, label in enumerate(shown):
            points = []
            for one, look in zip(self.frames, self.looks, strict=True):
                v = look.norms.get(label)
                one.setdefault("norms", []).append(_number(v))
                points.append((one["x"], up.at(v) if v is not None and math.isfinite(v) else None))
            out += f'<path class="t-line l{k}" d="{path(points)}"/>'
            items.append(
                f'<li><svg viewBox="0 0 22 8" aria-hidden="true"><path class="t-line l{k}" d="M0 4H22"/></svg> '
                f'{escaped(label)} <b id="t-n{k}">{_number(self.last.norms[label])}</b></li>'
            )
        x = self.frames[-1]["x"]
        out += f'<path class="t-now" d="M{x:g} {TOP}V{HEIGHT - BOTTOM}"/>'
        note = "Logarithmic. " if up.log else ""
        note += f"{len(shown)} of {len(labels)} layers. " if len(shown) < len(labels) else ""
        return _panel(
            "Gradient norms, by layer",
            note + "How long the gradient of all of a layer's parameters is.",
            svg(out, f"Gradient norms of {len(shown)} layers over the steps"),
            f'<ul class="t-legend">{"".join(items)}</ul>',
        )

    def _plane(self) -> str:
        training, points = self.training, self.training.points
        if points is None or self.last.plane is None or not len(points):
            return ""
        plane = Plane(*training.bounds(), CELLS)
        count, kind = (CONFIDENCE, "p") if training.graded else (CLASSES, "c")
        for one, look in zip(self.frames, self.looks, strict=True):
            one["plane"] = runs(look.plane) if look.plane is not None else ""
        self.data["plane"] = [plane.left, TOP, plane.width, plane.height, CELLS]
        parts = [
            f'<path class="{kind}{k}" id="t-p{k}" d="{d}"/>' for k, d in enumerate(plane.paths(self.last.plane, count))
        ]
        out = f'<g class="t-plane" shape-rendering="crispEdges">{"".join(parts)}</g>' + plane.axes()
        classes = training.classes if training.classes is not None else np.zeros(len(points), int)
        some = positions(len(points), DOTS)
        marks: dict[int, list[str]] = {}
        for i in some:
            x, y = points[i]
            marks.setdefault(int(classes[i]), []).append(marker(int(classes[i]), plane.x.at(x), plane.y.at(y)))
        known = training.classes is not None
        out += "".join(
            f'<path class="t-point {f"k{k % CLASSES}" if known else "kn"}" d="{"".join(d)}"/>'
            for k, d in sorted(marks.items())
        )
        items = "".join(
            f'<li><svg viewBox="0 0 12 12" aria-hidden="true"><path class="t-point k{k % CLASSES}" '
            f'd="{marker(k, 6, 6)}"/></svg> class {k}</li>'
            for k in sorted(marks)
        )
        note = "What the model says everywhere" + (", the paler the less sure." if training.graded else ".")
        note += f" {len(some)} of {len(points):,} inputs are drawn." if len(some) < len(points) else ""
        return _panel(
            "Decision boundary",
            note,
            svg(out, "The plane of the two features, coloured by what the model says, with the inputs"),
            f'<ul class="t-legend">{items if known else ""}</ul>',
        )

    def _units(self) -> str:
        names = [name for name in self.last.units if all(name in look.units for look in self.looks)]
        if not names:
            return ""
        shown = [names[i] for i in positions(len(names), ACTIVATIONS)]
        out, note = "", f"Saturated: the slope is below {FLAT:.0%} of the steepest. "
        if any(name.endswith(" relu") for name in shown):
            note += "A ReLU unit that is so at all inputs is dead: nothing comes back to its weights. "
        pitch = min(74.0, (HEIGHT - 10) / len(shown))
        high = min(30.0, pitch - 26)
        for row, name in enumerate(shown):
            count = len(self.last.units[name])
            some = positions(count, UNITS)
            side = min(26.0, (WIDTH - 20) / len(some))
            top = 16 + row * pitch
            for one, look in zip(self.frames, self.looks, strict=True):
                shares = look.units[name]
                levels = "".join(str(min(int(shares[i] * 5 + 1e-9), 5)) if shares[i] < 1 else "5" for i in some)
                always = int(np.sum(shares >= 1))
                text = f"{shares.mean():.0%} on average, {always} of {count} at all inputs"
                one.setdefault("units", []).append([levels, text])
            levels, text = self.frames[-1]["units"][row]
            some_of = f", {len(some)} of {count} units" if len(some) < count else f", {count} unit{'s' * (count != 1)}"
            out += (
                f'<text x="10" y="{top:g}" class="t-name">{escaped(name + some_of)}</text>'
                f'<text x="{WIDTH - 10}" y="{top:g}" text-anchor="end" id="t-u{row}">{text}</text>'
                f'<g id="t-g{row}">'
                + "".join(
                    f'<rect class="s{level}" x="{10 + i * side:.1f}" y="{top + 7:g}" width="{side:.1f}" '
                    f'height="{high:g}"/>'
                    for i, level in enumerate(levels)
                )
                + "</g>"
            )
        note += f"{len(shown)} of {len(names)} activations are drawn." if len(shown) < len(names) else ""
        legend = "".join(f'<rect class="s{k}" x="{k * 14}" y="0" width="14" height="10"/>' for k in range(6))
        return _panel(
            "Saturated units",
            note,
            svg(
                out,
                f"For each unit of {len(shown)} activations the share of the inputs at which it is saturated",
                top + high + 12,
            ),
            f'<ul class="t-legend"><li>at none of the inputs <svg class="t-scale" viewBox="0 0 84 10" '
            f'aria-hidden="true">{legend}</svg> at all of them</li></ul>',
        )

    def _table(self) -> str:
        labels = list(self.looks[-1].norms)
        labels = [labels[i] for i in positions(len(labels), LAYERS)]
        right = any(look.right is not None for look in self.looks)
        heads = ["step", "loss", *(["right"] if right else []), *(f"gradient of {label}" for label in labels)]
        rows = []
        for look in self.looks:
            cells = [_number(look.loss)]
            cells += [f"{look.right:.1%}" if look.right is not None else ""] if right else []
            cells += [_number(look.norms.get(label)) for label in labels]
            body = "".join(f"<td>{cell}</td>" for cell in cells)
            rows.append(f'<tr><th scope="row">{look.step:,}</th>{body}</tr>')
        return (
            '<details id="t-all" open><summary>The kept steps as a table</summary><table>'
            "<caption>Loss and gradient norms of the steps that are shown</caption><thead><tr>"
            + "".join(f'<th scope="col">{escaped(head)}</th>' for head in heads)
            + f"</tr></thead><tbody>{''.join(rows)}</tbody></table></details>"
        )


def _number(v: float | None) -> str:
    if v is None:
        return "none"
    if not math.isfinite(v):
        return "NaN" if math.isnan(v) else "∞" if v > 0 else "−∞"
    return short(v)


def _panel(title: str, note: str, picture: str, legend: str = "") -> str:
    return (
        f'<figure class="panel t-panel"><figcaption><h3>{title}</h3><p>{escaped(note)}</p></figcaption>'
        f"{picture}{legend}</figure>"
    )


_CONTROLS = (
    '<div class="bar live t-bar"><button type="button" id="t-prev" aria-label="previous kept step">◀</button>'
    '<button type="button" id="t-play">▶ play</button>'
    '<button type="button" id="t-next" aria-label="next kept step">▶</button>'
    '<input type="range" id="t-slider" min="0" value="0" aria-label="kept step"></div>'
)
