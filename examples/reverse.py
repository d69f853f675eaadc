"""A transformer learns to reverse sequences, and its attention shows how: each place looks at its mirror image.

You will see the loss fall from 2.3, for it guesses one of ten, to nearly 0; a sequence that it has never met come out
reversed; and the matrix of attention: the place it writes from top to bottom, the places it reads from left to right,
with `#` where more than half of the weight is.
"""

import tinygrad_edu as torch
from tinygrad_edu import nn, optim

STEPS, BATCH, LENGTH, TOKENS, WIDTH = 400, 64, 10, 10, 32


class Reverser(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.places = nn.Embedding(TOKENS, WIDTH), nn.Embedding(LENGTH, WIDTH)
        layer = nn.TransformerEncoderLayer(WIDTH, nhead=2, dim_feedforward=64, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, num_layers=1)
        self.output = nn.Linear(WIDTH, TOKENS)

    def embed(self, x: torch.Tensor) -> torch.Tensor:
        return self.tokens(x) + self.places(torch.arange(LENGTH))  # (n, 10) -> (n, 10, 32)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.output(self.encoder(self.embed(x)))  # (n, 10, TOKENS)

    def attention(self, x: torch.Tensor) -> torch.Tensor:
        """The weights by which the places read one another, (n, 10, 10), the mean of both heads; a row sums to 1."""
        z = self.embed(x)
        return self.encoder.layers[0].self_attn(z, z, z)[1]


torch.manual_seed(0)
model = Reverser()
optimizer = optim.Adam(model.parameters(), lr=3e-3)
scheduler = optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / 50))  # a warm start
losses = []
for step in range(STEPS):
    x = torch.randint(TOKENS, (BATCH, LENGTH))
    scores = model(x)
    loss = nn.functional.cross_entropy(scores.transpose(1, 2), x.flip(1))  # classes second: (n, TOKENS, 10)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    scheduler.step()
    losses.append(loss.item())
    if step % 80 == 79:
        print(f"step {step + 1}  loss {losses[-1]:.4f}")

model.eval()
with torch.no_grad():
    x = torch.randint(TOKENS, (500, LENGTH))
    right = (model(x).argmax(-1) == x.flip(1)).all(dim=1).float().mean().item()
    print(*x[0].tolist(), "->", *model(x[:1])[0].argmax(-1).tolist())
    print(f"{right:.1%} of 500 new sequences are reversed without an error")
    weights = model.attention(x).mean(0)  # (10, 10)
for row in weights.tolist():
    print(" ".join("#" if w > 0.5 else "+" if w > 0.1 else "." for w in row))
assert right > 0.99
assert weights.argmax(dim=1).tolist() == [*range(LENGTH)][::-1]
