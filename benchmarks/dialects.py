"""The words in which a cost is written once for every functional library, each said in that library's best way.

A workload's `cost(xp, parameters, *batch)` uses these names and the operators, slices, `.T`, `.reshape` and `.shape`
that all of them share. PyTorch and we have a script of our own instead (benchmarks.contenders): that one text runs in
both is what we claim.

Not here: the training step, jit and update (benchmarks.contenders).
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any


def jax() -> SimpleNamespace:
    import jax
    import jax.numpy as jnp

    def cross_entropy(Z: Any, labels: Any) -> Any:
        return -jnp.mean(jax.nn.log_softmax(Z)[jnp.arange(len(labels)), labels])

    def convolve(X: Any, W: Any, b: Any, padding: int) -> Any:
        return jax.lax.conv(X, W, (1, 1), [(padding, padding)] * 2) + b[:, None, None]

    def halve(X: Any) -> Any:
        return jax.lax.reduce_window(X, -jnp.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")

    return SimpleNamespace(
        linear=lambda X, W, b: X @ W.T + b,
        relu=jax.nn.relu,
        tanh=jnp.tanh,
        sigmoid=jax.nn.sigmoid,
        log=jnp.log,
        sqrt=jnp.sqrt,
        mean=jnp.mean,
        sum=jnp.sum,
        softmax=jax.nn.softmax,
        stack=jnp.stack,
        constant=None,
        swap=jnp.swapaxes,
        cross_entropy=cross_entropy,
        convolve=convolve,
        halve=halve,
    )


def autograd() -> SimpleNamespace:
    import autograd.numpy as np
    import numpy
    from autograd.scipy.special import logsumexp

    def cross_entropy(Z: Any, labels: Any) -> Any:
        Y = numpy.eye(Z.shape[1], dtype=numpy.float32)[labels]  # indexing by labels has a slow derivative there
        return np.mean(logsumexp(Z, axis=1) - np.sum(Z * Y, axis=1))

    def softmax(Z: Any, axis: int) -> Any:
        E = np.exp(Z - np.max(Z, axis=axis, keepdims=True))
        return E / np.sum(E, axis=axis, keepdims=True)

    return SimpleNamespace(
        linear=lambda X, W, b: np.dot(X, W.T) + b,
        relu=lambda Z: np.maximum(Z, 0),
        tanh=np.tanh,
        sigmoid=lambda Z: 1 / (1 + np.exp(-Z)),
        log=np.log,
        sqrt=np.sqrt,
        mean=np.mean,
        sum=np.sum,
        softmax=softmax,
        stack=np.stack,
        constant=None,
        swap=np.swapaxes,
        cross_entropy=cross_entropy,
    )


def mygrad() -> SimpleNamespace:
    import mygrad as mg
    from mygrad.nnet.activations import relu, sigmoid, softmax
    from mygrad.nnet.layers import conv_nd, max_pool
    from mygrad.nnet.losses import softmax_crossentropy

    return SimpleNamespace(
        linear=lambda X, W, b: X @ W.T + b,
        relu=relu,
        tanh=mg.tanh,
        sigmoid=sigmoid,
        log=mg.log,
        sqrt=mg.sqrt,
        mean=mg.mean,
        sum=mg.sum,
        softmax=softmax,
        stack=mg.stack,
        constant=None,
        swap=mg.swapaxes,
        cross_entropy=softmax_crossentropy,
        convolve=lambda X, W, b, padding: conv_nd(X, W, stride=1, padding=padding) + b.reshape(-1, 1, 1),
        halve=lambda X: max_pool(X, (2, 2), 2),
    )


def tinygrad() -> SimpleNamespace:
    from tinygrad import Tensor

    return SimpleNamespace(
        linear=lambda X, W, b: X @ W.T + b,
        relu=Tensor.relu,
        tanh=Tensor.tanh,
        sigmoid=Tensor.sigmoid,
        log=Tensor.log,
        sqrt=Tensor.sqrt,
        mean=lambda Z, axis=None, keepdims=False: Z.mean(axis, keepdims),
        sum=lambda Z, axis=None, keepdims=False: Z.sum(axis, keepdims),
        softmax=lambda Z, axis: Z.softmax(axis),
        stack=lambda parts: Tensor.stack(*parts),
        constant=Tensor,
        swap=lambda Z, i, j: Z.transpose(i, j),
        cross_entropy=lambda Z, labels: Z.sparse_categorical_crossentropy(labels),
        convolve=lambda X, W, b, padding: X.conv2d(W, b, padding=padding),
        halve=lambda X: X.max_pool2d((2, 2)),
    )
