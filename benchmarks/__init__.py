"""How fast, how large: every claim of speed is a table that `python -m benchmarks` prints.

workloads/ holds one question per file; contenders.py says how each library trains; harness.py runs the contenders
and judges; worker.py is the process in which one contender lives; growth.py asks how cost grows.
"""
