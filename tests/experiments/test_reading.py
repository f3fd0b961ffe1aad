"""Experiments of both of CLIPig's grammars, and what is said of those that fit neither."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fastclipgen.errors import UserError
from fastclipgen.experiments.dump import dump
from fastclipgen.experiments.experiment import Experiment
from fastclipgen.experiments.reading import experiment_of, read_experiment
from fastclipgen.experiments.sources import shaped
from fastclipgen.recipes.documents import parse_document
from fastclipgen.recipes.variables import Schedule

EXAMPLES = sorted((Path(__file__).parent / "yaml").glob("*.yaml"))
RAMP = Schedule(5)


def experiment(text: str) -> Experiment:
    return experiment_of(shaped(parse_document(text, "x.yaml")))


def steps(text: str) -> list[tuple[str, dict[str, object]]]:
    """Names and constants of the transforms of a target, given as flow text."""
    items = experiment(f"targets: [{{transforms: {text}}}]").targets[0].transforms
    return [(item.kind.name, {name: value.plain for name, value in item.values.items()}) for item in items]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_of_both_grammars_read_and_their_complete_files_are_the_same(path: Path) -> None:
    found = read_experiment([str(path)])
    assert found.targets
    again = experiment_of(shaped(parse_document(dump(found), "dump.yaml")))
    assert dump(again) == dump(found)
    for one, other in zip(found.targets, again.targets, strict=True):
        assert [item.path for item in one.transforms] == [item.path for item in other.transforms]
        assert [feature.texts for feature in one.features] == [feature.texts for feature in other.features]
    assert len(EXAMPLES) >= 10


def test_an_empty_file_has_the_defaults_of_clipig() -> None:
    found = experiment("")
    assert (found.epochs, found.resolution.plain, found.interpolation.plain) == (300, (224, 224), "cubic")
    assert (found.models, found.optimizer, found.generator) == ((), "adam", "pixels")
    assert (found.snapshot_interval, found.output, found.verbose) == (20.0, "./", 2)
    assert (found.targets, found.postproc, found.batch, found.compat) == ((), (), 1, False)
    assert (found.init.given, found.init.mean, found.init.std) == (False, (0.5,) * 3, (0.1,) * 3)
    assert found.seed is not None


def test_values_have_their_types_and_expressions_their_schedules() -> None:
    found = experiment(
        "resolution: 224*2 224//2\nlearnrate_scale: (1. - .95 * pow(t, 5.))\nsnapshot_interval: 5\ninit: {mean: .4}\n"
        "targets: [{start: 30%, end: 200, weight: -2, constraints: [{blur: {weight: 'max(0, sim - 20)'}}]}]"
    )
    assert found.resolution.plain == (448, 112)
    assert found.learnrate_scale.over(RAMP)[-1].item() == pytest.approx(0.05)
    assert type(found.snapshot_interval) is int
    assert (found.init.given, found.init.mean, found.init.std) == (True, (0.4,) * 3, (0.1,) * 3)
    target = found.targets[0]
    assert (target.start.moment, target.end.moment, target.weight.plain) == (0.3, 200, -2.0)
    assert target.constraints[0].weight.live


def test_several_transforms_of_an_item_apply_as_written_and_know_their_place() -> None:
    text = "targets:\n- transforms:\n  - {resize: 40, noise: .1}\n  - random_rotate: {degree: -10 10, center: 0 1}\n"
    items = experiment(text).targets[0].transforms
    assert [item.path for item in items] == [
        "targets[0].transforms[0].resize", "targets[0].transforms[0].noise", "targets[0].transforms[1].random_rotate",
    ]  # fmt: skip
    assert [item.where for item in items] == ["x.yaml, line 3", "x.yaml, line 3", "x.yaml, line 4"]
    assert items[2].values["center"].plain == (0.0, 1.0)


def test_one_option_may_be_written_inline_or_by_name() -> None:
    inline = [("resize", {"size": (224, 224)})]
    assert steps("[{resize: 224}]") == steps("[{resize: {size: 224}}]") == inline
    assert steps("[{border: }]") == [("border", {"size": (1, 1), "color": (0.0,) * 3})]


def test_start_and_end_stand_within_a_transform_or_beside_it() -> None:
    text = "targets: [{transforms: [{resize: {size: 9, end: .5}, noise: .1, start: 10%, end: 90%}, {add: 1}]}]"
    resize, noise, add = experiment(text).targets[0].transforms
    assert (resize.start.moment, resize.end.moment) == (0.1, 0.5)
    assert (noise.start.moment, noise.end.moment) == (0.1, 0.9)
    assert (add.start.moment, add.end.moment) == (0.0, 1.0)


def test_what_is_not_active_stays_in_the_file_only() -> None:
    found = experiment(
        "targets:\n- {active: false}\n- constraints: [{blur: }, {tv: , active: false}]\n  transforms: [{add: 1}]\n"
        "postproc: [{active: false, add: 1}, {mul: {color: 2, active: no}}]"
    )
    assert [target.active for target in found.targets] == [False, True]
    assert [held.kind.name for held in found.targets[1].constraints] == ["blur"]
    assert [item.active for item in found.postproc] == [False, False]
    assert "tv" in dump(found)


def test_the_old_grammar_is_recognised_item_by_item() -> None:
    old = steps("[{noise: .1, resize: 9, blur: 3 .35}, {noise: .1, resize: 9}]")
    assert [name for name, _ in old] == ["blur", "resize", "noise", "noise", "resize"]
    assert old[0][1] == {"kernel_size": (3, 3), "sigma": (0.35, 0.35)}
    edge = {"kernel_size": (5, 5), "sigma": (2.0, 2.0), "amount": (10.0,) * 3}
    assert steps("[{edge: true, repeat: 2}]") == [("repeat", {"count": (2, 2)}), ("edge", edge)]
    rotate = {"degree": (-5.0, 5.0), "center": (0.5, 0.5)}
    assert steps("[{random_rotate: }, {random_rotate: {}}]") == [("random_rotate", rotate)] * 2
    found = experiment("postproc: [{blur: '3, .2 + .15 * lrs', multiply: .9}]").postproc
    assert [item.kind.name for item in found] == ["blur", "mul"]
    assert not found[0].values["sigma"].constant


def test_names_of_losses_and_lists_of_models() -> None:
    found = experiment(
        "model: [RN50, 'ViT-B-32:laion2b_s34b_b79k@0.5']\n"
        "targets:\n- features: [{text: a, loss: L1}, {text: b, loss: MSE}]\n"
        "  constraints: [{mean: {above: .1, loss: mae}}]"
    )
    assert found.models == ("RN50", "ViT-B-32:laion2b_s34b_b79k@0.5")
    assert [feature.loss for feature in found.targets[0].features] == ["l1", "l2"]
    assert found.targets[0].constraints[0].loss == "l1"


def test_weights_choose_their_generator_and_settings_keep_their_meaning() -> None:
    found = experiment("vqgan: builtin\nprecision: bfloat16\ngenerator_options: {}")
    assert found.generator == "vqgan"
    assert found.settings == {
        "vqgan": "builtin", "precision": "bfloat16", "generator_options": {},
    }  # fmt: skip
    assert experiment("generator: fourier").settings == {}
    assert experiment("generator: vqgan").settings == {"vqgan": "builtin"}


@pytest.mark.parametrize(
    ("text", "word"), [("on", "on"), ("off", "off"), ("yes", "on"), ("'on'", "on"), ("auto", "auto")]
)
def test_on_and_off_are_words_though_yaml_reads_them_as_truth_values(text: str, word: str) -> None:
    found = experiment(f"compile: {text}")
    assert found.settings == {"compile": word}
    assert experiment(dump(found)).settings == {"compile": word}


def test_models_that_are_left_out_stay_out_of_the_complete_file() -> None:
    assert "model" not in dump(experiment("model:"))
    assert "model: [RN50]" in dump(experiment("model: RN50"))


def test_options_of_the_generator_are_checked_without_its_weights() -> None:
    found = experiment("generator: fourier\ngenerator_options: {decay: 1.5}")
    assert found.settings["generator_options"] == {"decay": 1.5}
    with pytest.raises(UserError, match=r"generator_options.*nonsense"):
        experiment("vqgan: nowhere.ckpt\ngenerator_options: {nonsense: 1}")


@pytest.mark.parametrize(("text", "compat"), [("clipig", True), ("true", True), ("false", False), ("CLIPig", True)])
def test_compat_has_a_name(text: str, compat: bool) -> None:
    assert experiment(f"compat: {text}").compat is compat


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("epochs: 5\nepoch: 3", ["x.yaml, line 2", "unknown key 'epoch'", "did you mean 'epochs'"]),
        ("targets:\n- features:\n  - txt: a", ["line 3", "'txt' in targets[0].features[0]", "mean 'text'"]),
        ("targets:\n- transforms:\n  - resiz: 3", ["line 3", "targets[0].transforms[0]", "mean 'resize'"]),
        ("targets: [{transforms: [{blur: {kernel: 3}}]}]", ["transforms[0].blur", "mean 'kernel_size'"]),
        ("targets: [{constraints: [{blr: {}}]}]", ["constraints[0]", "mean 'blur'"]),
        ("targets: {features: []}", ["line 1: targets: expected a list", "got a mapping"]),
        ("targets: [3]", ["targets[0]: expected keys with values", "got '3'"]),
        ("targets: [{weight: a b}]", ["targets[0].weight"]),
        ("targets: [{features: [{weight: 1}]}]", ["expected a text or an image, got neither"]),
        ("targets: [{features: [{text: a, image: b}]}]", ["expected a text or an image, got both"]),
        ("targets: [{transforms: [{noise: }]}]", ["transforms[0].noise: expected 'std'", "missing"]),
        ("targets: [{transforms: [{blur: 3}]}]", ["expected a kernel and a sigma", "got '3'"]),
        ("targets: [{transforms: [{border: 3}]}]", ["expected options by name as in 'border: {size: ...}'"]),
        ("targets: [{constraints: [{mean: {}}]}]", ["expected above, below or both"]),
        ("targets: [{constraints: [{mean: {above: .1, loss: cosine}}]}]", ["one of l1, mae, l2, mse"]),
        ("postproc: [{resize: 3}]", ["postproc[0]: 'resize' changes the size"]),
        ("postproc: [{add: t + lr + sim}]", ["postproc[0].add.color", "sim"]),
        ("postproc: [{mul: 1, multiply: 2}]", ["'multiply' is the old name of 'mul'"]),
        ("epochs: 0", ["epochs: expected at least 1"]),
        ("epochs: 3\nstart_epoch: 3", ["line 2: start_epoch: expected less than the 3 epochs"]),
        ("seed: -1", ["seed: expected at least 0"]),
        ("seed: 9223372036854775807\nbatch: 2", ["line 1: seed: expected seeds up to"]),
        ("resolution: 1 2 3", ["resolution: expected a list of length 1 or 2, got 3"]),
        ("resolution: 0", ["resolution: expected at least 1"]),
        ("learnrate: -1", ["x.yaml, line 1: learnrate: expected at least 0, got -1"]),
        ("epochs: 9\nlearnrate_scale: 1 - 2", ["line 2: learnrate_scale: expected at least 0, got -1"]),
        ("resolution: 10 100000", ["resolution: expected at least 1 and at most"]),
        ("batch: 1001", ["batch: expected at least 1 and at most 1,000, got 1001"]),
        ("targets: [{batch_size: 5000}]", ["targets[0].batch_size: expected at least 1 and at most 4,096"]),
        (
            "seed: 1\ngenerator: fourier\ngenerator_options: {decy: 1}",
            ["line 3: generator_options:", "decy", "mean 'decay'"],
        ),
        ("generator: fourier\ngenerator_options: {decay: soft}", ["line 2: generator_options:", "a number"]),
        ("model: []", ["at least one model"]),
        ("model: 3", ["model: expected a name", "got '3'"]),
        ("model: 'a@0'", ["model:", "weight"]),
        ("compile: perhaps", ["x.yaml, line 1: compile:", "perhaps"]),
        ("vqgan: a\ngan: b", ["weights of one generator"]),
        ("generator: clip-gen", ["generator: expected one of"]),
        ("compat: pixray", ["compat: expected true, false or clipig, got 'pixray'"]),
        ("init: {image_tensor: [[1]]}", ["init.image_tensor: expected numbers"]),
        ("optimizer: adm", ["did you mean 'adam'"]),
        ("targets:\n- features:\n    - text: a\n  - transforms:\n    - noise: .1", ["x.yaml, line 4: expected YAML"]),
    ],
)
def test_errors_say_where_what_and_what_else(text: str, parts: list[str]) -> None:
    with pytest.raises(UserError) as error:
        experiment(text)
    for part in parts:
        assert part in str(error.value)


def test_a_tensor_to_start_from_is_read() -> None:
    assert experiment("init: {image_tensor: [[[0, 1]], [[0, 1]], [[0, .5]]]}").init.image_tensor[2] == [[0, 0.5]]


def test_draws_of_an_expression_are_those_of_its_key_path() -> None:
    first, second = (experiment(f"{head}learnrate: random()") for head in ("", "epochs: 9\n"))
    assert torch.equal(first.learnrate.over(RAMP), second.learnrate.over(RAMP))


def test_the_complete_file_has_defaults_and_expressions_but_nothing_empty() -> None:
    text = dump(experiment("seed: 3\ntargets: [{features: [{text: a}], weight: 1 - t}]"))
    assert "weight: 1 - t" in text
    assert "seed: 3" in text
    assert "batch_size: 1" in text
    assert "image" not in text
    assert "null" not in text
    assert "postproc" not in text
