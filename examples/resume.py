"""Stop a training with Ctrl-C and go on later, to the last bit as if it had never been stopped. (99 lines)

You will see a run that is interrupted in the middle of its sixth epoch, saves itself, and is resumed from the file by
objects made anew; then that its weights equal those of a run without interruption. A checkpoint holds everything that
changes: weights, momentum, the learning rate's schedule, the random streams, and the place in the epoch.
"""

import signal
import tempfile

import tinygrad_edu as torch
from tinygrad_edu import nn, optim
from tinygrad_edu.datasets import moons
from tinygrad_edu.utils.data import DataLoader, TensorDataset

EPOCHS, DECAY = 16, 0.9  # DECAY: of the learning rate, per epoch
X, y = (torch.tensor(a, dtype=torch.float32) for a in moons(200, noise=0.15))


class Training:
    """All that a run consists of."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Dropout(0.1), nn.Linear(16, 1))
        self.optimizer = optim.SGD(self.model.parameters(), lr=0.5, momentum=0.9)
        self.order = torch.Generator().manual_seed(1)
        self.loader = DataLoader(TensorDataset(X, y), batch_size=20, shuffle=True, generator=self.order)
        self.epoch, self.batch, self.stopping = 0, 0, False

    def stop(self, *_: object) -> None:
        self.stopping = True  # when the batch is done: half of a step could not be resumed

    def run(self, checkpoint: str, interrupt_at: tuple[int, int] | None = None) -> bool:
        """Train to the end, True, or until Ctrl-C, False; what is left is then in the checkpoint."""
        try:
            signal.signal(signal.SIGINT, self.stop)
            while self.epoch < EPOCHS:
                self.order_at_start = self.order.get_state()  # repeats this epoch's order
                self.train_epoch(interrupt_at)
                self.epoch, self.batch = self.epoch + 1, 0
                self.optimizer.param_groups[0]["lr"] *= DECAY
        except KeyboardInterrupt:
            torch.save(self.state(), checkpoint)
            return False
        return True

    def train_epoch(self, interrupt_at: tuple[int, int] | None) -> None:
        stream, batches = torch.get_rng_state(), iter(self.loader)
        if self.batch:  # resumed: what was learnt from is skipped, and what that draws does not count
            for _ in range(self.batch):
                next(batches)
            torch.set_rng_state(stream)
        for inputs, labels in batches:
            loss = nn.functional.binary_cross_entropy_with_logits(self.model(inputs)[:, 0], labels)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.batch += 1
            if interrupt_at == (self.epoch, self.batch):
                signal.raise_signal(signal.SIGINT)  # as Ctrl-C does
            if self.stopping:
                raise KeyboardInterrupt

    def state(self) -> dict[str, object]:
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "order": self.order_at_start,
            "stream": torch.get_rng_state(),
            "place": (self.epoch, self.batch),
        }

    def load(self, checkpoint: str) -> None:
        state = torch.load(checkpoint)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.order.set_state(state["order"])
        torch.set_rng_state(state["stream"])
        self.epoch, self.batch = state["place"]


whole = Training()
assert whole.run(checkpoint="")

with tempfile.TemporaryDirectory() as folder:
    file = f"{folder}/checkpoint"
    stopped = Training()
    assert not stopped.run(file, interrupt_at=(5, 6))
    print(f"interrupted in epoch {stopped.epoch + 1} after {stopped.batch} of {len(stopped.loader)} batches")
    resumed = Training()
    resumed.load(file)
    assert resumed.run(file)

for one, other in zip(whole.model.parameters(), resumed.model.parameters(), strict=True):
    assert torch.equal(one, other)
accuracy = ((resumed.model.eval()(X)[:, 0] > 0) == (y > 0.5)).float().mean().item()
print(f"resumed and finished: every weight as without the interruption, {accuracy:.1%} of the points right")
assert accuracy > 0.9
