"""The start that full-waveform inversion has without a network."""

import numpy as np
import pytest

from fwi import naive


def test_linear_gradient_is_the_line_through_the_mean_model_of_each_depth():
    depth = np.arange(20)[:, None] * np.ones((1, 30))
    mean_model = 2000 + 50 * depth + 100 * np.sign(np.arange(30) - 14.5)  # sides that cancel

    line = naive.linear_gradient(mean_model)

    assert line.shape == mean_model.shape
    np.testing.assert_allclose(line, 2000 + 50 * depth, rtol=1e-6)


def test_linear_gradient_keeps_the_limits_of_the_mean_model():
    mean_model = np.repeat(np.where(np.arange(40) < 35, 2000.0, 4500.0)[:, None], 10, axis=1)

    line = naive.linear_gradient(mean_model)

    assert line.min() == pytest.approx(2000)
    assert (np.diff(line[:, 0]) >= 0).all()
