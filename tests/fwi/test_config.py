import os
import textwrap
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from fwi import config
from fwi.config import ConfigError, StudyConfig
from fwi.survey import Survey

SHIPPED = Path(__file__).resolve().parents[2] / "configs"
STUDIES = sorted(set(SHIPPED.rglob("*.yaml")) - {SHIPPED / "cluster_slurm.yaml"})  # that is dask-jobqueue's

NEVER = ", ".join(
    f"{name}: {{probability: 0}}" for name in config.CorruptConfig.model_fields if name != "share"
)
"""Every corruption, with no probability."""


@pytest.fixture
def write(tmp_path):
    """Write a study file and give its path."""

    def write_file(text: str, name: str = "study.yaml") -> Path:
        path = tmp_path / name
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    return write_file


def mistakes_of(path: Path) -> list[str]:
    """The lines of the error that a study file raises, less the first."""
    with pytest.raises(ConfigError) as caught:
        config.load([path])
    return [line.removeprefix("  - ") for line in str(caught.value).splitlines()[1:]]


# -- reading and merging


def test_no_file_gives_the_defaults():
    assert config.load([]) == StudyConfig()


def test_an_empty_file_changes_nothing(write):
    assert config.load([write("# nothing yet\n")]) == StudyConfig()


def test_later_files_override_earlier_ones_key_by_key(write):
    base = write("survey: {shots: 5, wavelet: {frequency: 8.0}}\ntrain: {epochs: 3}", "base.yaml")
    override = write("survey: {receivers: 76, wavelet: {frequency: 6.0}}", "override.yaml")

    study = config.load([base, override])

    assert (study.survey.shots, study.survey.receivers) == (5, 76)
    assert study.survey.wavelet.frequency == 6.0
    assert study.train.epochs == 3
    assert config.load([override, base]).survey.wavelet.frequency == 8.0


def test_loss_terms_and_attention_are_replaced_whole(write):
    base = write(
        """
        model: {channels: [8, 16], attention: [none, {name: se, reduction: 4}]}
        train: {loss: {l1: 1.0, ssim: 0.5}}
        """,
        "base.yaml",
    )
    override = write("model: {attention: [cbam, none]}\ntrain: {loss: {mse: 2.0}}", "override.yaml")

    study = config.load([base, override])

    assert study.train.loss == {"mse": 2.0}
    assert [entry.name for entry in study.model.attention] == ["cbam", "none"]


def test_a_bottleneck_is_a_name_a_mapping_or_a_stack_and_is_replaced_whole(write):
    base = write(
        "model: {channels: [8, 16], bottleneck: {name: self, heads: 2}, resample: {name: cross, heads: 2}}",
        "a.yaml",
    )
    stack = write("model: {bottleneck: [criss_cross, {name: pmfs, levels: 2}], resample: stn}", "b.yaml")
    other = write("model: {bottleneck: {name: self}, resample: {name: cross}}", "c.yaml")

    one, two, three = (config.load(files).model for files in ([base], [base, stack], [base, other]))

    assert [(entry.name, entry.heads) for entry in one.bottleneck] == [("self", 2)]
    assert [entry.name for entry in two.bottleneck] == ["criss_cross", "pmfs"]
    assert two.resample.name == "stn"
    assert three.bottleneck[0].heads == three.resample.heads == 1


def test_a_corruption_keeps_its_defaults_where_a_file_says_nothing(write):
    path = write("data: {corrupt: {share: 0.667, white: {range: [10, 30]}, dead: {probability: 1}}}")

    corrupt = config.load([path]).data.corrupt

    default = config.CorruptConfig()
    assert default.share == 0
    assert corrupt.white.range == (10, 30)
    assert corrupt.white.probability == default.white.probability
    assert corrupt.dead.range == default.dead.range
    assert corrupt.delay == default.delay


def test_merging_leaves_its_arguments_alone():
    base, override = {"survey": {"shots": 5}}, {"survey": {"nt": 7}}

    merged = config.merge(base, override)

    assert merged == {"survey": {"shots": 5, "nt": 7}}
    assert (base, override) == ({"survey": {"shots": 5}}, {"survey": {"nt": 7}})


