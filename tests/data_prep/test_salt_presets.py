"""The presets with stratified sediments, and mixtures: what every model promises, and what the geology is."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.salt import PRESETS, SaltModel, generate
from data_prep.salt.statistics import statistics
from fwi import config
from fwi.config import (
    ConfigError,
    GridConfig,
    GulfPreset,
    MixedPart,
    MixedPreset,
    SaltConfig,
    SegEagePreset,
    StudyConfig,
    YangMaPreset,
)

REPOSITORY = Path(__file__).resolve().parents[2]
SLICES = REPOSITORY / "../shared/data/seg_salt_slices.npz"
FULL = GridConfig(nz=201, nx=301, spacing=10.0)
HALF = GridConfig(nz=101, nx=151, spacing=20.0)
SMALL = GridConfig(nz=51, nx=76, spacing=40.0)
TRAIN = 0
STRATIFIED = (SegEagePreset, GulfPreset)


def same(one: SaltModel, other: SaltModel) -> bool:
    return np.array_equal(one.velocity, other.velocity) and np.array_equal(one.salt, other.salt)


@pytest.mark.parametrize("name", PRESETS)
def test_a_model_depends_on_seed_stream_and_index_and_not_on_the_order_of_drawing(name):
    salt = SaltConfig(preset=name)
    forward = [generate(SMALL, salt, TRAIN, index) for index in range(8)]

    backward = [generate(SMALL, salt, TRAIN, index) for index in reversed(range(8))]

    assert all(same(one, other) for one, other in zip(forward, reversed(backward), strict=True))
    assert len({model.velocity.tobytes() for model in forward}) == 8


@given(
    name=st.sampled_from(("seg_eage", "gulf", "mixed")),
    nz=st.integers(8, 90),
    nx=st.integers(8, 90),
    spacing=st.floats(1.0, 50.0),
    index=st.integers(0, 10**6),
)
@settings(max_examples=100, deadline=None)
def test_on_any_grid_speeds_are_within_the_presets_and_salt_is_what_is_as_fast_as_salt(
    name, nz, nx, spacing, index
):
    salt = SaltConfig(preset=name)
    grid = GridConfig(nz=nz, nx=nx, spacing=spacing, velocity=salt.preset.speeds)

    velocity, body = generate(grid, salt, TRAIN, index)

    assert velocity.shape == body.shape == (nz, nx)
    assert (velocity.dtype, body.dtype) == (np.float32, np.uint8)
    assert grid.velocity[0] <= velocity.min()
    assert velocity.max() <= grid.velocity[1]
    assert np.array_equal(body == 1, velocity >= 4400.0)
    assert len(np.unique(velocity[body == 1])) <= 1, "one speed of salt per model"


@pytest.mark.parametrize("name", ["seg_eage", "gulf"])
def test_every_model_holds_salt_and_none_of_it_lies_in_the_water(name):
    for index in range(200):
        velocity, salt = generate(SMALL, SaltConfig(preset=name), TRAIN, index)

        water = np.logical_and.accumulate(velocity == 1500.0, axis=0)
        assert salt.any()
        assert not salt[0].any()
        assert np.all(water.sum(axis=0) <= salt.argmax(axis=0) + 51 * (~salt.any(axis=0)))


@pytest.mark.parametrize("name", ["seg_eage", "gulf"])
def test_the_geology_is_the_same_on_every_grid(name):
    for index in range(6):
        coarse = generate(HALF, SaltConfig(preset=name), TRAIN, index)

        fine = generate(FULL, SaltConfig(preset=name), TRAIN, index)

        agree = np.abs(fine.velocity[::2, ::2] - coarse.velocity) < 1.0
        assert agree.mean() > 0.999  # the rest: stringers whose edge lies on a cell, to the last digit
        assert np.mean(fine.salt[::2, ::2] == coarse.salt) > 0.999


@pytest.mark.parametrize("name", ["seg_eage", "gulf"])
def test_salt_speed_varies_from_model_to_model_over_its_range(name):
    models = (generate(SMALL, SaltConfig(preset=name), TRAIN, index) for index in range(100))

    speeds = np.array([model.velocity[model.salt == 1][0] for model in models])

    assert speeds.min() < 4410.0
    assert speeds.max() > 4490.0


OTHERWISE = {
    "salt_speed": (4450.0, 4500.0),
    "sediment_speeds": (1480.0, 4300.0),
    "dome_feet": (400.0, 2600.0),
    "lens_feet": (400.0, 2600.0),
    "lens_height": (20.0, 400.0),
    "dome_single_share": 0.5,
    "marker_share": 0.5,
    "salt_cover": 0.05,
}
"""Parameters whose upper end alone is not allowed, or whose half is seldom seen."""


def changed(kind, field):
    """Another value of a preset's parameter: half of one, or the upper end of a range."""
    value = getattr(kind(), field)
    if kind is YangMaPreset and field == "salt_speed":
        return 4400.0
    half_or_upper = (value[1], value[1]) if isinstance(value, tuple) else 0.5 * value
    return OTHERWISE.get(field, half_or_upper)


