"""An LSTM reads names letter by letter and then makes up names of its own.

You will see the loss, twelve new names, and how many of 200 obey the rules by which the names were made: consonant and
vowel in turn, two to four times, perhaps an ending, and the vowels of one name either all from `aou` or all from `ei`.
The last rule takes a memory: when a vowel is due, the letter before, a consonant, tells nothing of the vowels so far.
"""

import re

import numpy as np

import tinygrad_edu as torch
from tinygrad_edu import nn, optim
from tinygrad_edu.nn import functional as F

STEPS, BATCH, SIZE, LONGEST = 500, 64, 48, 12
rng = np.random.default_rng(0)
RULE = re.compile(r"(([klmnrst][aou]){2,4}|([klmnrst][ei]){2,4})[nrs]?")


def name() -> str:
    vowels = "aou" if rng.random() < 0.5 else "ei"
    syllables = (rng.choice([*"klmnrst"]) + rng.choice([*vowels]) for _ in range(rng.integers(2, 5)))
    return "".join(syllables) + rng.choice(["", "n", "r", "s"])


names = [name() for _ in range(1000)]
assert all(RULE.fullmatch(one) for one in names)
letters = "." + "".join(sorted(set("".join(names))))  # a dot before the name, and after it
number = {letter: i for i, letter in enumerate(letters)}
rows = [[number[letter] for letter in f".{one}.".ljust(LONGEST, ".")] for one in names]
data = torch.tensor(rows)  # (1000, 12)
lengths = torch.tensor([len(one) + 1 for one in names])  # letters to be guessed, with the dot behind


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(len(letters), 8)
        self.lstm = nn.LSTM(8, SIZE, batch_first=True)
        self.output = nn.Linear(SIZE, len(letters))

    def forward(self, x: torch.Tensor, state: tuple | None = None) -> tuple:
        hidden, state = self.lstm(self.embedding(x), state)  # (n, time, 48)
        return self.output(hidden), state  # (n, time, letters)


torch.manual_seed(0)
model = Model()
optimizer = optim.Adam(model.parameters(), lr=1e-2)
scheduler = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-2, total_steps=STEPS)
losses = []
for step in range(STEPS):
    batch = torch.randint(len(data), (BATCH,))
    x, target = data[batch, :-1], data[batch, 1:]
    behind = torch.arange(LONGEST - 1) >= lengths[batch, None]  # (64, 11): after the end nothing is to be guessed
    scores, _ = model(x)
    loss = F.cross_entropy(scores.flatten(0, 1), target.masked_fill(behind, -100).flatten())
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    scheduler.step()
    losses.append(loss.item())
    if step % 100 == 99:
        print(f"step {step + 1}  loss {losses[-1]:.3f} nats per letter")


@torch.no_grad()
def sample(count: int) -> list[str]:
    """New names, letter by letter: each is drawn with the probability that the model gives it, and read in turn."""
    letter, state, columns = torch.zeros(count, 1, dtype=torch.int64), None, []
    for _ in range(LONGEST):
        scores, state = model(letter, state)
        letter = torch.multinomial(F.softmax(scores[:, -1], dim=-1), 1)  # (count, 1)
        columns.append(letter)
    return ["".join(letters[i] for i in row).split(".")[0] for row in torch.cat(columns, dim=1).tolist()]


made_up = sample(200)
right = [one for one in made_up if RULE.fullmatch(one)]
new = [one for one in dict.fromkeys(right) if one not in names]
print(*new[:12])
print(f"{len(right)} of {len(made_up)} obey the rules; of these {len(new)} different ones were not among those it read")
assert len(right) > 180
assert len(new) > 50
