"""Datasets, samplers, collating and the DataLoader in one process."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict, namedtuple

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu.utils.data import (
    BatchSampler,
    ChainDataset,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    StackDataset,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
    default_convert,
    get_worker_info,
    random_split,
)


class Stream(IterableDataset):
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        return iter(range(self.n))

    def __len__(self):
        return self.n


def flat(batches):
    return [x for batch in batches for x in batch.tolist()]


def test_a_tensor_dataset_gives_rows():
    """One tuple per index, slices too; tensors of other lengths are refused with the lengths."""
    data = TensorDataset(te.arange(6).reshape(3, 2), te.tensor([7, 8, 9]))
    x, y = data[1]
    assert (x.tolist(), y.item(), len(data)) == ([2, 3], 8, 3)
    assert data[1:][1].tolist() == [8, 9]
    assert [y.item() for _, y in (data[i] for i in range(3))] == [7, 8, 9]
    with pytest.raises(AssertionError, match=r"Size mismatch between tensors: their lengths are \[3, 2\]"):
        TensorDataset(te.ones(3), te.ones(2))


def test_datasets_are_put_together():
    """One behind the other by index or in a stream, side by side, and parts of one."""
    both = ConcatDataset([range(3), range(10, 12)])
    assert [both[i] for i in range(-5, 5)] == [0, 1, 2, 10, 11] * 2
    assert list(both) == [0, 1, 2, 10, 11]  # by IndexError at the end
    with pytest.raises(ValueError, match="should not exceed dataset length: -6 of 5"):
        both[-6]
    assert isinstance(TensorDataset(te.ones(1)) + TensorDataset(te.ones(2)), ConcatDataset)
    chain = Stream(2) + Stream(3)
    assert isinstance(chain, ChainDataset)
    assert (list(chain), len(chain)) == ([0, 1, 0, 1, 2], 5)
    with pytest.raises(AssertionError, match="does not support IterableDataset"):
        ConcatDataset([Stream(1)])
    with pytest.raises(AssertionError, match="only supports IterableDataset"):
        list(ChainDataset([range(2)]))
    assert StackDataset(range(3), "abc")[1] == (1, "b")
    assert StackDataset(n=range(3), c="abc").__getitems__([0, 2]) == [{"n": 0, "c": "a"}, {"n": 2, "c": "c"}]
    with pytest.raises(ValueError, match=r"Size mismatch between datasets: \[3, 2\]"):
        StackDataset(range(3), range(2))
    part = Subset(range(10, 20), [3, 5])
    assert (list(part), len(part), part[1]) == ([13, 15], 2, 15)


def test_subclasses_must_say_what_is_asked_of_them():
    """A Dataset without __getitem__, a stream without __iter__, a Subset that would be passed by."""
    with pytest.raises(NotImplementedError, match="should implement __getitem__; Dataset does not"):
        Dataset()[0]
    with pytest.raises(NotImplementedError, match="should implement __iter__"):
        iter(IterableDataset())

    class Shifted(Subset):
        def __getitem__(self, index):
            return super().__getitem__(index) + 1

    with pytest.raises(NotImplementedError, match="Shifted overrides __getitem__ but not __getitems__"):
        Shifted(range(3), [0])


def test_random_split_deals_every_sample_once():
    """By numbers or fractions; what rounding leaves goes to the first parts; wrong sums are refused."""
    parts = random_split(range(11), [0.5, 0.3, 0.2])
    assert [len(p) for p in parts] == [6, 3, 2]
    assert sorted(x for p in parts for x in p) == list(range(11))
    with pytest.raises(ValueError, match=r"Sum of input lengths .* The parts \[5, 5\] have 10 samples, the dataset 11"):
        random_split(range(11), [5, 5])
    with pytest.raises(ValueError, match="Fraction at index 0 is not between"):
        random_split(range(11), [1.5, -0.5])
    with pytest.warns(UserWarning, match="split at index 1 is 0"):
        random_split(range(2), [0.5, 0.0, 0.5])


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: RandomSampler([]), ValueError, "num_samples=0"),
        (lambda: RandomSampler([1], replacement=1), TypeError, "replacement=1"),
        (lambda: WeightedRandomSampler([1.0], 0), ValueError, "num_samples=0"),
        (lambda: WeightedRandomSampler([1.0], True), ValueError, "num_samples=True"),
        (lambda: WeightedRandomSampler([[1.0]], 1), ValueError, r"weights have shape \(1, 1\)"),
        (lambda: BatchSampler([1], 0, False), ValueError, "batch_size=0"),
        (lambda: BatchSampler([1], 2, None), ValueError, "drop_last=None"),
    ],
)
def test_samplers_refuse_what_makes_no_order(make, error, text):
    """PyTorch's classes and words."""
    with pytest.raises(error, match=text):
        make()


