"""Tables: of one workload with all its contenders, and of all bars together."""

from __future__ import annotations

from typing import Any

from .harness import TITLES

UNITS = {"step": ("ms", 1e3), "import": ("ms", 1e3), "node": ("us/node", 1e6), "bytes": ("MiB", 1 / 2**20)}

DISTURBED = 0.1  # cores; an idle machine's own services stay below


def heading(machine: dict[str, Any]) -> str:
    environment = ", ".join(f"{k}={v}" for k, v in machine["environment"].items()) or "no thread count set"
    return (
        f"{machine['cpu']}, {machine['cores']} cores (load before: {machine['load']:.2f}), {machine['system']}, "
        f"{machine['date']}\nPython {machine['python']}, NumPy {machine['numpy']} with {machine['blas']}; {environment}"
    )


def workload_table(name: str, result: dict[str, Any]) -> str:
    """A row per contender: median, quartiles, ratios to NumPy by hand and PyTorch, first call, threads."""
    unit, scale = UNITS[result["unit"]]
    contenders = result["contenders"]
    rows = [[f"median {unit}", "quartiles", "/ NumPy", "/ PyTorch", "/ JAX", "first call ms", "version", "threads"]]
    titles = [""]
    for key, c in contenders.items():
        low, high = c["quartiles"]
        first = f"{c['first_call_s'] * 1e3:.1f}" if "first_call_s" in c else "-"
        threads = ", ".join(f"{k} {v}" for k, v in c.get("threads", {}).items()) or "-"
        rows.append(
            [
                _figure(c["median"] * scale),
                f"{_figure(low * scale)} - {_figure(high * scale)}",
                _ratio(c, contenders.get("numpy")),
                _ratio(c, contenders.get("torch")),
                _ratio(c, contenders.get("jax")),
                first,
                c.get("version", "-"),
                threads,
            ]
        )
        titles.append(title(key, result["unit"]))
    lines = [f"{name}: {result['question']}", *_aligned(titles, rows)]
    absent = [f"{title(key)} ({why})" for key, why in result["absent"].items()]
    if absent:
        lines.append(f"  absent here: {'; '.join(absent)}")
    if result["others"] > DISTURBED:
        lines.append(f"  DISTURBED: other processes used {result['others']:.2f} cores meanwhile; measure again")
    agreement = result["agreement"]
    if agreement:
        verdict = "the same" if agreement["equal"] else "NOT THE SAME"
        lines.append(
            f"  losses of {agreement['steps']} step(s): {verdict}, largest relative difference "
            f"{agreement['difference']:.1e} (limit {agreement['limit']:.0e})"
        )
    return "\n".join(lines)


def bars_table(results: dict[str, Any]) -> str:
    """Every bar, in Markdown: what was reached, what is to be reached, and whether it is."""
    lines = ["| workload | figure | reached | round by round | bar | met |", "|---|---|---|---|---|---|"]
    for name, result in results.items():
        for bar in result["bars"]:
            figure = " / ".join(title(bar[end], result["unit"]) for end in ("above", "below") if bar[end])
            unit = "" if bar["below"] else " s"
            reached = "absent" if bar["ratio"] is None else f"{bar['ratio']:.2f}{unit}"
            spread = "-" if bar["quartiles"] is None else "{:.2f} - {:.2f}".format(*bar["quartiles"])
            met = {True: "yes", False: "**no**", None: "-"}[bar["met"]]
            what = figure if bar["below"] else f"{figure}, first call"
            lines.append(f"| {name} | {what} | {reached} | {spread} | {bar['limit']:.2f}{unit} | {met} |")
    return "\n".join(lines)


def growth_table(question: str, result: dict[str, Any]) -> str:
    """A row per contender, a column per size: milliseconds per step, then those of the first call."""
    sizes = sorted({size for points in result["points"].values() for size, _ in points})
    lines = []
    for what, found in (("median ms per step", "points"), ("ms of the first call", "first")):
        rows, titles = [[f"{size:,}" for size in sizes]], [""]
        for key, points in result[found].items():
            known = dict(map(tuple, points))
            rows.append([_figure(known[n] * 1e3) if n in known else "-" for n in sizes])
            titles.append(title(key))
        lines += [f"{question}: {result['question']}; {what}", *_aligned(titles, rows)]
    return "\n".join([*lines, *(f"  {title(key)}: {why}" for key, why in result["ended"].items())])


def title(key: str, unit: str = "step") -> str:
    """A contender in words: its title, or its module's and what else its name says."""
    if unit == "import":
        return f"import {key}"
    module, _, rest = key.partition(" ")
    return TITLES.get(key) or f"{TITLES.get(module, module)}, {rest}"


def _ratio(contender: dict[str, Any], other: dict[str, Any] | None) -> str:
    return f"{contender['median'] / other['median']:.2f}" if other else "-"


def _figure(x: float) -> str:
    """Three digits, more where they stand before the point."""
    return f"{x:.0f}" if x >= 100 else f"{x:.1f}" if x >= 10 else f"{x:.2f}" if x >= 1 else f"{x:.3f}"


def _aligned(titles: list[str], rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    name = max(map(len, titles))
    return [
        f"  {t:<{name}}  " + "  ".join(f"{cell:>{w}}" for cell, w in zip(row, widths, strict=True)).rstrip()
        for t, row in zip(titles, rows, strict=True)
    ]
