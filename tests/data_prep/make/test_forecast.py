import pytest

from data_prep.make.forecast import duration


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.03, "1 s"), (42.4, "42 s"), (100, "2 min"), (5990, "100 min"), (6000, "1.7 h"), (1e6, "277.8 h")],
)
def test_time_to_wait_is_told_in_its_own_unit_and_never_as_zero(seconds, said):
    assert duration(seconds) == said
