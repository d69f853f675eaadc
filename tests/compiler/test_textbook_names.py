"""What source(readable=True) calls values, and what it leaves out: the user's words, and no needless line."""

from __future__ import annotations

import re

import tinygrad_edu as te
import tinygrad_edu.nn.functional as F
from tinygrad_edu import nn, optim


def test_values_of_a_loop_have_the_users_names():
    """`h` of the second turn is h2, and what needs no gradient has the name of its variable, too."""
    W, V = te.randn(3, 4, requires_grad=True), te.randn(4, 4, requires_grad=True)

    def step(X, labels):
        h = te.zeros(2, 4)
        for t in range(2):
            x = F.one_hot(labels[t], 3).float()
            h = te.tanh(x @ W + h @ V)
        W.grad = V.grad = None
        noise = te.randn(2, 4)
        L = ((h - X + noise) ** 2).mean()
        L.backward()
        return L

    step = te.compile(step)
    step(te.randn(2, 4), te.tensor([[0, 1], [2, 0]]))
    text = step.source(readable=True)
    assert "h = np.zeros((2, 4), np.float32)" in text
    assert "Z2 = x2 @ W + h1 @ V" in text
    assert "x1 = (labels[0]" in text
    assert "h2 = np.tanh(Z2)" in text
    assert "dZ2 = dh2 * (1 - h2 ** 2)" in text
    assert "x1.T @ " in text
    assert "noise = " in text


def test_norms_sums_and_outputs_read_plainly():
    """A norm's gradient is 0 where the norm is; a sum's cost cancels as a mean's does; what nobody reads is `_`."""
    W, X, Y = te.randn(3, 1, requires_grad=True), te.randn(5, 3), (te.rand(5, 1) > 0.5).float()
    d = te.compile(lambda: te.autograd.grad((X * W.T).norm(dim=1).mean(), W)[0])
    d()
    assert re.search(r"np\.where\(H1 == 0, 0, 1 / H1 / 5\)", d.source(readable=True))
    cost = te.compile(lambda: te.autograd.grad(F.binary_cross_entropy(te.sigmoid(X @ W), Y, reduction="sum"), W)[0])
    cost()
    assert re.search(r"dZ1 = A1 - \w+", cost.source(readable=True))
    gru = nn.GRU(3, 4)
    run = te.compile(lambda: te.autograd.grad(gru(X[:, None])[0].sum(), gru.weight_hh_l0)[0])
    run()
    assert ", _ = gru_pull_by_steps(" in run.source(readable=True)
    assert max(map(len, run.source(readable=True).splitlines())) <= 120


def test_no_gradient_is_computed_that_nobody_wants():
    """Without gradients left behind those of a GAN's critic are not computed when the generator learns."""
    G, D = nn.Linear(2, 3), nn.Linear(3, 1)
    optimizer = optim.SGD(G.parameters(), lr=0.1)

    def step(z):
        optimizer.zero_grad()
        loss = F.binary_cross_entropy_with_logits(D(G(z)), te.ones(4, 1))
        loss.backward()
        optimizer.step()
        return loss

    few = te.compile(step, grads=False)
    for _ in range(2):
        few(te.randn(4, 2))
    for text in (few.source, few.source(readable=True)):
        assert "dW1 = " in text
        assert "dW2" not in text
    assert D.weight.grad is None
    D.weight.grad = None
    every = te.compile(step)
    every(te.randn(4, 2))
    assert "dW2 = " in every.source(readable=True)


