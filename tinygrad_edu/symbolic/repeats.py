"""Repetitions in a row: what explanations and pages fold into one with a count."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

TIMES = 3  # equal ones before they are counted: two are as easily read as one
LONGEST = 24  # in a period at most


def repeats(row: Sequence[Hashable]) -> list[tuple[int, int, int]]:
    """A row cut into (start, period, times), as much of it in long repetitions as can be; times is 1 or at least 3.

    >>> repeats("xabababy")
    [(0, 1, 1), (1, 2, 3), (7, 1, 1)]
    """
    n = len(row)
    same: list[list[int]] = [[]]  # by period: for how many items from each on the one a period before is equal
    for period in range(1, min(LONGEST, n // TIMES) + 1):
        run = [0] * (n + 1)
        for i in range(n - 1, period - 1, -1):
            run[i] = run[i + 1] + 1 if row[i] == row[i - period] else 0
        same.append(run)
    found = []
    i = 0
    while i < n:
        best = (1, 1)
        for period in range(1, len(same)):
            times = 1 + same[period][i + period] // period if i + period <= n else 1
            if times >= TIMES and period * times > best[0] * best[1]:
                best = period, times
        found.append((i, *best))
        i += best[0] * best[1]
    return found
