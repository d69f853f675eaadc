"""One question per file; each holds a WORKLOAD and the functions that build its contenders' steps.

A contender imports its own library inside its function, so that no process holds another's threads.
"""

NAMES = ["article", "mlp", "mlp_large", "adam", "chain", "imports", "memory", "graph"]  # in the order of the table