def test_an_attention_entry_is_a_name_or_a_name_with_options(write):
    study = config.load([write("model: {channels: [8, 16], attention: [se, {name: ca, reduction: 4}]}")])

    squeeze, coordinate = study.model.attention
    assert (squeeze.name, squeeze.reduction) == ("se", 16)
    assert (coordinate.name, coordinate.reduction) == ("ca", 4)


# -- mistakes


def test_all_mistakes_of_a_file_are_listed_at_once_each_with_its_key(write):
    path = write(
        """
        grid: {nz: 3, velocity: [1.5, 4.5]}
        survey: {shot: 5, dt: -1}
        physics: {order: 5}
        model: {channels: [8, 16, 32], attention: [none, se]}
        train: {loss: {l3: 1.0}, early_stop: {metric: accuracy}}
        colour: red
        """
    )

    mistakes = mistakes_of(path)

    assert {line.split(":")[0] for line in mistakes} == {
        "grid.nz",
        "grid.velocity",
        "survey.shot",
        "survey.dt",
        "physics.order",
        "model.attention",
        "train.loss.l3.[key]",
        "train.early_stop.metric",
        "colour",
    }
    assert len(mistakes) == 9


def test_the_message_begins_with_the_files_and_the_number_of_mistakes(write):
    first, second = write("grid: {nz: 3}", "a.yaml"), write("colour: red", "b.yaml")

    with pytest.raises(ConfigError) as caught:
        config.load([first, second])

    assert str(caught.value).startswith(f"{first} + {second}: 2 mistakes\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("survey: {shot: 5}", ["survey.shot: unknown key", "shots", "receivers", "wavelet"]),
        ("colour: red", ["colour: unknown key", "grid", "survey", "tracking"]),
        ("survey: {wavelet: {phase: 0}}", ["survey.wavelet.phase: unknown key", "kind", "frequency"]),
        (
            "model: {channels: [1, 2], attention: [se, {name: ca, ratio: 4}]}",
            ["unknown key", "name, reduction, gate"],
        ),
        ("check: {order: 8}", ["check.order: 8 is physics.order too", "take 4"]),
        (
            "{train: {loss: {l1: 1, salt: 0.3}}, salt: {threshold: 4600}}",
            ["train.loss: salt needs a salt.threshold within grid.velocity 1500 .. 4500 m/s, got 4600"],
        ),
        ("physics: {order: 4}", ["check.order: 4 is physics.order too", "take 8"]),
        ("check: {finer: 1}", ["check.finer: ", "greater than or equal to 2"]),
        ("check: {refine: 3}", ["check.refine: is called check.finer now: write that"]),
        ("check: {nrms_share: 0.4}", ["check.nrms_share: no limit is set by hand", "fwi calibrate --run"]),
        ("trust: {catch: 1}", ["trust.catch: ", "less than 1"]),
        ("tracking: {project: a/b}", ["tracking.project: ", "got 'a/b'"]),
        ("survey: {wavelet: {kind: ormsby}}", ["survey.wavelet.kind: 'ormsby' is not offered", "'ricker'"]),
        (
            "model: {channels: [1, 2], attention: [se, lka]}",
            ["model.attention.1: unknown name 'lka'", "'cbam'", "'ca'"],
        ),
        (
            "model: {channels: [1, 2], attention: [gate, se]}",
            ["model.attention.0: 'gate' takes two maps and fits model.skip, not here", "cbam"],
        ),
        (
            "model: {channels: [1, 2], skip: [pmfs]}",
            ["model.skip.0: 'pmfs' takes a list of maps and fits model.bottleneck, not here", "gate"],
        ),
        (
            "model: {channels: [1, 2], bottleneck: mdaf}",
            ["model.bottleneck.0: 'mdaf' takes two maps and fits model.skip, not here"],
        ),
        (
            "model: {channels: [1, 2], resample: se}",
            ["model.resample: 'se' takes one map and fits model.attention or", "interpolate, stn, cross"],
        ),
        (
            "model: {channels: [24, 48], bottleneck: {name: self, heads: 12}}",
            [
                "model.bottleneck: entry 0, at the deepest level of 48 channels",
                "a width of 48 and 8",
                "1, 2, 4, 8",
            ],
        ),
        (
            "model: {channels: [8, 18, 36], skip: [none, {name: mdaf, heads: 4}]}",
            [
                "model.skip: entry 1, at a level of 18 channels: mdaf: heads 4 does not",
                "take 1, 2, 3, 6, 9, 18",
            ],
        ),
        (
            "model: {channels: [8, 16], attention: [{name: self, heads: 3}, none]}",
            ["model.attention: entry 0, at a level of 8 channels: self: heads 3"],
        ),
        (
            "model: {channels: [8, 16], attention: [{name: self, heads: 3}, {name: self, heads: 5}]}",
            [
                "entry 0, at a level of 8 channels: self: heads 3",
                "entry 1, at a level of 16 channels: self: heads 5",
            ],
        ),
        (
            "model: {channels: [6, 16], resample: {name: cross, heads: 3}}",
            [
                "model.resample: on the 12 channels of the stem",
                "cross: heads 3 does not",
                "12 and 8",
                "1, 2, 4",
            ],
        ),
        (
            "model: {channels: [3, 16], attention: [{name: self, position: sine}, none]}",
            ["model.attention: entry 0", "position sine needs 4 channels or more", "convolution"],
        ),
        (
            "model: {channels: [1, 2], attention: [psa, psa]}",
            ["model.attention: entry 0", "psa", "two or more"],
        ),
        (
            "model: {channels: [1, 2], attention: [ela, ela]}",
            ["model.attention: entry 0", "ela", "two or more"],
        ),
        (
            "model: {channels: [8, 16], bottleneck: {name: pmfs, levels: 3}}",
            ["model.bottleneck: pmfs: levels 3, but there are 2", "take fewer"],
        ),
        (
            "model: {channels: [8, 16], resample: {name: cross, head: 2}}",
            ["model.resample.cross.head: unknown key", "heads, pool, position"],
        ),
        (
            "model: {channels: [8, 16], skip: [se, se]}",
            ["model.skip: 2 entries", "need 1", "the deepest level has none"],
        ),
        ("model: {channels: [8, 16], bottleneck: 7}", ["model.bottleneck.0: 7 is neither a name nor"]),
        (
            "model: {channels: [8, 16], attention: [{name: cbam, kernel_size: 4}, se]}",
            ["model.attention.0", "4 is not offered"],
        ),
        (
            "model: {channels: [8, 16], attention: [{name: spatial, kernel_size: 4}, se]}",
            ["model.attention.0", "even width 4", "take 3 or 5"],
        ),
        ("model: {channels: [1, 2], skip: [lka]}", ["model.skip.0: unknown name 'lka'", "'gate'"]),
        (
            "model: {channels: [1, 2], attention: [se, 7]}",
            ["model.attention.1: 7 is neither a name nor a mapping", "write se"],
        ),
        (
            "model: {channels: [1, 2, 4], attention: [se, ca]}",
            ["model.attention: 2 entries", "need 3", "'none'"],
        ),
        (
            "model: {channels: [1, 2, 4], skip: [gate]}",
            ["model.skip: 1 entries", "need 2", "skip connection"],
        ),
        ("model: {name: fcnvmb_unet, attention: [se, se, se, se, se]}", ["model: ", "use attention_unet"]),
        ("grid: {velocity: [1.5, 4.5]}", ["grid.velocity: 1.5 .. 4.5 looks like km/s", "m/s"]),
        ("grid: {velocity: [4500, 1500]}", ["grid.velocity: must ascend", "swap"]),
        ("grid: {spacing: .inf}", ["grid.spacing: input should be a finite number"]),
        (
            "data: {corrupt: {share: 0.5, white: {range: [20, 10]}}}",
            ["data.corrupt.white.range: must ascend, got 20 .. 10", "swap"],
        ),
        ("data: {corrupt: {dead: {range: [0, 40]}}}", ["data.corrupt.dead.range.1: ", "40"]),
        (
            f"data: {{corrupt: {{share: 0.5, {NEVER}}}}}",
            ["data.corrupt: share 0.5 of the records", "give one of them more"],
        ),
        ("survey:", ["survey: expected keys with values, got None", "remove the line"]),
        ("train: {epochs: 2.5}", ["train.epochs: input should be a valid integer", "2.5"]),
    ],
)
def test_a_mistake_is_told_with_what_would_be_right(write, text, said):
    (mistake,) = mistakes_of(write(text))

    for words in said:
        assert words in mistake


