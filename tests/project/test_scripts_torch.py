"""Whole training scripts, as people write them against PyTorch, run with nothing but the module exchanged."""

from __future__ import annotations

import contextlib
import io
import re

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")

GAN_IN_THE_OLD_STYLE = """
import torch, torch.nn as nn, torch.nn.parallel
from torch.autograd import Variable
torch.manual_seed(1)
FloatTensor = torch.cuda.FloatTensor if torch.cuda.is_available() else torch.FloatTensor
def weights_init(m):
    if m.__class__.__name__.find('Conv') != -1:
        nn.init.normal_(m.weight.data, 0.0, 0.02)
    elif isinstance(m, nn.modules.batchnorm._BatchNorm):
        nn.init.normal_(m.weight.data, 1.0, 0.02); nn.init.constant_(m.bias.data, 0)
netG = nn.Sequential(nn.ConvTranspose2d(4, 8, 4), nn.BatchNorm2d(8), nn.ReLU(True), nn.ConvTranspose2d(8, 1, 4, 2, 1))
netD = nn.DataParallel(nn.Sequential(nn.Conv2d(1, 6, 4, 2, 1), nn.LeakyReLU(0.2, True), nn.Conv2d(6, 1, 4)))
netG.apply(weights_init); netD.apply(weights_init); print(netG, netD)
optG, optD = (torch.optim.Adam(n.parameters(), lr=2e-3, betas=(0.5, 0.999)) for n in (netG, netD))
real = torch.randn(8, 1, 8, 8).tanh()
for step in range(8):
    fake = netG(Variable(FloatTensor(8, 4, 1, 1).normal_()))
    alpha = torch.rand(8, 1, 1, 1)
    mixed = (alpha * real.data + (1 - alpha) * fake.data).requires_grad_(True)
    out = netD(mixed)
    slope = torch.autograd.grad(outputs=out, inputs=mixed, grad_outputs=torch.ones(out.size()),
                                create_graph=True, retain_graph=True, only_inputs=True)[0]
    penalty = ((slope.view(8, -1).norm(2, dim=1) - 1) ** 2).mean()
    lossD = -netD(real).mean() + netD(fake.detach()).mean() + 10 * penalty
    netD.zero_grad(); lossD.backward(); optD.step()
    netG.zero_grad(); lossG = -netD(fake).mean(); lossG.backward(); optG.step()
    losses += [lossD.item(), lossG.item()]
"""

ATTENTION = """
import math, torch
from torch import nn
from torch.nn import functional as F
torch.manual_seed(2)
ptdtype = {'float32': torch.float32, 'bfloat16': torch.bfloat16, 'float16': torch.float16}['float32']
class Block(nn.Module):
    def __init__(self, d: int, dtype: torch.dtype = ptdtype) -> None:
        super().__init__()
        self.ln, self.qkv, self.proj = nn.LayerNorm(d), nn.Linear(d, 3 * d), nn.Linear(d, d, dtype=dtype)
        self.register_buffer('mask', torch.tril(torch.ones(8, 8)).view(1, 1, 8, 8))
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        B, T, C = x.size()
        q, k, v = (t.view(B, T, 2, C // 2).transpose(1, 2) for t in self.qkv(self.ln(x)).split(C, dim=2))
        att = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))
        att = F.softmax(att.masked_fill(self.mask[:, :, :T, :T] == 0, float('-inf')), dim=-1)
        return x + self.proj((att @ v).transpose(1, 2).contiguous().view(B, T, C))
class LM(nn.Module):
    def __init__(self):
        super().__init__()
        self.wte, self.h, self.head = nn.Embedding(11, 8), nn.ModuleList([Block(8)]), nn.Linear(8, 11, bias=False)
        self.wte.weight = self.head.weight
    def forward(self, idx, targets):
        x = self.wte(idx)
        for block in self.h:
            x = block(x)
        return F.cross_entropy(self.head(x).view(-1, 11), targets.view(-1))
model = LM(); print(model, len(list(model.parameters())))
decay = [p for p in model.parameters() if p.dim() >= 2]; rest = [p for p in model.parameters() if p.dim() < 2]
optimizer = torch.optim.AdamW([{'params': decay, 'weight_decay': 0.1}, {'params': rest, 'weight_decay': 0.0}], lr=1e-2)
schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda i: min(1.0, (i + 1) / 4))
scaler = torch.amp.GradScaler('cuda', enabled=(ptdtype == torch.float16))
data = torch.randint(0, 11, (64,))
for it in range(10):
    ix = torch.randint(len(data) - 8, (4,))
    x, y = (torch.stack([data[i + s:i + s + 8] for i in ix]) for s in (0, 1))
    with torch.autocast('cpu', dtype=ptdtype, enabled=False):
        loss = model(x, y)
    scaler.scale(loss).backward(); scaler.unscale_(optimizer)
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    scaler.step(optimizer); scaler.update(); optimizer.zero_grad(set_to_none=True); schedule.step()
    losses += [loss.item(), norm.item()]
print(x.max(1), schedule.get_last_lr())
"""

META_LEARNING = """
import torch, torch.nn as nn, torch.nn.functional as F
torch.manual_seed(3)
net = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))
weights = list(net.parameters()); meta = torch.optim.Adam(weights, 1e-2)
def run(x, w): return F.linear(torch.tanh(F.linear(x, w[0], w[1])), w[2], w[3])
for it in range(6):
    total = 0.
    for task in range(2):
        a, x, q = torch.rand(1) * 5, torch.rand(6, 1) * 10 - 5, torch.rand(6, 1) * 10 - 5
        fast = [w.clone() for w in weights]
        for _ in range(2):
            grads = torch.autograd.grad(F.mse_loss(run(x, fast), a * torch.sin(x)), fast, create_graph=True)
            fast = [w - 0.05 * g for w, g in zip(fast, grads)]
        total = total + F.mse_loss(run(q, fast), a * torch.sin(q))
    meta.zero_grad(); total.backward(); meta.step(); losses.append(total.item())
"""

