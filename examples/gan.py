"""Two networks play against each other until points made from noise lie on a ring, as the real ones do.

You will see the radius of the points that the generator makes, 1 +- 0.1 when it has learnt, how the discriminator tells
them apart, a half being a guess, and the points themselves, early and at the end.
"""

import math

import tinygrad_edu as torch
from tinygrad_edu import nn, optim

STEPS, BATCH, NOISE = 1000, 128, 4
torch.manual_seed(0)


def real(count: int) -> torch.Tensor:
    """Points (count, 2) on a ring of radius 1, 0.1 thick."""
    angle, radius = 2 * math.pi * torch.rand(count), 1 + 0.1 * torch.randn(count)
    return torch.stack([radius * torch.cos(angle), radius * torch.sin(angle)], dim=1)


def picture(points: torch.Tensor) -> str:
    """The square from -1.5 to 1.5 as text."""
    rows = [["."] * 40 for _ in range(17)]
    for x, y in points.clamp(-1.5, 1.5).tolist():
        rows[round((1.5 - y) / 3 * 16)][round((x + 1.5) / 3 * 39)] = "o"
    return "\n".join("".join(row) for row in rows)


generator = nn.Sequential(nn.Linear(NOISE, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 2))
discriminator = nn.Sequential(
    nn.Linear(2, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1)
)
optimizer_g = optim.Adam(generator.parameters(), lr=1e-3, betas=(0.5, 0.99))
optimizer_d = optim.Adam(discriminator.parameters(), lr=2e-3, betas=(0.5, 0.99))
criterion = nn.BCEWithLogitsLoss()
ones, zeros = torch.ones(BATCH, 1), torch.zeros(BATCH, 1)
losses = []
for step in range(STEPS + 1):
    fake = generator(torch.randn(BATCH, NOISE))  # (128, 4) -> (128, 2)
    if step in (STEPS // 10, STEPS):
        print(f"what the generator makes at step {step}", picture(fake), sep="\n")

    optimizer_d.zero_grad()
    scores_real, scores_fake = discriminator(real(BATCH)), discriminator(fake.detach())  # detached: d learns alone
    loss_d = criterion(scores_real, ones) + criterion(scores_fake, zeros)
    loss_d.backward()
    optimizer_d.step()

    optimizer_g.zero_grad()
    loss_g = criterion(discriminator(fake), ones)  # g is rewarded for what d takes for real
    loss_g.backward()
    optimizer_g.step()
    losses += [loss_d.item(), loss_g.item()]
    if step % 200 == 0:
        told = ((scores_real > 0).float().mean() + (scores_fake < 0).float().mean()).item() / 2
        radius = fake.norm(dim=1)
        print(f"step {step:4}  told apart {told:4.0%}  radius {radius.mean():.2f} +- {radius.std():.2f}")

with torch.no_grad():
    points = generator(torch.randn(1000, NOISE))
radius = points.norm(dim=1)
sector = torch.floor(4 * (1 + torch.atan2(points[:, 1], points[:, 0]) / math.pi)).long()
shares = torch.bincount(sector.clamp(0, 7), minlength=8) / len(points)
print("share of the points in each eighth of the ring:", *(f"{share:.2f}" for share in shares.tolist()))
assert abs(radius.mean().item() - 1) < 0.1
assert radius.std().item() < 0.2
assert shares.min().item() > 0.04  # no part of the ring is left out
