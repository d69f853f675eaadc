"""One question per file; each holds a WORKLOAD and the functions that build its contenders' steps.

A contender imports its own library inside its function, so that no process holds another's threads.
"""

# in the order of the table; a name to a line, so that new ones merge
NAMES = [
    "article",
    "moons",
    "mlp",
    "mlp_large",
    "mlp_tanh",
    "residual",
    "adam",
    "lenet",
    "convolutions",
    "transformer",
    "lstm",
    "gru",
    "chain",
    "imports",
    "memory",
    "memory_mlp",
    "graph",
]
