"""Samples with the same model: met again by content, and preferred where they are in another split."""

from pathlib import Path

from data_prep.verify.fingerprints import Fingerprints, Sample
from fwi.config import Split
from fwi.manifest import Entry


def sample(split: Split, row: int) -> Sample:
    return Sample(Path("set"), Entry(f"{split}-00000.h5", split, 9, 0, "", {}), row)


def test_a_model_that_was_not_met_before_is_nobody_s():
    met = Fingerprints()

    first, other = met.meet(b"a", sample("train", 0)), met.meet(b"b", sample("train", 1))

    assert (first, other) == (None, None)


def test_a_model_met_again_is_that_of_the_first_sample_with_it():
    met = Fingerprints()
    met.meet(b"a", sample("train", 0))
    met.meet(b"a", sample("train", 1))

    assert met.meet(b"a", sample("train", 2)) == sample("train", 0)


def test_a_sample_of_another_split_goes_before_one_of_the_same():
    met = Fingerprints()
    met.meet(b"a", sample("train", 0))
    met.meet(b"a", sample("test", 0))

    assert met.meet(b"a", sample("train", 1)) == sample("test", 0)
    assert met.meet(b"a", sample("test", 1)) == sample("train", 0)
