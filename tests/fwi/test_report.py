"""The report shows all that a run folder holds, says what is missing, and opens in a browser by itself."""

import base64
import json
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from fwi import config, metrics, naive, plots, report

METRICS = [
    "mae",
    "rmse",
    "ssim_openfwi",
    "salt_iou",
    "mae_salt_boundary",
    "mae_subsalt",
    "top_salt_error",
    "base_salt_error",
]
PREDICTORS = ["network", "mean", "left edge", "blurred truth", "shifted truth"]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def score(mean: float | None) -> dict:
    if mean is None:
        return dict.fromkeys(("mean", "median", "p5", "p95", "low", "high")) | {"samples": 0}
    factors = {"mean": 1, "median": 0.9, "p5": 0.5, "p95": 2, "low": 0.8, "high": 1.2}
    return {name: mean * factor for name, factor in factors.items()} | {"samples": 50}


def evaluation() -> dict:
    """Every score is another number, so that each can be found in the page."""
    scores = {
        predictor: {metric: score(101 + 100 * column + row) for row, metric in enumerate(METRICS)}
        for column, predictor in enumerate(PREDICTORS)
    }
    scores["left edge"]["top_salt_error"] = score(None)
    return {
        "split": "test",
        "samples": 50,
        "data": "data/fcnvmb_half",
        "seconds_per_section": 0.02,
        "predictors": scores,
        "check": [
            {
                "sample": "test 3",
                "nrms": 0.234,
                "correlation": 0.971,
                "shift": 0.0021,
                "mean_model_nrms": 0.876,
                "verdict": "believed",
                "probability": 0.07,
                "expected_mae": 87.0,
                "mae_interval": [61.0, 124.0],
                "reasons": ["NRMS is 27 % of the mean model's"],
                "per_shot": {"nrms": [0.21, 0.25], "correlation": [0.98, None], "shift": [-0.001, 0.0032]},
            },
            {
                "sample": "test 7",
                "nrms": 0.654,
                "correlation": None,
                "shift": None,
                "mean_model_nrms": 0.888,
                "verdict": "doubtful",
                "reasons": ["correlation < 0.8", "shift is undefined"],
                "advice": "refine it",
            },
        ],
        "captions": {"worst_sample": "The sample with the largest MAE"},
    }


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory) -> Path:
    """A finished run folder. Read only: it is shared."""
    folder = tmp_path_factory.mktemp("finished") / "salt & pepper"
    figures = folder / "figures"
    velocity = np.linspace(2000, 4000, 20 * 30).reshape(20, 30)
    for name in ("first_shot", "worst_sample"):
        plots.save(plots.velocity_model(velocity, 20.0, (1500, 4500), name), figures / f"{name}.png")
    study = config.validate(
        config.StudyConfig,
        {"model": {"channels": [8, 16, 32], "attention": ["none", "se", "ca"]}},
        source="test",
    )
    (folder / "config.yaml").write_text(config.dump(study))
    (folder / "provenance.json").write_text(
        json.dumps({"versions": {"torch": "2.13.0"}, "command": ["fwi", "train"], "host": "<b>node</b>"})
    )
    (folder / "evaluation.json").write_text(json.dumps(evaluation()))
    (folder / "metrics.csv").write_text("epoch,train/loss,validation/mae\n0,0.5,\n0,,300\n1,0.3,\n1,,200\n")
    return folder


@pytest.fixture
def run(finished_run, tmp_path) -> Path:
    """A finished run folder of the test's own."""
    return shutil.copytree(finished_run, tmp_path / finished_run.name)


@pytest.fixture(scope="module")
def html(finished_run, tmp_path_factory) -> str:
    """The report of the finished run."""
    folder = tmp_path_factory.mktemp("reported") / finished_run.name
    return report.write(shutil.copytree(finished_run, folder)).read_text()


