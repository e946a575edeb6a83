"""Metrics of velocity sections against the truth, per sample, and their summary.

``METRICS`` is the table of all metrics, which scoring, figures, tables and comparisons read; a new metric is
a function and an entry there. The metrics are torch functions on any device, so training validates with the
metrics that evaluation reports; ``score`` computes all of them at once. Sections are velocities in m/s of
shape ``(batch, depth, x)``, never normalised, and every metric is one number per sample. A metric that is
undefined for a sample (such as an error below the salt in a model without salt) is NaN; ``summarise`` leaves
it out and counts the others.
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

Sections = Tensor | NDArray[Any]

OPENFWI_RANGE = (1500.0, 4500.0)  # m/s, which OpenFWI's networks see as -1 .. 1
SSIM_SIGMA = 1.5  # cells; this and the radius are those of Wang et al. (2004), an 11 x 11 window
SSIM_RADIUS = 5  # cells
BOUNDARY = 3  # cells on either side of the salt's boundary
RESAMPLES = 2000  # of the bootstrap


Extreme = Literal["min", "max"]
"""Whether the smallest or the largest value of a metric is the best."""


class Metric(NamedTuple):
    """A metric: its function, title, unit and direction, and where it is used."""

    function: Callable[[Tensor, Tensor, Tensor, float], Tensor]
    """Called with predicted and true velocity [m/s], the true salt (boolean), all of shape
    ``(batch, depth, x)``, and the cell size [m]; returns one value per sample, shape ``(batch,)``."""
    title: str
    """Name of the metric within a sentence."""
    unit: str
    """Unit of the metric, empty for a ratio."""
    best: Extreme
    """Whether the lowest or the highest value is best."""
    needs_salt: bool = False
    """Whether the metric may be NaN, mainly for samples without salt, which a mean then leaves out."""
    validated: bool = False
    """Whether training computes it after each epoch; early stopping may then use it."""
    compared: bool = True
    """Whether it appears in the table and figure that compare variants of a study."""

    def heading(self, before: str = "") -> str:
        """Return the title with a capital letter, after a word such as "validation" if given."""
        words = f"{before} {self.title}".strip()
        return words[:1].upper() + words[1:]

    def label(self, before: str = "") -> str:
        """Return the heading with the unit, for a column or a panel."""
        return self.heading(before) + (f" ({self.unit})" if self.unit else "")


class Summary(NamedTuple):
    """A metric over the samples where it is defined; all fields but ``samples`` are NaN if there is none."""

    mean: float
    """Mean over the samples."""
    median: float
    """Median over the samples."""
    p5: float
    """5th percentile."""
    p95: float
    """95th percentile."""
    low: float
    """Lower end of the bootstrap 95 % interval of the mean."""
    high: float
    """Upper end of the bootstrap 95 % interval of the mean."""
    samples: int
    """Number of samples where the metric is defined."""


def score(
    prediction: Sections, truth: Sections, salt: Sections, spacing: float
) -> dict[str, NDArray[np.float32]]:
    """Compute every metric of every sample.

    Args:
        prediction: Predicted velocity [m/s], shape ``(batch, depth, x)``, tensor or array.
        truth: True velocity [m/s], same shape.
        salt: Where the truth is salt (nonzero), same shape.
        spacing: Cell size [m].

    Returns:
        One value per sample, shape ``(batch,)``, by the names of ``METRICS``, in their units. Metrics that
        need salt are NaN for samples without salt, and for samples without the region that they average over.

    Raises:
        ValueError: the three shapes differ or are not ``(batch, depth, x)``, or the prediction is not finite.
    """
    prediction, truth, inside = _float(prediction), _float(truth), _float(salt) > 0
    if prediction.ndim != 3 or not prediction.shape == truth.shape == inside.shape:
        raise ValueError(
            "prediction, truth and salt must share one shape (batch, depth, x), got "
            f"{tuple(prediction.shape)}, {tuple(truth.shape)} and {tuple(inside.shape)}"
        )
    finite = prediction.isfinite().all(dim=(1, 2))
    if not finite.all():
        samples = (~finite).nonzero().flatten().tolist()
        raise ValueError(
            f"prediction is NaN or infinite in samples {samples}: the network has diverged or its records "
            "are not finite; a score over the other samples would flatter it"
        )
    return {
        name: metric.function(prediction, truth, inside, spacing).numpy() for name, metric in METRICS.items()
    }


def monitored() -> dict[str, Extreme]:
    """Return the metrics that training logs after each epoch, with the direction of the best value."""
    metrics = {f"validation/{name}": metric.best for name, metric in METRICS.items() if metric.validated}
    return {"validation/loss": "min", **metrics}


def summarise(values: NDArray[np.floating[Any]], seed: int = 0) -> Summary:
    """Summarise one metric over the samples where it is defined.

    Args:
        values: One value per sample, shape ``(samples,)``; NaN where it is undefined.
        seed: Seed of the bootstrap, which resamples 2000 times and takes percentiles of the means.
    """
    present = np.asarray(values, dtype=np.float64)
    present = present[~np.isnan(present)]
    if not len(present):
        nan = float("nan")
        return Summary(mean=nan, median=nan, p5=nan, p95=nan, low=nan, high=nan, samples=0)
    drawn = np.random.default_rng(seed).integers(len(present), size=(RESAMPLES, len(present)))
    low, high = np.percentile(present[drawn].mean(axis=1), [2.5, 97.5])
    median, p5, p95 = np.percentile(present, [50, 5, 95])
    return Summary(
        mean=float(present.mean()),
        median=float(median),
        p5=float(p5),
        p95=float(p95),
        low=float(low),
        high=float(high),
        samples=len(present),
    )


def mae(prediction: Tensor, truth: Tensor, region: Tensor | None = None) -> Tensor:
    """Mean absolute error [m/s] per sample, over the cells of ``region`` only where one is given.

    Args:
        prediction: Predicted velocity [m/s], shape ``(batch, depth, x)``.
        truth: True velocity [m/s], same shape.
        region: Boolean, same shape; a sample whose region is empty gets NaN.
    """
    error = (prediction - truth).abs()
    return error.mean(dim=(1, 2)) if region is None else _mean_where(error, region, dim=(1, 2))


def rmse(prediction: Tensor, truth: Tensor) -> Tensor:
    """Root of the mean square error [m/s] per sample.

    Args:
        prediction: Predicted velocity [m/s], shape ``(batch, depth, x)``.
        truth: True velocity [m/s], same shape.
    """
    return (prediction - truth).square().mean(dim=(1, 2)).sqrt()


def ssim_openfwi(prediction: Tensor, truth: Tensor) -> Tensor:
    """Structural similarity per sample as OpenFWI (Deng et al., 2022) reports it.

    Speeds of 1500 .. 4500 m/s are mapped to 0 .. 1 for every survey, and passed to ``ssim``.

    Args:
        prediction: Predicted velocity [m/s], shape ``(batch, depth, x)``.
        truth: True velocity [m/s], same shape.
    """
    slowest, fastest = OPENFWI_RANGE
    # A few samples at a time stay in the processor's cache, which makes this several times as fast.
    pairs = zip(torch.split(prediction, 4), torch.split(truth, 4), strict=True)
    scale = fastest - slowest
    return torch.cat([ssim((few - slowest) / scale, (true - slowest) / scale) for few, true in pairs])


def ssim(first: Tensor, second: Tensor) -> Tensor:
    """Structural similarity (Wang et al., 2004) per sample, for values in 0 .. 1.

    The variant is OpenFWI's: an 11 x 11 Gaussian window of sigma 1.5 cells that sums to one; zeros beyond the
    edges, where the windowed mean thus falls off; population variance; C1 = 0.01^2, C2 = 0.03^2 (a data range
    of 1); the mean over all cells, those at the edges included. scikit-image and torchmetrics leave the edges
    out and give other figures. Differentiable; half precision is raised to float32.

    Args:
        first: Values around 0 .. 1, shape ``(batch, depth, x)``.
        second: The same.
    """
    precision = torch.promote_types(first.dtype, torch.float32)
    a, b = first.to(precision), second.to(precision)
    averages = _gaussian_mean(torch.stack([a, b, a * a, b * b, a * b]))
    mean_a, mean_b, square_a, square_b, product = averages.unbind()
    variances = square_a - mean_a.square() + square_b - mean_b.square()
    covariance = product - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    luminance = (2 * mean_a * mean_b + c1) / (mean_a.square() + mean_b.square() + c1)
    structure = (2 * covariance + c2) / (variances + c2)
    return (luminance * structure).mean(dim=(1, 2))


def salt_threshold(truth: Tensor, salt: Tensor) -> Tensor:
    """Speed [m/s] above which a predicted cell counts as salt, per sample.

    It lies midway between the speed of the true model's salt and that of its fastest sediment (4250 m/s for
    4500 and 4000). There is one speed per model, because with the local speed of the sediment a fast layer
    predicted a little too shallow would count as salt. It depends on the truth alone, so no prediction can
    change it.

    Args:
        truth: True velocity [m/s], shape ``(batch, depth, x)``.
        salt: Where the truth is salt, same shape.

    Returns:
        Shape ``(batch,)``; NaN for a model without salt, or with sediment as fast as its salt, where speed
        cannot distinguish the two.
    """
    inside = salt.bool()
    salt_speed = _mean_where(truth, inside, dim=(1, 2))
    sediment = truth.masked_fill(inside, -torch.inf).amax(dim=(1, 2))
    separable = (sediment < salt_speed) & sediment.isfinite()
    return torch.where(separable, (salt_speed + sediment) / 2, torch.nan)


def predicted_salt(prediction: Tensor, truth: Tensor, salt: Tensor) -> Tensor:
    """Return the cells that a prediction has as salt: those faster than ``salt_threshold``.

    Args:
        prediction: velocity [m/s], shape ``(batch, depth, x)``.
        truth: the true velocity, same shape, which tells the threshold.
        salt: true where there is salt, same shape.

    Returns:
        Boolean, same shape.
    """
    return prediction > salt_threshold(truth, salt)[:, None, None]


def salt_iou(prediction: Tensor, truth: Tensor, salt: Tensor) -> Tensor:
    """Intersection over union of predicted and true salt per sample; NaN where ``salt_threshold`` is.

    Args:
        prediction: Predicted velocity [m/s], shape ``(batch, depth, x)``.
        truth: True velocity [m/s], same shape.
        salt: Where the truth is salt, same shape.
    """
    inside = salt.bool()
    predicted = predicted_salt(prediction, truth, inside)
    overlap = (predicted & inside).sum(dim=(1, 2)) / (predicted | inside).sum(dim=(1, 2))
    return torch.where(salt_threshold(truth, inside).isnan(), torch.nan, overlap)


def near_salt_boundary(salt: Tensor) -> Tensor:
    """Return the band of three cells on either side of the salt boundary: boolean, shape of ``salt``.

    Its cells have both salt and sediment at most three cells away along each axis. The section's edge is no
    boundary.
    """
    inside = salt.bool().float()
    salt_near = F.max_pool2d(inside, 2 * BOUNDARY + 1, stride=1, padding=BOUNDARY)
    sediment_near = F.max_pool2d(1 - inside, 2 * BOUNDARY + 1, stride=1, padding=BOUNDARY)
    return (salt_near * sediment_near).bool()


def below_salt(salt: Tensor) -> Tensor:
    """Return the cells under the lowest salt of each column with salt: boolean, shape of ``salt``."""
    depth = torch.arange(salt.shape[1], device=salt.device)[:, None]
    return (depth >= _base(salt)[:, None]) & salt.bool().any(dim=1, keepdim=True)


def top_salt_error(prediction: Tensor, truth: Tensor, salt: Tensor, spacing: float) -> Tensor:
    """Error of the depth of the top of salt [m] per sample.

    A column's top and base are those of its highest and lowest salt cell, a prediction's salt is
    ``predicted_salt``, and the absolute errors are averaged over the columns in which truth and prediction
    both have salt: columns with missed or invented salt show in ``salt_iou``.

    Args:
        prediction: Predicted velocity [m/s], shape ``(batch, depth, x)``.
        truth: True velocity [m/s], same shape.
        salt: Where the truth is salt, same shape.
        spacing: Cell size [m].

    Returns:
        Shape ``(batch,)``; NaN where no column counts.
    """
    return _depth_error(_top, prediction, truth, salt, spacing)


def base_salt_error(prediction: Tensor, truth: Tensor, salt: Tensor, spacing: float) -> Tensor:
    """Error of the depth of the base of salt [m] per sample, as that of the top.

    The base counts only in columns whose true salt ends within the section.

    Args:
        prediction: Predicted velocity [m/s], shape ``(batch, depth, x)``.
        truth: True velocity [m/s], same shape.
        salt: Where the truth is salt, same shape.
        spacing: Cell size [m].

    Returns:
        Shape ``(batch,)``; NaN where no column counts.
    """
    return _depth_error(_base, prediction, truth, salt, spacing, counted=~salt.bool()[:, -1])


METRICS = {
    "mae": Metric(
        lambda prediction, truth, *_: mae(prediction, truth), "MAE", "m/s", best="min", validated=True
    ),
    "rmse": Metric(
        lambda prediction, truth, *_: rmse(prediction, truth), "RMSE", "m/s", best="min", compared=False
    ),
    "ssim_openfwi": Metric(
        lambda prediction, truth, *_: ssim_openfwi(prediction, truth),
        "SSIM, OpenFWI's definition",
        unit="",
        best="max",
        compared=False,
    ),
    "salt_iou": Metric(
        lambda prediction, truth, salt, _: salt_iou(prediction, truth, salt),
        "salt IoU",
        unit="",
        best="max",
        needs_salt=True,
        validated=True,
    ),
    "mae_salt_boundary": Metric(
        lambda prediction, truth, salt, _: mae(prediction, truth, near_salt_boundary(salt)),
        "MAE at the salt boundary",
        "m/s",
        best="min",
        needs_salt=True,
    ),
    "mae_subsalt": Metric(
        lambda prediction, truth, salt, _: mae(prediction, truth, below_salt(salt)),
        "MAE below the salt",
        "m/s",
        best="min",
        needs_salt=True,
    ),
    "top_salt_error": Metric(
        top_salt_error, "error of the top of salt", "m", best="min", needs_salt=True, compared=False
    ),
    "base_salt_error": Metric(
        base_salt_error, "error of the base of salt", "m", best="min", needs_salt=True, compared=False
    ),
}
"""Every metric by the name of its scores, in the order of all tables."""


def _top(salt: Tensor) -> Tensor:
    """Count the cells above the highest salt of each column, shape ``(batch, x)``; undefined without salt."""
    return salt.to(torch.uint8).argmax(dim=1)


def _base(salt: Tensor) -> Tensor:
    """Count the cells down to the base of the lowest salt of each column, shape ``(batch, x)``."""
    return salt.shape[1] - _top(salt.flip(1))


def _depth_error(
    depth: Callable[[Tensor], Tensor],
    prediction: Tensor,
    truth: Tensor,
    salt: Tensor,
    spacing: float,
    counted: Tensor | bool = True,
) -> Tensor:
    """Average the error of a depth in cells over the counted columns with both true and predicted salt."""
    inside, predicted = salt.bool(), predicted_salt(prediction, truth, salt)
    error = (depth(predicted) - depth(inside)).abs() * spacing
    return _mean_where(error, inside.any(dim=1) & predicted.any(dim=1) & counted, dim=1)


def _mean_where(values: Tensor, region: Tensor, dim: int | tuple[int, ...]) -> Tensor:
    return (values * region).sum(dim=dim) / region.sum(dim=dim)


def _gaussian_mean(maps: Tensor) -> Tensor:
    """Average the last two axes under the SSIM window, with zeros beyond the edges."""
    offset = torch.arange(-SSIM_RADIUS, SSIM_RADIUS + 1, dtype=torch.float64)
    weights = torch.softmax(-(offset**2) / (2 * SSIM_SIGMA**2), dim=0).tolist()
    # Not by conv2d, which autocast runs in bf16 and a GPU in TF32: the variance is a small difference of two
    # such averages, and would be lost in their rounding.
    for axis, pad in ((-2, (0, 0, SSIM_RADIUS, SSIM_RADIUS)), (-1, (SSIM_RADIUS, SSIM_RADIUS))):
        cells, padded = maps.shape[axis], F.pad(maps, pad)
        maps = torch.zeros_like(maps)
        for start, weight in enumerate(weights):
            maps = torch.add(maps, padded.narrow(axis, start, cells), alpha=weight)
    return maps


def _float(values: Sections) -> Tensor:
    """Copy to a float32 tensor in main memory."""
    if isinstance(values, Tensor):
        return values.detach().to("cpu", torch.float32)
    return torch.tensor(np.ascontiguousarray(values, dtype=np.float32))