def of_presets():
    for kind in (YangMaPreset, *STRATIFIED):
        for field in kind.model_fields:
            if field != "name":
                yield pytest.param(kind, field, id=f"{kind.__name__}-{field}")


@pytest.mark.parametrize(("kind", "field"), of_presets())
def test_every_parameter_changes_models(kind, field):
    grid = GridConfig(nz=41, nx=61, spacing=50.0, velocity=(1480.0, 4500.0))
    preset = kind(**{field: changed(kind, field)})

    differ = any(
        not same(
            generate(grid, SaltConfig(preset=kind()), TRAIN, index),
            generate(grid, SaltConfig(preset=preset), TRAIN, index),
        )
        for index in range(100)
    )

    assert differ


@pytest.mark.parametrize("kind", [YangMaPreset, *STRATIFIED])
def test_every_parameter_says_what_it_is(kind):
    undocumented = [name for name, field in kind.model_fields.items() if not field.description]

    assert undocumented == []


@pytest.mark.parametrize(
    ("name", "least_share"),
    [("seg_eage", 0.2), ("gulf", 0.6)],
)
def test_salt_overhangs(name, least_share):
    models = (generate(HALF, SaltConfig(preset=name), TRAIN, index).velocity for index in range(60))

    overhangs = np.array([statistics(velocity, HALF.spacing).overhang_share > 0.05 for velocity in models])

    assert overhangs.mean() > least_share


def test_a_rooted_diapir_reaches_the_base_and_a_detached_sheet_has_sediment_below():
    def reaches_base(detached_share, index):
        preset = SegEagePreset(
            detached_share=detached_share,
            second_body_share=0.0,
            salt_depth=(0.3, 0.45),
            lean=(0.0, 0.05),
            basement=(1.5, 1.5),
        )
        return generate(HALF, SaltConfig(preset=preset), TRAIN, index).salt[-1].any()

    # The root of a diapir near an end of the line may lie beside the section.
    assert np.mean([reaches_base(0.0, index) for index in range(30)]) > 0.8
    assert not any(reaches_base(1.0, index) for index in range(30))


def test_water_is_as_deep_as_the_preset_says():
    preset = GulfPreset(water=(0.2, 0.2), sea_floor_relief=(0.0, 0.0), canopy_depth=(0.5, 0.55))

    velocity = generate(FULL, SaltConfig(preset=preset), TRAIN, 0).velocity

    assert np.all(velocity[:40] == 1500.0), "0.2 of 2 km is 40 cells"
    assert np.all(velocity[40] > 1500.0)


def test_the_basement_is_flat_of_one_speed_and_holds_no_salt():
    preset = GulfPreset(basement=(0.9, 0.9))

    velocity, salt = generate(FULL, SaltConfig(preset=preset), TRAIN, 3)

    assert len(np.unique(velocity[180:])) == 1
    assert len(np.unique(velocity[170:180])) > 1
    assert not salt[180:].any()


@pytest.fixture(scope="module")
def seg_eage_and_slices():
    """Velocity of 120 models of seg_eage, and of the public slices with salt."""
    if not SLICES.exists():
        pytest.skip("needs the public SEG/EAGE slices in shared/data beside the repository")
    with np.load(SLICES) as file:
        slices = [file[name].astype(np.float32) for name in ("saltv1", "saltv5")]
    salt = SaltConfig(preset="seg_eage")
    return [generate(FULL, salt, TRAIN, index).velocity for index in range(120)], slices


