"""Every file in examples/ reads and runs, together they use all of the grammar, and docs/examples.md shows them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
import torch
from PIL import Image

from fastclipgen.experiments import keys as known
from fastclipgen.experiments.job import ExperimentJob
from fastclipgen.experiments.reading import read_experiment
from fastclipgen.generators.registry import names as generator_names
from fastclipgen.guidance.frame_constraints.registry import CONSTRAINTS
from fastclipgen.guidance.transforms.registry import TRANSFORMS
from fastclipgen.perceptors import resolve
from fastclipgen.perceptors.auto import LoadedPerceptor
from fastclipgen.recipes.documents import Entry, parse_document

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
PARTS = sorted((ROOT / "examples").glob("*/*.yaml"))
NOT_RUN = {"real_clip"}
"""Needs weights that are no part of the project; here it runs with the built-in model."""
NOT_SHOWN: dict[str, set[str]] = {
    "keys": {
        "start_epoch",  # to go on with a run that was stopped
        # weights of other networks, which no example could bring along
        "autoencoder", "gan", "latent_dim", "gan_range", "cvae", "wgan",
        "backend",  # auto is the right one everywhere
    },
    "init": {"image_tensor"},  # a picture in numbers, as other programs write it
    "generators": {"autoencoder", "cvae", "gan", "siren", "stack", "wgan"},
    # beside adam, sgd and rmsprob there is nothing to see; rmsprop is another spelling
    "optimizers": {"adadelta", "sparse_adam", "rmsprop", "adamw", "adagrad"},
}  # fmt: skip
"""What no example uses, by kind, each with the reason."""

every = pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)


@pytest.fixture(autouse=True)
def _in_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths in files count from where the command is run."""
    monkeypatch.chdir(ROOT)


@pytest.fixture(scope="module")
def loaded() -> Sequence[LoadedPerceptor]:
    return resolve(["builtin"], "cpu", torch.float32, lambda line: None)


@every
def test_it_reads_and_says_what_it_shows(path: Path) -> None:
    found = read_experiment([str(path)])
    assert found.targets
    assert found.seed is not None
    comment = re.match(r"(?:# .*\n){1,3}(?!#)", path.read_text(encoding="utf-8"))
    assert comment is not None
    assert comment.group().endswith(".\n")
    assert path.stem in NOT_RUN or found.models == ("builtin",)


@every
def test_two_epochs_give_finite_pictures(path: Path, loaded: Sequence[LoadedPerceptor]) -> None:
    changed = ["epochs=2", "resolution=[64, 32]", "compile=off", "device=cpu", "model=builtin"]
    found = read_experiment([str(path)], changed)
    job = ExperimentJob(found, loaded=loaded, notice=lambda line: None)
    results = [result for batch in job.run() for result in batch]
    assert len(results) == found.batch
    for result in results:
        assert result.finite
        assert result.steps == 2
        assert result.pixels.shape == (32, 64, 3)
        assert result.pixels.std() > 1


def trees() -> list[Entry]:
    return [parse_document(path.read_text(encoding="utf-8"), path.name) for path in (*EXAMPLES, *PARTS)]


def lists(entries: Iterable[Entry], *path: str) -> list[dict[str, Entry]]:
    """The mappings at the end of a path of lists, and of templates, which may stand anywhere."""
    found = [entry.value for entry in entries if isinstance(entry.value, dict)]
    for key in path:
        found = [item.value for one in found if key in one for item in one[key].value]
    return found


def test_together_they_use_the_whole_grammar() -> None:
    roots = lists(trees())
    named = [part.value for root in roots if "templates" in root for part in root["templates"].value.values()]
    keys = {key for root in roots for key in root}
    assert {*known.RUN, *known.SECTIONS, *known.SETTINGS} - keys == NOT_SHOWN["keys"]
    inits = {key for root in roots if "init" in root for key in root["init"].value}
    assert {*known.INIT, "image_tensor"} - inits == NOT_SHOWN["init"]
    targets = lists(trees(), "targets")
    assert {*known.TARGET, *known.LISTS} <= {key for target in targets for key in target} | {"active"}
    features = {key for feature in lists(trees(), "targets", "features") for key in feature}
    assert set(known.FEATURE_KEYS) <= features
    transforms = {key for item in (*lists(trees(), "targets", "transforms"), *named) for key in item}
    assert set(TRANSFORMS) <= transforms
    held = [(key, item[key].value) for item in lists(trees(), "targets", "constraints") for key in item]
    assert set(CONSTRAINTS) <= {key for key, _ in held}
    assert set(known.CONSTRAINT_KEYS) <= {key for _, value in held if isinstance(value, dict) for key in value}
    after = {key for item in lists(trees(), "postproc") for key in item}
    assert set(known.STEP) <= after


def test_together_they_use_every_word() -> None:
    found = [read_experiment([str(path)]) for path in EXAMPLES]
    assert set(generator_names()) - {one.generator for one in found} == NOT_SHOWN["generators"]
    targets = [target for one in found for target in one.targets]
    assert {target.select for target in targets} == {"all", "best", "worst", "mix"}
    assert {target.feature_scale for target in targets} == {"equal", "fair"}
    assert {feature.loss for target in targets for feature in target.features} == {"cosine", "l1", "l2"}
    assert set(known.OPTIMIZERS) - {one.optimizer for one in found} == NOT_SHOWN["optimizers"]


def test_the_page_shows_every_file_and_every_picture_is_there() -> None:
    page = (ROOT / "docs" / "examples.md").read_text(encoding="utf-8")
    for path in EXAMPLES:
        assert f"](../examples/{path.name})" in page
        if path.stem not in NOT_RUN:
            assert f"](examples/{path.stem}.png)" in page
    shown = re.findall(r"]\(examples/([\w.]+)\)", page)
    assert sorted(shown) == sorted(path.name for path in (ROOT / "docs" / "examples").iterdir())
    for name in shown:
        with Image.open(ROOT / "docs" / "examples" / name) as picture:
            assert min(picture.size) >= 64
    assert len(EXAMPLES) >= 12