def test_gradients_that_are_differentiated_have_the_users_names():
    """`grads` of a gradient penalty, and dgrads for what comes back to it; constant gradients have lines, too."""
    critic = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    optimizer = optim.RMSprop(critic.parameters(), lr=0.1)

    def step(real, fake):
        optimizer.zero_grad()
        x = (0.5 * real + 0.5 * fake).requires_grad_()
        scores = critic(x)
        grads = te.autograd.grad(scores, x, grad_outputs=te.ones_like(scores), create_graph=True)[0]
        loss = critic(fake).mean() - critic(real).mean() + ((grads.norm(dim=1) - 1) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    step = te.compile(step, grads=False)
    for _ in range(2):
        step(te.randn(4, 2), te.randn(4, 2))
    text = step.source(readable=True)
    assert "grads = " in text
    assert "dgrads = grads * np.where(H1 == 0, 0, dH1 / H1)" in text
    assert "db2 = np.zeros(1, np.float32)" in text
    assert "V_b2[...] = alpha * V_b2 + (1 - alpha) * db2 ** 2" in text


def test_rows_of_a_softmax_sum_to_one():
    """The gradient of a cost against probabilities that were computed needs no sum."""
    W, V, X = te.randn(3, 4, requires_grad=True), te.randn(3, 4), te.randn(5, 3)

    def distil(X):
        loss = F.kl_div(F.log_softmax(X @ W, dim=1), F.softmax(X @ V, dim=1), reduction="batchmean")
        return te.autograd.grad(loss, W)[0]

    step = te.compile(distil)
    step(X)
    assert re.search(r"dZ1 = dA1 \+ np\.exp\(A1\) / 5", step.source(readable=True))


def test_parts_that_hold_nothing_have_no_heading():
    """The second forward pass is written where it is used."""
    model = nn.Linear(5, 1)

    def step(x, y):
        for k in range(2):
            F.mse_loss(model(x[k]), y[k]).backward()

    step = te.compile(step)
    step(te.randn(2, 8, 5), te.randn(2, 8, 1))
    assert re.findall(r"# (forward|backward)\n", step.source(readable=True)) == ["forward", "backward"]


def test_classes_that_the_library_counts_are_no_argument():
    """Nor are places of pairs, or slots of choices."""
    losses = (
        lambda Z: F.multi_margin_loss(Z, te.tensor([0, 1, 0])),
        lambda Z: F.pdist(Z).sum(),
        lambda Z: F.gumbel_softmax(Z, hard=True).sum(),
    )
    for loss in losses:
        step = te.compile(loss)
        step(te.randn(3, 2))
        assert re.search(r"def \w+\(Z(, generator)?\):", step.source(readable=True))


def test_maps_of_all_kinds_have_the_articles_letters():
    """Kernels, sums of products, slopes that are learned; labels are y where Y has a 1 at each; gradients that stay."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.slope, self.out = nn.Conv2d(1, 2, 3), nn.PReLU(), nn.Linear(18, 3)
            self.V = nn.Parameter(te.randn(18, 3))

        def forward(self, x, h):
            A = self.slope(self.conv(x)).flatten(1)
            return te.tanh(A @ self.V + h @ self.V)

    net = Net()

    def step(x, h, y):
        F.cross_entropy(net(x, h), y).backward()
        with te.no_grad():
            for p in (net.V, net.conv.bias):
                p -= 0.1 * p.grad
                p.grad.zero_()

    step = te.compile(step)
    arguments = te.randn(4, 1, 5, 5), te.randn(4, 18), te.tensor([0, 2, 1, 1])
    for _ in range(2):
        step(*arguments)
    text = step.source(readable=True)
    for line in (
        "Z1 = np.einsum(", "K1, optimize=True) + c1.reshape(2, 1, 1)", "A1 = np.where(Z1 > 0, Z1, ",
        "dZ1 = np.where(Z1 > 0, dA1, ", "Z2 = A @ W2 + h @ W2",
        "grad_W2[...] = grad_c1[...] = 0\n", "Y = y[:, None] == np.arange(3)",
    ):  # fmt: skip
        assert line in text


def test_no_name_is_a_word_of_python():
    """The gradient of `ef` would be called def, and that of `el` del."""
    W = te.randn(3, requires_grad=True)

    def step():
        ef = W * 2
        el = ef.sin()
        W.grad = None
        (ef * el + el.exp()).sum().backward()
        return W.grad

    compiled = te.compile(step)
    assert compiled().tolist() == step().tolist()
    assert "def_ = " in compiled.source(readable=True)
    assert "del_ = " in compiled.source(readable=True)
