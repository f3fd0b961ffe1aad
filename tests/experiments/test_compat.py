"""What `compat: clipig` changes: every row of the table in docs/yaml.md has its test."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from PIL import Image

from fastclipgen.experiments.reference_text import RULES
from fastclipgen.experiments.scene import Eye
from fastclipgen.experiments.staging import Stage
from fastclipgen.perceptors import as_perceptor

from .tiny import SIZE, Toy, timetable

TESTS = Path(__file__).resolve().parents[1]
ROWS = {
    "`above`, `below`": "experiments/test_scene.py::test_the_hinge_is_missing_in_compat_alone",
    "`random_crop`, `_scale`": "experiments/test_timetable.py::test_only_what_is_random_sees_batch_size_frames",
    "`center_crop`, `random_crop`": "guidance/transforms/test_crops.py::test_center_crop_is_width_by_height",
    "`random_shift`": (
        "guidance/transforms/test_shifts.py::"
        "test_random_shift_takes_small_numbers_for_fractions_one_by_one_only_with_compat"
    ),
    "`edge`": "guidance/transforms/test_filters.py::test_edge_of_clipig_sees_light_on_dark_only",
    "`quantize`": "guidance/transforms/test_colour.py::test_quantize_of_clipig_has_no_gradient",
    "constraint `noise`": (
        "guidance/frame_constraints/test_likeness.py::test_noise_pulls_only_where_the_noisy_picture_stays_put"
    ),
    "generator `pixels`": "experiments/test_drawing.py::test_compat_pixels_have_no_slope_outside",
    "`optimizer: sparse_adam`": "experiments/test_rates.py::test_sparse_adam_is_rmsprop_in_compat_alone",
    "a new `resolution`": "experiments/test_course.py::test_another_size_keeps_the_optimisers_state_resampled",
    "`image` of a feature": "experiments/test_compat.py::test_an_image_is_cut_to_its_centre_in_compat_alone",
    "choices in texts": "experiments/test_wildcards.py::test_lines_come_from_the_file_or_from_the_folder_beside_it",
}


def test_every_row_has_a_test() -> None:
    table = RULES[RULES.index("## `compat: clipig`") : RULES.index("## Several files")]
    rows = re.findall(r"^\| (?!what|-)(.*?) \|", table, re.MULTILINE)
    assert len(rows) == len(ROWS)
    for row, (name, place) in zip(rows, ROWS.items(), strict=True):
        assert row.startswith(name)
        file, _, test = place.partition("::")
        assert f"def {test}(" in (TESTS / file).read_text()


@pytest.mark.parametrize("compat", [False, True])
def test_an_image_is_cut_to_its_centre_in_compat_alone(tmp_path: Path, compat: bool) -> None:
    path = tmp_path / "stripes.png"
    wide = Image.new("RGB", (3 * SIZE, SIZE), (255, 0, 0))
    wide.paste((0, 0, 255), (SIZE, 0, 2 * SIZE, SIZE))
    wide.save(path)
    table = timetable(f"targets: [{{features: [image: {path}]}}]\n", f"compat={str(compat).lower()}")
    eye = Eye(as_perceptor(Toy()), 1.0)
    stage = Stage(table, [eye], torch.device("cpu"), False, lambda line: None, [0])
    found = stage.tables(torch.rand(1, 3, SIZE, SIZE), [0])["features0.0"][0, 0]
    blue = torch.zeros(1, 3, SIZE, SIZE)
    blue[:, 2] = 1
    mean, std = (torch.tensor(three).view(3, 1, 1) for three in (Toy.mean, Toy.std))
    centre = torch.nn.functional.normalize(Toy().encode_image((blue - mean) / std), dim=-1)[0].detach()
    assert torch.allclose(found, centre, atol=1e-5) is compat