def test_a_sampler_follows_its_weights():
    """With probability 0 an index never comes; half of the draws are the one with half of the weight."""
    te.manual_seed(0)
    drawn = list(WeightedRandomSampler([1.0, 0.0, 1.0], 2000))
    assert set(drawn) == {0, 2}
    assert abs(drawn.count(0) - 1000) < 4 * 22.4  # four standard deviations of 2,000 tosses
    assert sorted(WeightedRandomSampler(te.ones(5), 5, replacement=False)) == [0, 1, 2, 3, 4]
    assert sorted(SubsetRandomSampler([7, 9])) == [7, 9]


# --- collating

Pair = namedtuple("Pair", "x y")


def test_collating_goes_by_what_samples_are_made_of():
    """Tensors, arrays and numbers are stacked in PyTorch's dtypes; containers keep their kind, tuples become lists."""
    sample = {"a": 1, "b": [1.5, "x"], "c": (True, np.float32(2), np.zeros(2)), "p": Pair(te.ones(3), b"z")}
    batch = default_collate([sample, sample])
    assert list(batch) == ["a", "b", "c", "p"]
    assert batch["a"].dtype == te.int64
    assert batch["b"][0].dtype == te.float64
    assert batch["b"][1] == ("x", "x")
    assert [t.dtype for t in batch["c"]] == [te.bool, te.float32, te.float64]
    assert batch["c"][2].shape == (2, 2)
    assert isinstance(batch["p"], Pair)
    assert batch["p"].x.shape == (2, 3)
    ordered = default_collate([OrderedDict(z=1, y=2)])
    assert isinstance(ordered, OrderedDict)
    assert list(ordered) == ["z", "y"]


def test_collating_leaves_the_samples_alone():
    """The containers of a batch are new ones."""
    sample = {"x": [1, 2]}
    before = copy.deepcopy(sample)
    default_collate([sample, sample])
    default_convert({"x": [np.ones(1)]})
    assert sample == before


@pytest.mark.parametrize(
    ("batch", "error", "text"),
    [
        ([object()], TypeError, "found <class 'object'>. Pass a collate_fn"),
        ([None], TypeError, "NoneType"),
        ([np.array(["a"])], TypeError, "found <U1"),
        ([[1], [1, 2]], RuntimeError, r"equal size; the lengths are \[1, 2\]"),
        ([te.ones(2), te.ones(3)], RuntimeError, "expects each tensor to be equal size"),
    ],
)
def test_what_makes_no_batch_is_named(batch, error, text):
    """The kind that is not known, or the sizes that differ."""
    with pytest.raises(error, match=text):
        default_collate(batch)


def test_converting_makes_tensors_of_arrays_only():
    """Numbers and text stay; containers are gone into."""
    found = default_convert({"a": np.ones(2), "b": (1, "x"), "c": Pair(np.float32(2), None), "d": np.array(["s"])})
    assert found["a"].tolist() == [1.0, 1.0]
    assert found["b"] == [1, "x"]
    assert found["c"].x.item() == 2.0
    assert isinstance(found["d"], np.ndarray)


# --- loading


@pytest.mark.parametrize("grad", [False, True])
def test_batches_of_tensors_are_what_collating_the_samples_gives(grad):
    """Rows taken at once equal rows taken one by one: values, dtypes, kinds, and the way back of the gradient."""
    data = TensorDataset(te.arange(12.0).reshape(6, 2).requires_grad_(grad), te.arange(6), te.ones(6, 1, 2) > 0)
    part = Subset(Subset(data, [5, 3, 1, 0]), [2, 0, -1])
    (fast,) = DataLoader(part, batch_size=3)
    (slow,) = DataLoader(part, batch_size=3, collate_fn=lambda samples: default_collate(samples))
    assert type(fast) is type(slow) is list
    for a, b in zip(fast, slow, strict=True):
        assert a.dtype == b.dtype
        assert a.tolist() == b.tolist()
        assert a.requires_grad == b.requires_grad
    fast[0].detach().zero_()
    assert data.tensors[0].sum().item() == 66.0  # a batch is a copy
    with pytest.raises(IndexError):
        list(DataLoader(data, batch_sampler=[[6]]))


