"""WGAN with gradient penalty: a loss that contains a gradient, so that learning takes second derivatives.

You will see a critic measure how far two clouds of points are from each other. One is the other, moved by (3, 4), so
their Wasserstein distance is 5. A critic of slope s gains 5 s and pays 10 (s - 1)^2, which is best at s = 1.25: it will
show that slope and 6.25, five times as much. Then a generator learns from the critic to move its points there.

Source: Gulrajani et al., "Improved Training of Wasserstein GANs" (2017).
"""

import tinygrad_edu as torch
from tinygrad_edu import nn, optim
from tinygrad_edu.autograd import grad

STEPS, ROUNDS, BATCH = 250, 150, 128
SHIFT, PENALTY = torch.tensor([3.0, 4.0]), 10.0
DISTANCE = SHIFT.norm().item()
SLOPE = 1 + DISTANCE / (2 * PENALTY)  # where DISTANCE s - PENALTY (s - 1)^2 is largest
torch.manual_seed(0)
critic = nn.Sequential(nn.Linear(2, 32), nn.SiLU(), nn.Linear(32, 32), nn.SiLU(), nn.Linear(32, 1))
optimizer = optim.Adam(critic.parameters(), lr=5e-3, betas=(0.5, 0.9))
losses = []


def cloud(shift: torch.Tensor | float, count: int = BATCH) -> torch.Tensor:
    return torch.randn(count, 2) * torch.tensor([1.0, 0.5]) + shift


def difference(x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    """How much more the critic gives the points x: Wasserstein's distance times its slope, when it has learnt."""
    return critic(x).mean() - critic(z).mean()


def penalty(x: torch.Tensor, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """PENALTY times the mean of (|gradient| - 1)^2, on the lines between the clouds, and the mean of |gradient|."""
    share = torch.rand(len(x), 1)
    between = (share * x + (1 - share) * z).requires_grad_()
    (slope,) = grad(critic(between).sum(), between, create_graph=True)  # (128, 2)
    norm = slope.norm(dim=1)
    return PENALTY * ((norm - 1) ** 2).mean(), norm.mean()


def train_critic(x: torch.Tensor, z: torch.Tensor) -> tuple[float, float]:
    """One step up; the difference and the norm of the gradient before it."""
    optimizer.zero_grad()
    far, (cost, norm) = difference(x, z), penalty(x, z)
    loss = cost - far
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
    return far.item(), norm.item()


print("The critic measures")
for step in range(STEPS):
    found, norm = train_critic(cloud(SHIFT), cloud(0.0))
    if step % 50 == 49:
        print(f"step {step + 1}  difference {found:.3f}  slope {norm:.3f}")
with torch.no_grad():
    measured = difference(cloud(SHIFT, 2000), cloud(0.0, 2000)).item()
print(f"distance by the critic {measured / norm:.3f}, by the formula {DISTANCE:.3f}")
assert abs(norm - SLOPE) < 0.1
assert abs(measured / norm - DISTANCE) < 0.4

print("The generator moves its points")
generator = nn.Linear(2, 2)
nn.init.eye_(generator.weight)
nn.init.zeros_(generator.bias)
optimizer_g = optim.SGD(generator.parameters(), lr=0.1)
scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer_g, T_max=ROUNDS)  # to rest where it arrives
for step in range(ROUNDS):
    for _ in range(5):  # the critic keeps up
        found, _ = train_critic(cloud(SHIFT), generator(cloud(0.0)).detach())
    optimizer_g.zero_grad()
    loss = -critic(generator(cloud(0.0))).mean()
    loss.backward()
    optimizer_g.step()
    scheduler.step()
    losses.append(loss.item())
    if step % 25 == 24:
        place = ", ".join(f"{x:.2f}" for x in generator.bias.tolist())
        print(f"round {step + 1:3}  difference {found:6.3f}  points moved by ({place})")
with torch.no_grad():
    moved = (generator(cloud(0.0, 2000)).mean(0) - SHIFT).norm().item()
print(f"left between the clouds' centres: {moved:.3f}")
assert moved < 0.4
