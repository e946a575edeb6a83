"""A small network's survey, and lines of it of any length and scale."""

from fwi.config import GridConfig, SurveyConfig
from fwi.lines import scaled
from fwi.survey import Survey

NETWORK = Survey(
    GridConfig(nz=24, nx=36, spacing=20.0),
    SurveyConfig(shots=4, shot_margin=80.0, receivers=36, dt=0.002, nt=250, keep_every=5),
)


def a_line(columns: int, shots: int = 12, factor: float = 1.0) -> Survey:
    """A line on the network's cells, in lengths and times of which ``factor`` makes the network's."""
    grid = NETWORK.grid.model_copy(update={"nx": columns})
    places = {"shots": shots, "shot_margin": None, "receivers": columns}
    return scaled(Survey(grid, NETWORK.config.model_copy(update=places)), 1 / factor)
