import pytest

from experiments import progress


def test_each_count_is_told_once_and_the_last_in_any_case(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.progress("simulate", 10, "samples") as report:
        for done in (1, 5, 10, 10):
            report(done)

    shown = capsys.readouterr().err.splitlines()
    assert len(shown) == 1
    assert shown[0].startswith("simulate: 10/10 samples, ")


def test_counts_in_between_are_told_when_some_time_has_passed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "LINE_EVERY", 0.0)

    with progress.progress("simulate", 10, "samples") as report:
        for done in (1, 5, 5, 10):
            report(done)

    shown = [line.split(",")[0] for line in capsys.readouterr().err.splitlines()]
    assert shown == [f"simulate: {done}/10 samples" for done in (1, 5, 10)]