class Page(HTMLParser):
    """What a reader and a browser find in a page: its text, images, table rows and references."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.images: dict[str, bytes] = {}
        self.references: list[str] = []
        self.rows: list[list[str]] = []
        self.in_cell = False
        self.feed(html)
        self.text = " ".join(self.text.split())
        self.rows = [[" ".join(cell.split()) for cell in row] for row in self.rows]

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.references += [values[key] for key in ("src", "href", "srcset", "data") if key in values]
        if tag == "img":
            self.images[values["alt"]] = base64.b64decode(
                values["src"].removeprefix("data:image/png;base64,")
            )
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self.in_cell = True
        if tag in ("small", "br"):
            self.handle_data(" ")

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.in_cell = False

    def handle_data(self, data):
        self.text += data
        if self.in_cell:
            self.rows[-1][-1] += data

    def row(self, title: str) -> list[str]:
        return next(row for row in self.rows if row and row[0].startswith(title))


def test_every_score_of_every_predictor_is_in_the_table(html):
    page = Page(html)

    assert page.row("Metric") == ["Metric", "network", "mean model", *PREDICTORS[2:]]
    for metric in METRICS:
        cells = page.row(report.METRICS[metric].heading())[1:]
        for predictor, cell in zip(PREDICTORS, cells, strict=True):
            scores = evaluation()["predictors"][predictor][metric]
            shown = {name: report.number(value) for name, value in scores.items()}
            expected = "{mean} {low} to {high} median {median} {p5} … {p95}".format(**shown)
            assert cell == ("—" if scores["mean"] is None else expected)


def test_the_report_knows_what_the_metrics_module_calls_its_metrics_and_its_naive_predictors():
    truth = np.full((1, 20, 30), 2000.0)
    truth[:, 8:14, 10:20] = 4500.0

    scores = metrics.score(truth, truth, truth > 4000, spacing=20.0)
    guesses = naive.predictions(truth, truth[0], spacing=20.0)

    assert set(report.METRICS) == set(scores)
    assert set(naive.PREDICTORS) == set(guesses)


def test_a_metric_the_report_does_not_know_is_shown_under_its_own_name(run):
    content = evaluation()
    content["predictors"]["network"]["psnr"] = score(31.4)
    (run / "evaluation.json").write_text(json.dumps(content))

    page = Page(report.write(run).read_text())

    assert page.row("psnr")[1].startswith("31.4")
    assert page.row("psnr")[2] == "—"


def test_the_headline_says_network_data_and_result(html):
    text = Page(html).text

    assert "salt & pepper" in text
    assert "attention_unet, channels 8-16-32; attention none / se / ca" in text
    assert "50 test samples from data/fcnvmb_half" in text
    assert "off by 101 m/s on average (95 % interval 80.8 to 121 m/s)" in text
    assert (
        "50 % of the error of the mean model (201 m/s) and 34 % of the error of the left edge (301 m/s)"
        in text
    )
    assert "Physics check: 1 of 2 sections believed" in text


def test_the_physics_check_gives_numbers_verdict_and_reasons(html):
    page = Page(html)

    assert page.row("test 3") == [
        "test 3",
        "believed",
        "7 %",
        "87.0 61.0 to 124",
        "0.234",
        "0.876",
        "0.971",
        "2.10",
        "NRMS is 27 % of the mean model's",
    ]
    assert page.row("test 7")[1:] == [
        "doubtful",
        "—",
        "—",
        "0.654",
        "0.888",
        "—",
        "—",
        "correlation < 0.8; shift is undefined; refine it",
    ]
    assert "not calibrated: run fwi calibrate --run" in page.text


def test_the_physics_check_is_given_shot_by_shot_where_it_was_kept(html):
    page = Page(html)

    found = [row for row in page.rows if row[0].startswith("test ") and len(row) == 5]
    assert found == [["test 3", "0", "0.210", "0.980", "-1.00"], ["test 3", "1", "0.250", "—", "3.20"]]


def test_checks_from_before_shots_were_kept_are_shown_without(run):
    content = evaluation()
    del content["check"][0]["per_shot"]
    (run / "evaluation.json").write_text(json.dumps(content))

    page = Page(report.write(run).read_text())

    assert page.row("test 3")[1] == "believed"
    assert "Shot by shot" not in page.text


def test_every_figure_is_embedded_with_its_caption_and_those_with_captions_come_first(html, finished_run):
    images = Page(html).images

    assert list(images) == [
        "The sample with the largest MAE",
        "First shot",
        "Training and validation, epoch by epoch",
    ]
    figures = finished_run / "figures"
    assert images["The sample with the largest MAE"] == (figures / "worst_sample.png").read_bytes()
    assert images["First shot"] == (figures / "first_shot.png").read_bytes()


def test_only_what_is_a_png_of_the_run_s_own_is_embedded_and_the_rest_is_named(run, tmp_path):
    secret, figures = tmp_path / "secret.txt", run / "figures"
    secret.write_text("-----BEGIN PRIVATE KEY-----")
    (figures / "device.png").symlink_to("/dev/zero")
    (figures / "folder.png").mkdir()
    (figures / "large.png").write_bytes(report.PNG + bytes(report.LIMIT))
    (figures / "link.png").symlink_to(secret)
    (figures / "own_link.png").symlink_to("first_shot.png")
    os.mkfifo(figures / "pipe.png")
    (figures / "text.png").write_bytes(secret.read_bytes())

    html = report.write(run).read_text()

    page = Page(html)
    assert len(page.images) == 3
    for name in ("device", "folder", "link", "own_link", "pipe"):
        assert f"Left out: {figures}/{name}.png: not a regular file" in page.text
    assert f"Left out: {figures}/large.png: larger than 20 MB" in page.text
    assert f"Left out: {figures}/text.png: no PNG" in page.text
    assert base64.b64encode(secret.read_bytes()).decode() not in html


def test_figures_in_a_linked_folder_are_left_out(run, tmp_path):
    (run / "figures").rename(tmp_path / "pictures")
    (run / "figures").symlink_to(tmp_path / "pictures")

    page = Page(report.write(run).read_text())

    assert list(page.images) == ["Training and validation, epoch by epoch"]
    assert f"{run}/figures: a link to {tmp_path}/pictures" in page.text


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_nothing_is_shown_of_a_file_by_a_link_to_it_and_a_pipe_is_not_waited_for(run, tmp_path, kind):
    secret = json.dumps({**evaluation(), "data": "271828"})
    for name, content in {
        "config.yaml": "{train: {epochs: 271828}}",
        "provenance.json": secret,
        "evaluation.json": secret,
        "evaluation-sea.json": secret,
        "metrics.csv": "epoch,train/loss\n0,271828\n",
    }.items():
        (run / name).unlink(missing_ok=True)
        if kind == "link":
            (tmp_path / name).write_text(content)
            (run / name).symlink_to(tmp_path / name)
        else:
            os.mkfifo(run / name)

    page = Page(report.write(run).read_text())

    assert "271828" not in page.text
    assert list(page.images) == ["First shot", "Worst sample"]


def test_the_training_curves_are_those_of_metrics_csv(html, finished_run):
    curves = plots.png(plots.curves(finished_run / "metrics.csv"))

    assert Page(html).images["Training and validation, epoch by epoch"] == curves


def test_configuration_and_provenance_are_given_in_full(html, finished_run):
    page = Page(html)

    assert " ".join((finished_run / "config.yaml").read_text().split()) in page.text
    assert "101 cells in depth, 151 along the line, 20 m each; 1500 to 4500 m/s" in page.text
    assert page.row("versions.torch") == ["versions.torch", "2.13.0"]
    assert page.row("command") == ["command", "fwi, train"]


def robustness() -> dict:
    """Two rows, of which one is refused at its severe strength."""
    cases = [
        {"strength": 30, "mae": score(220), "salt_iou": score(0.61), "ratio": 1.1},
        {"strength": 20, "mae": score(240), "salt_iou": score(0.51), "ratio": 1.2},
        {"strength": 10, "refused": "too <loud>"},
    ]
    errors = {"mae": score(200), "salt_iou": score(0.7)}
    return {
        "split": "test",
        "samples": 40,
        "data": "data/sea",
        "clean": errors,
        "mean_model": {"mae": score(330), "salt_iou": score(None)},
        "rows": [{"name": "white", "title": "White noise", "unit": "dB", "cases": cases}],
    }


def test_robustness_is_shown_as_table_and_figure_with_what_was_refused(run):
    (run / "robustness.json").write_text(json.dumps(robustness()))
    shutil.copy(run / "figures/first_shot.png", run / "figures/robustness.png")

    page = Page(report.write(run).read_text())

    assert page.row("Clean records")[1] == "200 160 to 240, IoU 0.700"
    assert page.row("Mean model")[1] == "330 264 to 396, IoU —"
    assert page.row("White noise [dB]")[1:] == [
        "30: 220 (\N{MULTIPLICATION SIGN} 1.10) 176 to 264, IoU 0.610",
        "20: 240 (\N{MULTIPLICATION SIGN} 1.20) 192 to 288, IoU 0.510",
        "10: refused",
    ]
    assert "Refused: White noise [dB]: too <loud>" in page.text
    assert "40 test samples from data/sea" in page.text
    (caption,) = [caption for caption in page.images if "mean model" in caption]
    assert page.images[caption] == (run / "figures/robustness.png").read_bytes()
    assert len(page.images) == 4  # it is not among the other figures again


def test_robustness_on_other_data_has_its_name_and_needs_no_figure(run):
    (run / "robustness-sea.json").write_text(json.dumps(robustness()))

    page = Page(report.write(run).read_text())

    assert "--robustness sea Mean absolute error" in " ".join(page.text.split())
    assert page.row("White noise [dB]")[1].startswith("30: 220")


def test_robustness_that_was_not_measured_is_named_with_its_command(html, finished_run):
    assert re.search(r"Not measured yet: run fwi evaluate --run .*--robustness", Page(html).text)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", "[" * 100_000, '{"split": "test"}', json.dumps({**robustness(), "rows": [{}]})],
)
def test_a_damaged_robustness_file_leaves_the_rest_of_the_report(run, content):
    (run / "robustness.json").write_text(content)
    (run / "robustness-sea.json").write_text(content)

    page = Page(report.write(run).read_text())

    assert re.search(r"robustness\.json cannot be (used|read) .*--robustness", page.text)
    assert page.row("MAE")[1].startswith("101")


def refinement(accepted: bool = True) -> dict:
    """The refinement of a section whose truth is known."""
    scores = {"start": {"mae": 131.4, "salt_iou": 0.61}, "returned": {"mae": 54.2, "salt_iou": None}}
    return {
        "name": "line-3",
        "accepted": accepted,
        "reason": "held-out shots are explained <better>",
        "stopped": "budget",
        "gradients": 150,
        "seconds": 62.0,
        "held_out_before": 0.417,
        "held_out_after": 0.123,
        "source": "gain 0.98",
        "scores": scores,
        "captions": {"refinement-line-3-sections": "line-3: start and refined section"},
    }


def test_refinements_are_shown_with_evidence_and_figures(run):
    (run / "refinement-line-3.json").write_text(json.dumps(refinement()))
    (run / "refinement-line-4.json").write_text(json.dumps(refinement(accepted=False) | {"captions": {}}))
    shutil.copy(run / "figures/first_shot.png", run / "figures/refinement-line-3-sections.png")

    page = Page(report.write(run).read_text())

    reason = "held-out shots are explained <better>; against the true model: MAE 131.4 -> 54.2 m/s"
    assert page.row("line-3") == [
        "line-3",
        "accepted",
        "0.417",
        "0.123",
        "150",
        "62.0",
        f"{reason}; source: gain 0.98",
    ]
    assert page.row("line-4")[1] == "not accepted"
    image = page.images["line-3: start and refined section"]
    assert image == (run / "figures/refinement-line-3-sections.png").read_bytes()
    assert len(page.images) == 4  # it is not among the other figures again


def test_scores_after_refinement_stand_beside_the_networks_own(run):
    predictors = {
        "network": {"mae": score(131)},
        "refined": {"mae": score(54)},
        "gradient": {"mae": score(201)},
    }
    worse = {"candidate": 0.1, "refined": 0.0}
    refined = {"samples": 20, "predictors": predictors, "accepted": 18, "worse": worse, "gradients": 150.0}
    content = evaluation() | {"refined": refined | {"seconds": 60.0}}
    (run / "evaluation.json").write_text(json.dumps(content))

    page = Page(report.write(run).read_text())

    assert "18 of 20 refined sections accepted; larger MAE than the network's: 10% of all" in page.text
    heads = [row for row in page.rows if row[:1] == ["Metric"]]
    assert heads[-1] == ["Metric", "network", "refined", "gradient"]
    rows = [row for row in page.rows if row[:1] == ["MAE (m/s)"]]
    assert [cell.split()[0] for cell in rows[-1][1:]] == ["131", "54.0", "201"]


def test_refinement_that_was_not_done_is_named_with_its_commands(html):
    assert re.search(
        r"No section has been refined yet: run fwi refine RECORDS --run .*--refine 20", Page(html).text
    )


@pytest.mark.parametrize("content", ["", "[]", '{"name": "line"}', "[" * 100_000])
def test_a_damaged_refinement_leaves_the_rest_of_the_report(run, content):
    (run / "refinement-line-3.json").write_text(content)

    assert Page(report.write(run).read_text()).row("MAE")[1].startswith("101")


def test_nothing_in_the_page_points_outside_it(html):
    assert all(reference.startswith("data:") for reference in Page(html).references)
    assert not re.search(r"@import|url\(|<script|https?://", html)


def test_what_others_wrote_is_shown_and_not_obeyed(html):
    assert Page(html).row("host") == ["host", "<b>node</b>"]
    assert "<b>node" not in html


def test_an_empty_folder_has_a_report_that_names_what_is_missing(tmp_path):
    text = Page(report.write(tmp_path).read_text()).text

    assert text.count(f"Not evaluated yet: run fwi evaluate --run {tmp_path}") == 2
    assert f"No figures yet: run fwi evaluate --run {tmp_path}" in text
    for name in ("metrics.csv", "config.yaml", "provenance.json"):
        assert name in text


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("evaluation.json", "evaluation.json cannot be read"),
        ("metrics.csv", "metrics.csv: no finished epoch to draw"),
        ("config.yaml", "expected sections such as 'grid:'"),
        ("provenance.json", "no readable provenance.json"),
    ],
)
def test_a_broken_part_is_named_and_the_others_are_shown(run, name, complaint):
    (run / name).write_text("half a fi")

    page = Page(report.write(run).read_text())

    assert complaint in page.text
    assert len(page.images) == (2 if name == "metrics.csv" else 3)


def test_what_is_nested_without_end_is_named(run):
    for name in ("evaluation.json", "provenance.json"):
        (run / name).write_text("[" * 100_000)

    page = Page(report.write(run).read_text())

    assert "evaluation.json cannot be read" in page.text
    assert "no readable provenance.json" in page.text


def test_a_field_of_the_evaluation_with_the_wrong_content_is_named(run):
    content = evaluation()
    content["predictors"]["network"]["mae"]["mean"] = "small"
    (run / "evaluation.json").write_text(json.dumps(content))

    text = Page(report.write(run).read_text()).text

    assert "evaluation.json cannot be used (predictors.network.mae.mean: " in text


def test_an_undefined_score_may_be_null_or_nan(run):
    content = evaluation()
    content["predictors"]["network"]["mae"]["mean"] = float("nan")
    (run / "evaluation.json").write_text(json.dumps(content))

    page = Page(report.write(run).read_text())

    assert page.row("MAE")[1].split()[0] == "—"
    assert "off by" not in page.text


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no such run folder"):
        report.write(tmp_path / "absent")


def test_the_same_run_gives_the_same_report(run):
    first = report.write(run).read_bytes()

    assert report.write(run).read_bytes() == first


def test_a_failed_write_leaves_the_old_report(run, monkeypatch):
    (run / "report.html").write_text("old")
    before = sorted(run.iterdir())

    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        report.write(run)

    assert (run / "report.html").read_text() == "old"
    assert sorted(run.iterdir()) == before


@pytest.mark.parametrize(
    ("value", "shown"),
    [(4.567, "4.57"), (45.0, "45.0"), (99.96, "100"), (317.8, "318"), (0.0, "0.00"), (0.00021, "0.000210")],
)
def test_numbers_are_shown_with_three_digits(value, shown):
    assert report.number(value) == shown


def browse(url: str, profile: Path, *options: str) -> subprocess.CompletedProcess[str]:
    quiet = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--enable-logging=stderr",
        "--v=0",
        "--virtual-time-budget=5000",
        f"--user-data-dir={profile}",
    ]
    command = [str(CHROMIUM), *quiet, *options, url]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)


# Writes what the browser made of the page into the page. Only in a copy: the report itself forbids scripts.
PROBE = """<script>
const seen = {errors: []};
window.addEventListener("error", event => seen.errors.push(event.message), true);
document.addEventListener("securitypolicyviolation", event => seen.errors.push(event.violatedDirective));
window.addEventListener("load", () => {
  seen.widths = [...document.images].map(image => image.naturalWidth);
  seen.rows = [...document.querySelectorAll("table tr")].filter(row => row.checkVisibility()).length;
  seen.overflow = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  const fetched = performance.getEntriesByType("resource");
  seen.outside = fetched.filter(entry => !entry.name.startsWith("data:")).map(entry => entry.name);
  document.body.dataset.seen = JSON.stringify(seen);
});
</script>"""


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.parametrize("width", [1280, 500])
def test_a_browser_shows_all_figures_and_tables_without_an_error(html, tmp_path, width):
    probed = html.replace("default-src 'none';", "default-src 'none'; script-src 'unsafe-inline';")
    copy = tmp_path / "copy.html"
    copy.write_text(probed.replace("<title>", PROBE + "<title>"))

    result = browse(copy.as_uri(), tmp_path / "profile", "--dump-dom", f"--window-size={width},900")

    attribute = re.search(r'data-seen="([^"]*)"', result.stdout)
    assert attribute is not None, result.stdout[-2000:]
    seen = json.loads(attribute[1].replace("&quot;", '"'))
    assert seen["errors"] == []
    assert "CONSOLE" not in result.stderr
    assert len(seen["widths"]) == 3
    assert min(seen["widths"]) > 500
    # Header and eight metrics, header and two checked samples; provenance is folded away.
    assert seen["rows"] == 9 + 3
    assert seen["overflow"] <= 0
    assert seen["outside"] == []


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_a_screenshot_of_the_report_is_not_blank(run, tmp_path):
    from matplotlib.image import imread

    picture = tmp_path / "page.png"
    browse(
        report.write(run).as_uri(), tmp_path / "profile", f"--screenshot={picture}", "--window-size=1280,2400"
    )

    pixels = imread(picture)[..., :3]
    saturation = pixels.max(axis=-1) - pixels.min(axis=-1)
    dark = pixels.max(axis=-1) < 0.4
    assert 0.005 < dark.mean() < 0.5  # text
    assert (saturation > 0.2).mean() > 0.05  # the velocity models
