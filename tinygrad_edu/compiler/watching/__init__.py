"""What a step's Python code sees, and whether it is still the same: a trace holds for what it has seen.

`surroundings.py` finds it, by the names that the code reads (`reads.py`); `watch.py` compares two looks, and `guard.py`
does so quickly.
"""
