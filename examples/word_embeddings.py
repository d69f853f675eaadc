"""Skip-gram: words get vectors by which the words around them can be guessed, and the vectors know what words mean.

You will see the loss come near the entropy of the corpus, which no guessing can beat, and then arithmetic with
meanings: king - man + woman = queen. Nobody tells the model who is royal, female or young; it reads 4,000 sentences of
five words each, in which royals have to do with crowns, women with dresses, the young with toys.
"""

import numpy as np

import tinygrad_edu as torch
from tinygrad_edu import nn, optim
from tinygrad_edu.nn import functional as F

STEPS, BATCH, SIZE = 400, 512, 8
rng = np.random.default_rng(0)

# A person's traits are rank, sex and age, and each trait has words that go with it.
PEOPLE = ["man", "woman", "boy", "girl", "king", "queen", "prince", "princess"]
ABOUT = [
    ["plough village farm", "beard he his", "work wise old"],
    ["crown palace throne", "dress she her", "toy small young"],
]
traits = {name: (i // 4, i % 2, i // 2 % 2) for i, name in enumerate(PEOPLE)}
words = PEOPLE + " ".join(" ".join(row) for row in ABOUT).split()
number = {word: i for i, word in enumerate(words)}


def sentence() -> list[int]:
    """A person in the middle of four words, which speak of traits drawn at random."""
    person = str(rng.choice(PEOPLE))
    around = [rng.choice(ABOUT[traits[person][t]][t].split()) for t in rng.integers(0, 3, 4)]
    return [number[word] for word in (*around[:2], person, *around[2:])]


corpus = torch.tensor([sentence() for _ in range(4000)])  # (4000, 5)
pairs = torch.cat([corpus[:, [i, j]] for i in range(5) for j in range(5) if 0 < abs(i - j) <= 2])  # (56000, 2)

torch.manual_seed(0)
vectors, contexts = nn.Embedding(len(words), SIZE), nn.Embedding(len(words), SIZE)
for table in (vectors, contexts):
    nn.init.normal_(table.weight, std=0.1)  # all words are about equally likely at first
optimizer = optim.Adam([*vectors.parameters(), *contexts.parameters()], lr=0.03)
scheduler = optim.lr_scheduler.LinearLR(optimizer, start_factor=1.0, end_factor=0.02, total_iters=STEPS)
losses = []
for step in range(STEPS):
    centre, context = pairs[torch.randint(len(pairs), (BATCH,))].T  # (512,), (512,)
    optimizer.zero_grad()
    loss = F.cross_entropy(vectors(centre) @ contexts.weight.T, context)  # of scores (512, words)
    loss.backward()
    optimizer.step()
    scheduler.step()
    losses.append(loss.item())
    if step % 80 == 79:
        print(f"step {step + 1:3}  loss {losses[-1]:.3f}")

counts = torch.bincount(pairs @ torch.tensor([len(words), 1]), minlength=len(words) ** 2).reshape(len(words), -1)
shares = counts / counts.sum(dim=1, keepdim=True)  # of a centre's contexts, (words, words)
entropy = -(torch.xlogy(shares, shares).sum(dim=1) @ counts.sum(dim=1).float() / counts.sum()).item()
with torch.no_grad():
    reached = F.cross_entropy(vectors(pairs[:, 0]) @ contexts.weight.T, pairs[:, 1]).item()
print(f"loss on all pairs {reached:.3f}, entropy {entropy:.3f}")
assert entropy - 1e-3 < reached < entropy + 0.05 < losses[0]

with torch.no_grad():
    directions = F.normalize(vectors.weight - vectors.weight.mean(0))  # of length 1, so that products are cosines


def nearest(direction: torch.Tensor, but: list[str]) -> str:
    """The person whose vector points most nearly that way."""
    cosines = directions[: len(PEOPLE)] @ direction
    for word in but:
        cosines[number[word]] = -1.0
    return PEOPLE[int(cosines.argmax())]


for a, b, c, expected in (
    ("king", "man", "woman", "queen"),
    ("prince", "boy", "girl", "princess"),
    ("queen", "woman", "girl", "princess"),
    ("man", "boy", "prince", "king"),
):
    found = nearest(directions[number[a]] - directions[number[b]] + directions[number[c]], but=[a, b, c])
    print(f"{a} - {b} + {c} = {found}")
    assert found == expected