def test_every_sample_comes_once():
    """In order or shuffled; the last batch is shorter or left out; len() counts batches."""
    loader = DataLoader(range(10), batch_size=4)
    assert [b.tolist() for b in loader] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert (len(loader), len(DataLoader(range(10), 4, drop_last=True))) == (3, 2)
    assert len(flat(DataLoader(range(10), 4, drop_last=True))) == 8
    shuffled = DataLoader(range(10), 4, shuffle=True)
    first, second = flat(shuffled), flat(shuffled)
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second


def test_loading_without_batches():
    """batch_size=None: samples one by one, arrays as tensors."""
    found = list(DataLoader([np.arange(2), 5, "x"], batch_size=None))
    assert found[0].tolist() == [0, 1]
    assert found[1:] == [5, "x"]


def test_batches_can_be_asked_for_at_once():
    """A dataset with __getitems__ is handed the list; a collate_fn is handed what it gives."""

    class Rows(Dataset):
        def __len__(self):
            return 4

        def __getitems__(self, indices):
            return indices

    assert list(DataLoader(Rows(), 3, collate_fn=tuple)) == [(0, 1, 2), (3,)]
    assert list(DataLoader(Rows(), batch_sampler=[[3, 1], [2]], collate_fn=tuple)) == [(3, 1), (2,)]


def test_streams():
    """Batches, without batches, without the rest; a length that was told too short is warned of."""
    assert [b.tolist() for b in DataLoader(Stream(5), 2)] == [[0, 1], [2, 3], [4]]
    assert [b.tolist() for b in DataLoader(Stream(5), 2, drop_last=True)] == [[0, 1], [2, 3]]
    assert list(DataLoader(Stream(3), None)) == [0, 1, 2]
    assert (len(DataLoader(Stream(5), 2)), len(DataLoader(Stream(5), 2, drop_last=True))) == (3, 2)

    class Liar(Stream):
        def __len__(self):
            return 1

    loader = DataLoader(Liar(4), 2)
    assert len(loader) == 1
    with pytest.warns(UserWarning, match="was reported to be 1"):
        list(loader)
    assert get_worker_info() is None


SENSELESS = {
    "negative workers": ({"num_workers": -1}, "num_workers option should be non-negative"),
    "negative timeout": ({"timeout": -1}, "timeout option should be non-negative"),
    "prefetch without workers": ({"prefetch_factor": 2}, "let num_workers > 0"),
    "persistence without workers": ({"persistent_workers": True}, "needs num_workers > 0"),
    "shuffled sampler": ({"shuffle": True, "sampler": [0]}, "mutually exclusive with shuffle"),
    "two batch sizes": ({"batch_size": 2, "batch_sampler": [[0]]}, "mutually exclusive with batch_size"),
    "nothing to drop": ({"batch_size": None, "drop_last": True}, "mutually exclusive with drop_last"),
    "no batch": ({"batch_size": 0}, "positive integer value"),
    "context without workers": ({"multiprocessing_context": "spawn"}, "num_workers > 0"),
    "unknown context": ({"multiprocessing_context": "threads", "num_workers": 1}, "valid start method"),
    "a shuffled stream": ({"dataset": Stream(1), "shuffle": True}, "unspecified shuffle option, but got shuffle=True"),
    "an ordered stream": ({"dataset": Stream(1), "sampler": [0]}, "unspecified sampler option"),
}


@pytest.mark.parametrize("case", SENSELESS)
def test_options_that_exclude_each_other_are_refused(case):
    """ValueError, in PyTorch's words."""
    options, text = SENSELESS[case]
    with pytest.raises(ValueError, match=text):
        DataLoader(**{"dataset": range(3), **options})


def test_what_the_order_rests_on_is_fixed():
    """A loader's dataset, sampler and sizes can't be changed afterwards; without a length there is no shuffling."""
    loader = DataLoader(range(3))
    for name in ("dataset", "batch_size", "sampler", "batch_sampler", "drop_last", "persistent_workers"):
        with pytest.raises(ValueError, match=f"{name} attribute should not be set"):
            setattr(loader, name, None)
    with pytest.raises(TypeError, match="has no len"):
        DataLoader(iter([1]), shuffle=True)
    assert [b.item() for b in pickle.loads(pickle.dumps(loader))] == [0, 1, 2]


def test_an_interrupted_pass_is_gone_on_with():
    """The generator's state at the pass's start and the number of batches seen are enough, to the last bit."""
    g = te.Generator().manual_seed(5)
    loader = DataLoader(range(20), 3, shuffle=True, generator=g)
    start = g.get_state()
    whole = [b.tolist() for b in loader]
    after = g.get_state()
    g.set_state(start)
    rest = iter(loader)
    for _ in range(4):
        next(rest)
    assert [b.tolist() for b in rest] == whole[4:]
    assert te.equal(g.get_state(), after)
