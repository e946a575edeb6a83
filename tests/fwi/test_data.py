"""Samples for the network: read lazily, split without overlap, mirrored exactly, brought to one scale."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from fwi import data, shards
from fwi.config import SPLITS, CorruptConfig, DataConfig, StudyConfig
from fwi.corruption import corrupted
from fwi.data import EpochSampler, Sample, ShotDataset
from fwi.manifest import DataSet
from fwi.physics import Propagator
from fwi.shards import ShardError
from fwi.survey import Survey

CORRUPT = CorruptConfig(share=0.667)


@pytest.fixture
def training(tiny_data: Path) -> ShotDataset:
    return ShotDataset([DataSet.read(tiny_data)], "train")


# -- reading


def test_samples_are_those_of_the_shards_in_order(training: ShotDataset, tiny_data: Path) -> None:
    first, second = (shards.read(tiny_data / f"train-0000{number}.h5") for number in (0, 1))

    assert len(training) == 8
    for number, (stored, row) in {0: (first, 0), 3: (first, 3), 4: (second, 0), 7: (second, 3)}.items():
        for name in Sample._fields:
            np.testing.assert_array_equal(getattr(training[number], name), getattr(stored, name)[row])


def test_a_data_set_in_use_travels_to_a_process_without_its_open_files(training: ShotDataset) -> None:
    before = training[5]

    there = pickle.loads(pickle.dumps(training))

    assert training._files
    assert not there._files
    assert_same(there[5], before)


def test_few_files_are_open_at_a_time(training: ShotDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    truth = [training[number] for number in range(8)]
    training = pickle.loads(pickle.dumps(training))
    monkeypatch.setattr(data, "OPEN_FILES", 1)

    back_and_forth = [training[number] for number in (0, 7, 1, 6)]

    assert len(training._files) == 1
    for number, sample in zip((0, 7, 1, 6), back_and_forth, strict=True):
        assert_same(sample, truth[number])


def test_several_data_sets_of_one_survey_follow_each_other(tiny_data: Path) -> None:
    one = DataSet.read(tiny_data)

    both = ShotDataset([one, one], "train")

    assert len(both) == 16
    assert_same(both[11], both[3])


def test_records_alone_have_no_mean_model(training: ShotDataset, monkeypatch) -> None:
    monkeypatch.setattr(ShotDataset, "_open", lambda *_: {"gathers": []})

    with pytest.raises(ShardError, match="holds records alone"):
        training.mean_model()


def test_the_mean_model_is_the_mean_of_all_models(training: ShotDataset) -> None:
    expected = np.mean([training[number].velocity.numpy() for number in range(8)], axis=0, dtype=np.float64)

    np.testing.assert_allclose(training.mean_model(), expected, rtol=1e-6)


def test_a_number_beyond_the_data_set_is_an_index_error(training: ShotDataset) -> None:
    for number in (-1, 8):
        with pytest.raises(IndexError, match=f"sample {number} of 8"):
            training[number]


def test_a_damaged_sample_is_refused_and_its_neighbours_are_not(tiny_copy: StudyConfig) -> None:
    path = tiny_copy.storage.folder / "train-00001.h5"
    with shards.open_shard(path) as file:
        chunk = file["gathers"].id.get_chunk_info(2)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset + 1000] ^= 1
    path.write_bytes(content)
    training = ShotDataset([DataSet.read(path.parent)], "train")

    with pytest.raises(ShardError, match=r"train-00001\.h5: sample 2 is damaged .* 'fwi verify"):
        training[6]
    assert torch.isfinite(training[5].gathers).all()


# -- splits


def test_no_model_is_in_two_splits(tiny_data: Path) -> None:
    data_set = DataSet.read(tiny_data)

    models = [
        ShotDataset([data_set], split)[number].velocity.numpy().tobytes()
        for split in SPLITS
        for number in range(data_set.size(split))
    ]

    assert len(models) == 8 + 4 + 4
    assert len(set(models)) == len(models)


def test_splits_are_whole_shards(tiny_data: Path) -> None:
    data_set = DataSet.read(tiny_data)

    files = [entry.file for split in SPLITS for entry in data_set.split(split)]

    assert sorted(files) == sorted(path.name for path in tiny_data.glob("*.h5"))
    assert len(set(files)) == len(files)


def test_an_empty_split_is_refused_with_the_key_to_set(tiny_copy: StudyConfig) -> None:
    whole = DataSet.read(tiny_copy.storage.folder)
    without = DataSet(whole.folder, whole.recipe, {}, tuple(whole.split("train")))

    with pytest.raises(ShardError, match=r"no samples in the test split; set storage\.test"):
        ShotDataset([without], "test")


def test_a_data_set_of_another_survey_is_refused_naming_what_differs(
    tiny_study: StudyConfig, tiny_data: Path
) -> None:
    wanted = tiny_study.survey.model_copy(update={"receivers": 18, "nt": 200})

    with pytest.raises(ShardError) as refused:
        data.require_survey(
            DataSet.read(tiny_data), Survey(tiny_study.grid, wanted), "that of the run runs/a"
        )

    assert str(refused.value).splitlines() == [
        f"{tiny_data} was made for another survey than that of the run runs/a:",
        "  - survey.receivers: 36 against 18",
        "  - survey.nt: 250 against 200",
    ]


# -- mirroring


def test_mirrored_gathers_are_those_of_the_mirrored_model(
    tiny_study: StudyConfig, training: ShotDataset
) -> None:
    survey = Survey(tiny_study.grid, tiny_study.survey)
    assert survey.symmetric
    propagator = Propagator(survey, tiny_study.physics)
    velocity, salt = training[0].velocity, training[0].salt

    recorded = propagator(velocity[None])[0]
    mirrored = data.mirrored(Sample(recorded, velocity, salt))
    simulated = propagator(mirrored.velocity[None])[0]

    largest = float(recorded.abs().max())
    torch.testing.assert_close(mirrored.gathers, simulated, rtol=0, atol=2e-6 * largest)
    assert (recorded - mirrored.gathers).abs().max() > 1e-2 * largest  # the model is not its own mirror image


def test_a_flipped_sample_is_the_sample_mirrored_and_twice_is_itself(training: ShotDataset) -> None:
    sample, flipped = training[2], training[2, True]

    assert_same(flipped, data.mirrored(sample))
    assert_same(data.mirrored(flipped), sample)
    assert_same(training[2, False], sample)
    torch.testing.assert_close(flipped.gathers[0, :, 0], sample.gathers[-1, :, -1], rtol=0, atol=0)
    torch.testing.assert_close(flipped.velocity[:, 0], sample.velocity[:, -1], rtol=0, atol=0)


# -- order


def test_the_order_and_the_flips_of_an_epoch_depend_on_seed_and_epoch_alone() -> None:
    used, fresh, other_seed = (EpochSampler(100, 0.5, seed) for seed in (3, 3, 4))
    for epoch in range(5):
        used.set_epoch(epoch)
        first_of_epoch = list(used)
    for sampler in (fresh, other_seed):
        sampler.set_epoch(4)

    assert list(used) == first_of_epoch == list(fresh)
    assert list(fresh) != list(other_seed)
    fresh.set_epoch(5)
    assert list(fresh) != first_of_epoch


@pytest.mark.parametrize(("flip", "low", "high"), [(0.0, 0, 0), (0.5, 4700, 5300), (1.0, 10_000, 10_000)])
def test_an_epoch_has_every_sample_once_and_mirrors_the_share_asked_for(
    flip: float, low: int, high: int
) -> None:
    numbers, flips, _ = zip(*EpochSampler(10_000, flip, seed=0), strict=True)

    assert sorted(numbers) == list(range(10_000))
    assert low <= sum(flips) <= high


def test_training_batches_are_whole_and_evaluation_has_every_sample_in_order(training: ShotDataset) -> None:
    config = DataConfig(flip=0.0, workers=0)

    trained = list(data.training_loader(training, config, batch_size=3, seed=0))
    evaluated = list(data.evaluation_loader(training, config, batch_size=3))

    assert [len(batch.velocity) for batch in trained] == [3, 3]
    assert [len(batch.velocity) for batch in evaluated] == [3, 3, 2]
    in_order = torch.stack([training[number].velocity for number in range(8)])
    torch.testing.assert_close(torch.cat([batch.velocity for batch in evaluated]), in_order, rtol=0, atol=0)


def test_a_process_that_loads_gives_the_same_batches(training: ShotDataset) -> None:
    here, there = (
        list(data.training_loader(training, DataConfig(workers=workers, corrupt=CORRUPT), 4, seed=1))
        for workers in (0, 1)
    )

    assert len(here) == len(there) == 2
    for one, other in zip(here, there, strict=True):
        assert_same(one, other)


# -- corruption


def test_records_are_corrupted_by_seed_epoch_and_number_after_they_are_mirrored(
    training: ShotDataset,
) -> None:
    config = DataConfig(workers=0, corrupt=CorruptConfig(share=1.0))
    loader = data.training_loader(training, config, batch_size=1, seed=5)
    loader.sampler.set_epoch(3)
    sampler = EpochSampler(8, config.flip, seed=5)
    sampler.set_epoch(3)

    for (number, flip, epoch), batch in zip(sampler, loader, strict=True):
        stored = training[number, flip]
        random = np.random.default_rng([data.CORRUPTION_STREAM, 5, epoch, number])
        expected = corrupted(stored.gathers.float().numpy(), training.survey, config.corrupt, random)
        assert epoch == 3
        np.testing.assert_array_equal(batch.gathers[0], expected)
        assert (batch.gathers[0] != stored.gathers).any()
        torch.testing.assert_close(batch.velocity[0], stored.velocity, rtol=0, atol=0)


def test_each_epoch_corrupts_anew_and_a_resumed_training_sees_the_same(training: ShotDataset) -> None:
    config = DataConfig(workers=0, corrupt=CORRUPT)
    whole, resumed = (data.training_loader(training, config, batch_size=8, seed=0) for _ in range(2))
    epochs = []
    for epoch in range(3):
        whole.sampler.set_epoch(epoch)
        epochs += list(whole)
    resumed.sampler.set_epoch(2)

    assert_same(next(iter(resumed)), epochs[2])
    energy = [batch.gathers.square().sum(dim=(1, 2, 3)).sort().values for batch in epochs]
    assert (energy[1] != energy[2]).sum() > 2
    assert (energy[1] == energy[2]).sum() < 6


def test_devices_see_together_the_records_that_one_sees(training: ShotDataset) -> None:
    config = DataConfig(workers=0, corrupt=CORRUPT)
    parts = [list(data.training_loader(training, config, 4, 2, device, devices=2)) for device in (0, 1)]

    for step, batch in enumerate(data.training_loader(training, config, 4, 2)):
        together = Sample(*(torch.cat(pair) for pair in zip(*(part[step] for part in parts), strict=True)))
        assert_same(together, batch)


def test_records_are_as_stored_in_evaluation_and_where_nothing_is_to_be_corrupted(
    training: ShotDataset,
) -> None:
    stored = torch.stack([training[number].gathers for number in range(8)])
    every = DataConfig(workers=0, flip=0.0, corrupt=CorruptConfig(share=1.0))

    (evaluated,) = data.evaluation_loader(training, every, batch_size=8)
    (trained,) = data.training_loader(training, every.model_copy(update={"corrupt": CorruptConfig()}), 8, 0)

    assert stored.dtype == evaluated.gathers.dtype == trained.gathers.dtype == torch.float16
    assert torch.equal(evaluated.gathers, stored)
    assert torch.equal(trained.gathers, stored[list(np.random.default_rng([0, 0]).permutation(8))])


def assert_same(one: Sample, other: Sample) -> None:
    for name in Sample._fields:
        torch.testing.assert_close(getattr(one, name), getattr(other, name), rtol=0, atol=0)