def test_a_missing_file_points_to_the_shipped_studies(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yaml: no such file; .*configs/"):
        config.load([tmp_path / "none.yaml"])


@pytest.mark.parametrize(
    ("text", "said"),
    [("grid: {nz: 3", "not valid YAML"), ("- grid", "expected sections .* got a list"), ("7", "got a int")],
)
def test_a_file_that_is_no_mapping_is_refused_by_name(write, text, said):
    with pytest.raises(ConfigError, match=rf"study\.yaml: .*{said}"):
        config.load([write(text)])


def test_yaml_that_would_build_objects_is_refused(write):
    with pytest.raises(ConfigError, match="not valid YAML"):
        config.load([write("!!python/object/apply:os.getcwd []")])


def test_a_key_that_stands_twice_is_refused_with_both_lines(write):
    text = "model:\n  channels: [4, 8]\ntrain: {epochs: 1}\nmodel:\n  columns: midpoints\n"
    with pytest.raises(ConfigError, match="'model' stands in line 1 and in line 4"):
        config.load([write(text)])


def test_a_study_cannot_be_changed_after_it_was_validated():
    study = StudyConfig()

    with pytest.raises(ValidationError, match="frozen"):
        study.grid = study.grid
    with pytest.raises(ValidationError, match="frozen"):
        study.survey.wavelet.frequency = 5.0


# -- writing


mechanisms = st.one_of(
    st.just("none"),
    st.builds(
        lambda r, g: {"name": "se", "reduction": r, "gate": g},
        st.integers(1, 32),
        st.sampled_from(["sigmoid", "1+tanh"]),
    ),
    st.builds(lambda k: {"name": "cbam", "kernel_size": k}, st.sampled_from([3, 7])),
    st.just("ca"),
)


@st.composite
def studies(draw) -> dict:
    """Values of a valid study, most keys left to their defaults."""
    levels = draw(st.integers(2, 5))
    slowest = draw(st.floats(300, 3000))
    optional = {
        "shot_margin": st.none() | st.floats(0, 1e4),
        "receiver_depth": st.none() | st.floats(0, 1e4),
        "spread": st.sampled_from(["fixed", "streamer"]),
        "dt": st.floats(1e-6, 0.1),
        "nt": st.integers(6, 10**5),  # above the default of keep_every
    }
    return {
        "grid": {"nx": draw(st.integers(8, 2000)), "velocity": [slowest, slowest + draw(st.floats(1, 5000))]},
        "survey": draw(st.fixed_dictionaries({}, optional=optional)),
        "storage": {
            "folder": draw(st.text("abc/ äß#:", min_size=1)),
            "samples_per_shard": draw(st.integers(1, 99)),
        },
        "data": {"extra_folders": draw(st.lists(st.sampled_from(["d/e", "f"]), max_size=2, unique=True))},
        "model": {
            "channels": draw(st.lists(st.integers(1, 512), min_size=levels, max_size=levels)),
            "attention": draw(st.just([]) | st.lists(mechanisms, min_size=levels, max_size=levels)),
            "skip": draw(st.lists(mechanisms | st.just("gate"), min_size=levels - 1, max_size=levels - 1)),
        },
        "train": {
            "loss": draw(
                st.dictionaries(st.sampled_from(["l1", "mse", "ssim"]), st.floats(1e-9, 1e9), min_size=1)
            ),
            "learning_rate": draw(st.floats(1e-12, 1.0, exclude_min=True)),
        },
    }


@given(values=studies())
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_dump_writes_load_reads_back_to_an_equal_study(tmp_path_factory, values):
    study = StudyConfig.model_validate(values)
    path = tmp_path_factory.mktemp("dump") / "study.yaml"

    path.write_text(config.dump(study), encoding="utf-8")

    assert config.load([path]) == study


def test_a_dump_names_every_key_so_that_it_outlives_a_change_of_defaults():
    dumped = yaml.safe_load(config.dump(StudyConfig()))

    assert dumped.keys() == StudyConfig.model_fields.keys()
    assert dumped["survey"]["wavelet"] == {"kind": "ricker", "frequency": 10.0, "peak_time": None}
    assert dumped["train"].keys() == config.TrainConfig.model_fields.keys()


def test_the_json_schema_describes_every_key():
    schema = StudyConfig.model_json_schema()
    sections = {"StudyConfig": schema, **schema["$defs"]}

    def described(prop: dict) -> bool:
        # A section's description may be that of its class.
        return "description" in prop or "description" in schema["$defs"][prop["$ref"].rpartition("/")[2]]

    undescribed = [
        f"{name}.{key}"
        for name, section in sections.items()
        for key, prop in section["properties"].items()
        if not described(prop)
    ]
    assert undescribed == []


# -- the studies that come with the project


@pytest.mark.parametrize(
    "path",
    [path for path in STUDIES if path.parent.name in ("ablation", "peers")],
    ids=lambda path: path.stem,
)
def test_a_variant_leaves_nothing_of_the_attention_that_the_study_before_it_has(path):
    attending = {"attention": ["simam"] * 5, "skip": ["gct"] * 4, "bottleneck": "criss_cross"}
    study = StudyConfig.model_validate({"model": {**attending, "resample": "stn"}})

    varied = config.load([path], over=study).model

    assert varied == config.load([path]).model
    assert varied.resample.name == "interpolate"


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: str(path.relative_to(SHIPPED)))
def test_a_shipped_study_loads_and_its_survey_can_be_simulated(path):
    study = config.load([path])

    survey = Survey(study.grid, study.survey)
    survey.check(study.physics.order)
    assert survey.symmetric or study.data.flip == 0