CLASSIFIER = """
import torch, torch.nn as nn
from torch.utils.data import DataLoader, Dataset, random_split
torch.manual_seed(4)
class Waves(Dataset):
    def __init__(self): self.x = torch.randn(40, 1, 12); self.y = (self.x.mean((1, 2)) > 0).long()
    def __len__(self): return len(self.x)
    def __getitem__(self, i): return {'x': self.x[i], 'y': self.y[i], 'name': f'wave {i}'}
train, test = random_split(Waves(), [32, 8])
net = nn.Sequential(nn.Conv1d(1, 4, 3, padding='same'), nn.BatchNorm1d(4), nn.ELU(), nn.Flatten(),
                    nn.Unflatten(1, (6, 8)), nn.Flatten(), nn.Linear(48, 2)).to(memory_format=torch.contiguous_format)
opt = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, nesterov=True)
for epoch in range(3):
    net.train()
    for batch in DataLoader(train, batch_size=8, shuffle=True):
        loss = nn.CrossEntropyLoss(label_smoothing=0.1)(net(batch['x']), batch['y'])
        opt.zero_grad(); loss.backward(); opt.step(); losses.append(loss.item())
    net.eval()
    with torch.no_grad():
        for batch in DataLoader(test, batch_size=8):
            values, predicted = torch.max(net(batch['x']), 1)
            print(f"epoch {epoch}: {(predicted == batch['y']).float().mean():.2f} {batch['name'][:2]}")
    sums = torch.zeros(2); torch.add(values[0], values[1:3], out=sums); losses += sums.tolist()
print(opt, net.load_state_dict(net.state_dict()))
"""

FROM_THE_FOUNDATIONS = """
import math, torch
from torch import nn, tensor
torch.manual_seed(5)
class Module:
    def __call__(self, *args): self.args = args; self.out = self.forward(*args); return self.out
    def backward(self): self.bwd(self.out, *self.args)
class Relu(Module):
    def forward(self, inp): return inp.clamp_min(0.)
    def bwd(self, out, inp): inp.g = (inp > 0).float() * out.g
class Lin(Module):
    def __init__(self, n_in, n_out):
        self.w, self.b = torch.empty(n_in, n_out), torch.zeros(n_out)
        fan_in, fan_out = nn.init._calculate_fan_in_and_fan_out(self.w)
        nn.init.normal_(self.w, std=1 / math.sqrt(fan_out)); self.w.decays = True
    def forward(self, inp): return inp @ self.w + self.b
    def bwd(self, out, inp): inp.g = out.g @ self.w.t(); self.w.g = inp.t() @ out.g; self.b.g = out.g.sum(0)
class Mse(Module):
    def forward(self, inp, targ): return (inp.squeeze() - targ).pow(2).mean()
    def bwd(self, out, inp, targ): inp.g = 2 * (inp.squeeze() - targ).unsqueeze(-1) / targ.shape[0]
x, y = torch.randn(20, 4), torch.randn(20)
layers, loss = [Lin(4, 8), Relu(), Lin(8, 1)], Mse()
for step in range(5):
    out = x
    for layer in layers: out = layer(out)
    losses.append(loss(out, y).item()); loss.backward()
    for layer in reversed(layers): layer.backward()
    for p in [p for layer in layers[::2] for p in (layer.w, layer.b)]:
        p -= 0.1 * p.g + (0.01 * p if getattr(p, 'decays', False) else 0)
one = torch.eye(1)
print(torch.linalg.qr(one), torch.linalg.slogdet(one), torch.linalg.eigh(one), torch.svd(one), torch.linalg.svd(one))
print(torch.linalg.lu(one), torch.linalg.inv_ex(one), torch.frexp(one), torch.histogram(x, 3), x.aminmax())
print(torch.linalg.cholesky_ex(one), torch.linalg.solve_ex(one, one), torch.linalg.lu_factor(one))
print(x[0, :1][torch.newaxis])
with torch.nn.attention.sdpa_kernel([torch.nn.attention.SDPBackend.MATH]):
    print(nn.functional.scaled_dot_product_attention(*[torch.eye(2)[None]] * 3))
"""


def run(script, library):
    """What the script printed, without the library's name and grad_fn, and the losses that it noted."""
    text, names = io.StringIO(), {"losses": [], "__name__": "__main__"}
    with contextlib.redirect_stdout(text):
        exec(re.sub(r"\btorch\b", library, script), names)
    printed = re.sub(r"\b(torch|tinygrad_edu)\.", "", text.getvalue())
    return re.sub(r"grad_fn=<\w+>", "grad_fn", printed), names["losses"]


@pytest.mark.parametrize(
    "script",
    [GAN_IN_THE_OLD_STYLE, ATTENTION, META_LEARNING, CLASSIFIER, FROM_THE_FOUNDATIONS],
    ids=["gan", "attention", "meta_learning", "classifier", "from_the_foundations"],
)
def test_a_script_gives_the_same_losses_and_the_same_text(script):
    """From the seed in the script: initial weights, draws, batches and steps are PyTorch's."""
    expected, found = run(script, "torch"), run(script, "tinygrad_edu")
    assert found[0] == expected[0]
    # float32 through a few steps, cancellation where losses are differences of means
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-4, atol=1e-5)