@pytest.fixture(scope="module")
def both_statistics(seg_eage_and_slices):
    return [[statistics(velocity, 10.0) for velocity in models] for models in seg_eage_and_slices]


@pytest.mark.parametrize(
    "quantity",
    [
        "area_share",
        "crest_depth",
        "base_depth",
        "width",
        "crests",
        "bodies",
        "overhang_share",
        "lateral_change",
        "fastest_sediment",
    ],
)
def test_statistics_of_seg_eage_bracket_those_of_the_slices(both_statistics, quantity):
    measured, wanted = ([getattr(each, quantity) for each in models] for models in both_statistics)

    low, high = np.nanpercentile(measured, [5, 95])

    assert low <= min(wanted)
    assert max(wanted) <= high


@pytest.mark.parametrize("depth", [200, 500, 800, 1100, 1300, 1600, 1950])
def test_speed_of_the_sediments_of_seg_eage_brackets_that_of_the_slices_at_every_depth(
    seg_eage_and_slices, depth
):
    def middle(velocity):
        row = velocity[depth // 10]
        return np.median(row[row < 4250.0])

    measured, wanted = ([middle(velocity) for velocity in models] for models in seg_eage_and_slices)

    low, high = np.percentile(measured, [5, 95])

    assert low <= min(wanted)
    assert max(wanted) <= high


MIXTURE = MixedPreset(
    parts=(
        MixedPart(preset=SegEagePreset(salt_speed=(4400.0, 4400.0)), weight=3.0),
        MixedPart(preset=YangMaPreset(), weight=1.0),  # its salt has 4500 m/s
    ),
    no_salt_share=0.25,
)


def test_a_mixture_draws_its_parts_by_weight_and_its_share_without_salt():
    grid = GridConfig(nz=21, nx=31, spacing=100.0)
    models = [generate(grid, SaltConfig(preset=MIXTURE), TRAIN, index) for index in range(600)]

    fastest = np.array([model.velocity[model.salt == 1].max(initial=0.0) for model in models])

    # within three standard errors
    assert np.mean(fastest == 0.0) == pytest.approx(0.25, abs=0.055)
    assert np.mean(fastest[fastest > 0.0] == 4400.0) == pytest.approx(0.75, abs=0.065)


def test_a_model_without_salt_keeps_the_sediments_it_would_have_had():
    for index in range(20):
        with_salt = generate(SMALL, SaltConfig(preset=MixedPreset(no_salt_share=0.0)), TRAIN, index)

        without = generate(SMALL, SaltConfig(preset=MixedPreset(no_salt_share=1.0)), TRAIN, index)

        outside = with_salt.salt == 0
        assert np.array_equal(without.velocity[outside], with_salt.velocity[outside])
        assert not without.salt.any()
        assert without.velocity.max() <= 4200.0


@pytest.mark.parametrize(
    ("preset", "needed"),
    [
        ("seg_eage", r"seg_eage hold speeds of 1500 \.\. 4500"),
        ({"name": "gulf", "salt_speed": [4400, 4600]}, r"gulf hold speeds of 1500 \.\. 4600"),
        (
            {"name": "mixed", "parts": [{"preset": {"name": "gulf", "sediment_speeds": [1450, 4000]}}]},
            r"mixed hold speeds of 1450 \.\. 4500",
        ),
    ],
)
def test_a_velocity_range_too_narrow_for_the_preset_is_refused_with_the_one_needed(preset, needed):
    grid = GridConfig(velocity=(1600.0, 4500.0))

    with pytest.raises(ValueError, match=needed):
        generate(grid, SaltConfig.model_validate({"preset": preset}), TRAIN, 0)


@pytest.mark.parametrize(
    ("preset", "lines"),
    [
        (
            {"name": "seg_eage", "faults": [4, 2], "water": [0.1, 1.2], "rugged": 1},
            [
                "salt.preset.seg_eage.faults: must ascend, got 4 .. 2: swap the two",
                "salt.preset.seg_eage.water.1: input should be less than or equal to 1, got 1.2",
                "salt.preset.seg_eage.rugged: unknown key; known here: name, sediment_speeds,",
            ],
        ),
        (
            {"name": "mixed", "parts": [{"preset": {"name": "gulf", "pockets": [-1, 2]}, "weight": 0}]},
            [
                "salt.preset.mixed.parts.0.preset.gulf.pockets.0: input should be greater than or equal to 0",
                "salt.preset.mixed.parts.0.weight: input should be greater than 0, got 0",
            ],
        ),
        ({"name": "mixed", "parts": []}, ["salt.preset.mixed.parts: a mixture needs a preset to draw from"]),
        (
            {"name": "mixed", "parts": [{"preset": "mixed"}]},
            ["salt.preset.mixed.parts.0.preset: unknown name 'mixed'; known: 'yang_ma', 'seg_eage', 'gulf'"],
        ),
        ({"name": "gulf", "sediment_speeds": [1500, 4450]}, ["salt.preset.gulf: sediments reach 4450 m/s"]),
        (
            {"name": "gulf", "fold_length": [0, 0.1], "fillet": 0},
            [
                "salt.preset.gulf.fold_length.0: input should be greater than 0",
                "salt.preset.gulf.fillet: input should be greater than 0",
            ],
        ),
        ({"name": "yang_ma", "salt_speed": 3900}, ["salt.preset.yang_ma: sediments reach 4000 m/s"]),
        ({"name": "yang_ma", "layers": [5, 13]}, ["salt.preset.yang_ma: 13 layers of least thickness take"]),
        (
            {"name": "yang_ma", "lens_height": [20, 90]},
            ["salt.preset.yang_ma: lens_height_mode is 200 m, outside lens_height 20 .. 90 m"],
        ),
        (
            {"name": "yang_ma", "dome_feet": [270, 3100]},
            ["salt.preset.yang_ma: dome_feet 270 .. 3100 m: take them within the section, 0 .. 3000 m"],
        ),
        ("salt", ["salt.preset: unknown name 'salt'; known: 'yang_ma', 'seg_eage', 'gulf', 'mixed'"]),
        (3, ["salt.preset: 3 is neither a name nor a mapping with one; write gulf,"]),
    ],
)
def test_every_mistake_of_a_preset_is_told_with_its_key(preset, lines):
    with pytest.raises(ConfigError) as error:
        config.validate(StudyConfig, {"salt": {"preset": preset}}, source="study.yaml")

    told = [line.removeprefix("  - ") for line in str(error.value).splitlines()[1:]]
    assert len(told) == len(lines)
    assert all(one.startswith(line) for one, line in zip(sorted(told), sorted(lines), strict=True))


def test_a_later_file_replaces_a_preset_whole():
    first = {"salt": {"seed": 3, "preset": {"name": "gulf", "pockets": [0, 0]}}}

    merged = config.merge(first, {"salt": {"preset": {"name": "seg_eage"}}})

    assert merged == {"salt": {"seed": 3, "preset": {"name": "seg_eage"}}}


@pytest.mark.parametrize("name", ["seg_eage", "gulf", "mixed"])
def test_study_of_a_preset_is_the_public_one_but_for_models_folder_sorting_and_salt_term(name):
    study = config.load([REPOSITORY / f"configs/{name}_half.yaml"])

    public = config.load([REPOSITORY / "configs/fcnvmb_half.yaml"])

    assert study.salt.preset.name == name
    assert study.storage.folder == Path(f"data/{name}_half")
    assert (study.model.columns, set(study.train.loss)) == ("midpoints", {"l1", "salt"})
    alike = {
        "salt": public.salt,
        "storage": public.storage,
        "model": study.model.model_copy(update={"columns": public.model.columns}),
        "train": study.train.model_copy(update={"loss": public.train.loss}),
    }
    assert study.model_copy(update=alike) == public
    assert study.storage.model_copy(update={"folder": public.storage.folder}) == public.storage
    generate(study.grid, study.salt, TRAIN, 0)  # the grid holds the preset's speeds