# -- sizes


def numbers_in(node: object, place: str = "") -> dict[str, dict]:
    """Every number of a JSON Schema that is not one of a few, by its place."""
    if isinstance(node, list):
        return {k: v for i, each in enumerate(node) for k, v in numbers_in(each, f"{place}/{i}").items()}
    if not isinstance(node, dict):
        return {}
    own = {place: node} if node.get("type") in ("integer", "number") and "enum" not in node else {}
    return own | {k: v for key, each in node.items() for k, v in numbers_in(each, f"{place}/{key}").items()}


def test_every_number_of_a_study_has_a_range():
    numbers = numbers_in(StudyConfig.model_json_schema())

    assert len(numbers) > 150
    for ends in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        assert [place for place, schema in numbers.items() if not set(ends) & set(schema)] == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("train: {learning_rate: 1.0e+308}", "train.learning_rate: input should be less than or equal to"),
        ("survey: {wavelet: {frequency: 1.0e-300}}", "survey.wavelet.frequency: is next to nothing"),
        ("train: {seed: 100000000000000000000000}", "train.seed: input should be less than 4294967296"),
        ("train: {clip: .inf}", "train.clip: input should be a finite number, got inf"),
        ("data: {flip: .nan}", "data.flip: input should be a finite number, got nan"),
        ("grid: {nz: 2024-13-45}", "grid.nz: input should be a valid integer"),
        ("grid: {nz: " + "9" * 400 + "}", "grid.nz: input should be less than or equal to 100000, got '9999"),
        ("grid: {nz: " + "9" * 9000 + "}", "grid.nz: "),
        ("grid: {nz: 0x" + "f" * 9000 + "}", "grid.nz: input should be a valid integer"),
        ("storage: {folder: " + '"a\\0b"' + "}", "storage.folder: holds a zero byte"),
        ("storage: {folder: " + "a/" * 9000 + "}", "storage.folder: of 17999 characters"),
        ("survey: {shots: yes}", "survey.shots: is to be a number, got true"),
        ("grid: {velocity: [on, 4500]}", "grid.velocity.0: is to be a number, got true"),
        ("model: {resample: {name: [se]}}", "model.resample: unknown name \"['se']\"; known: 'interpolate'"),
        (
            "survey: {shots: 90000, receivers: 90000}",
            "survey: 90000 survey.shots x 90000 survey.receivers are",
        ),
        ("x" * 900 + ": 1", "x" * 60 + ": unknown key; known here: grid"),
    ],
)
def test_a_value_beyond_its_range_is_refused_with_its_key_in_a_few_words(write, text, said):
    (mistake,) = mistakes_of(write(text))

    assert mistake.startswith(said)
    assert len(mistake) < 300


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("? [a, b]\n: 1", "line 1: a key must be a word, got a list or mapping"),
        ("grid:\n  2024-01-01: 1\n  7: 1", "line 3: a key must be a word, got '7'"),
        ("grid:\n  nz: !!bool abc", "line 2: the tag 'tag:yaml.org,2002:bool' has no meaning here"),
        ("grid: !!python/object/apply:os.system [true]", "has no meaning here"),
        ("grid: " + "[" * 100_000, "line 1: more than 20 lists or mappings within each other"),
        ("- " * 100_000, "line 1: more than 20 lists or mappings within each other"),
        ("grid: &a {nz: *a}", "line 1: *a stands within what it is an alias of"),
        ("grid: [" + "1, " * 30_000 + "]", "line 1: more than 25000 keys and values"),
        ('grid: "\\U00110000"', "chr() arg not in range"),
    ],
)
def test_a_file_that_is_no_study_is_refused_with_its_name_and_line(write, text, said):
    path = write(text)

    with pytest.raises(ConfigError) as caught:
        config.load([path])

    assert str(caught.value).startswith(f"{path}: not valid YAML: ")
    assert said in str(caught.value)


