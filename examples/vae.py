"""A variational autoencoder finds out by itself that each picture of a disk is told by two numbers: where it is.

You will see the loss; three pictures and what comes back of them through two numbers; how well these two tell the
disk's place, which the network was never told; and six pictures that it makes up from numbers drawn at random.
"""

import tinygrad_edu as torch
from tinygrad_edu import nn, optim
from tinygrad_edu.distributions import Normal, kl_divergence
from tinygrad_edu.nn import functional as F

STEPS, BATCH, SIDE = 800, 64, 12
torch.manual_seed(0)
axis = torch.arange(SIDE, dtype=torch.float32)


def disks(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures (count, 144) of disks of radius 2, with soft edges, and their centres (count, 2), row and column."""
    centres = 2.5 + 6 * torch.rand(count, 2)
    rows, columns = axis[:, None] - centres[:, 0, None, None], axis - centres[:, 1, None, None]  # (count, 12, 1 or 12)
    distances = torch.sqrt(rows**2 + columns**2)  # (count, 12, 12)
    return torch.sigmoid(3 * (2 - distances)).flatten(1), centres


class VAE(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(SIDE**2, 64), nn.Tanh(), nn.Linear(64, 2 * 2))
        self.decoder = nn.Sequential(nn.Linear(2, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, SIDE**2))

    def encode(self, x: torch.Tensor) -> Normal:
        mean, log_scale = self.encoder(x).chunk(2, dim=1)  # (n, 4) -> (n, 2), (n, 2)
        return Normal(mean, log_scale.exp())


model = VAE()
optimizer = optim.Adam(model.parameters(), lr=5e-3)
prior = Normal(0.0, 1.0)
losses = []
for step in range(STEPS):
    x, _ = disks(BATCH)
    code = model.encode(x)
    scores = model.decoder(code.rsample())  # rsample: mean + scale * noise, so that both get a gradient
    error = F.binary_cross_entropy_with_logits(scores, x, reduction="sum") / BATCH
    loss = error + kl_divergence(code, prior).sum(dim=1).mean()  # minus the evidence's lower bound, nats per picture
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
    if step % 160 == 159:
        print(f"step {step + 1}  loss {losses[-1]:.2f} = error {error.item():.2f} + divergence {loss - error:.2f}")


def show(pictures: torch.Tensor) -> None:
    """Print pictures (n, 144) side by side, a row of text for two rows of pixels."""
    images = pictures.reshape(-1, SIDE // 2, 2, SIDE).mean(dim=2)  # (n, 6, 12)
    for i in range(SIDE // 2):
        print("  " + " | ".join("".join(" .:+*#"[int(5 * v + 0.5)] for v in image[i].tolist()) for image in images))


with torch.no_grad():
    x, centres = disks(500)
    means = model.encode(x).mean  # (500, 2)
    back = torch.sigmoid(model.decoder(means))
    print("three pictures, and what comes back of them")
    show(torch.cat([x[:3], back[:3]]))

    # How much of the centres' variance is told by polynomials of degree 3 in the two numbers.
    a, b = means.T
    terms = torch.stack([a**i * b**j for i in range(4) for j in range(4 - i)], dim=1)  # (500, 10)
    fitted = terms @ torch.linalg.lstsq(terms, centres).solution
    told = (1 - (fitted - centres).var(dim=0) / centres.var(dim=0)).tolist()
    print(f"of the disks' places the two numbers tell {told[0]:.1%} (row) and {told[1]:.1%} (column)")

    made_up = torch.sigmoid(model.decoder(prior.sample((6, 2))))
    print("pictures of numbers drawn at random")
    show(made_up)
assert losses[-1] < losses[0] / 2
assert min(told) > 0.95
assert (back - x).abs().mean().item() < 0.03
assert ((made_up.sum(dim=1) / x.sum(dim=1).mean() - 1).abs() < 0.15).all()  # as much ink as a disk has