@pytest.mark.parametrize("merged", [False, True])
def test_aliases_that_would_grow_without_end_are_counted_before_they_are_written_out(write, merged):
    levels = [f"&a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    if merged:
        levels = [f"&a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 10)}]}}" for i in range(1, 10)]
    path = write("survey: {shot_x: [&a0 {x: 1}, " + ", ".join(levels) + "]}")

    begin = time.process_time()
    with pytest.raises(ConfigError, match="more than 25000 keys and values, aliases written out"):
        config.load([path])

    assert time.process_time() - begin < 1


def test_an_alias_stands_for_what_it_names(write):
    study = config.load([write("grid: {velocity: &range [2000, 4500]}\nsalt: {preset: {name: yang_ma, "
                               "sediment_speeds: *range, salt_speed: 4600}}")])  # fmt: skip

    assert study.salt.preset.sediment_speeds == study.grid.velocity == (2000, 4500)


def test_only_the_first_of_very_many_mistakes_are_listed(write):
    mistakes = mistakes_of(write(f"survey: {{shot_x: [{'x, ' * 1000}]}}"))

    assert len(mistakes) == 51
    assert mistakes[-1] == "... and 950 more"


@pytest.mark.parametrize("kind", ["device", "pipe", "folder", "large"])
def test_what_may_never_end_is_not_read_for_a_study(kind, tmp_path):
    path = tmp_path / "study"
    match kind:
        case "device":
            path = Path("/dev/zero")
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "large":
            with open(path, "wb") as file:
                file.truncate(10**12)  # a hole: it takes no disk

    with pytest.raises(ConfigError, match="larger than 250 kB" if kind == "large" else "not a file but"):
        config.load([path])
