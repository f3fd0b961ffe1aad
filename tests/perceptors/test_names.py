"""Names and tags in the spellings people use, and what a tag stands for."""

from __future__ import annotations

from collections.abc import Callable

import open_clip
import pytest

from fastclipgen.errors import UserError
from fastclipgen.perceptors import names


@pytest.mark.parametrize(
    ("given", "registered"),
    [
        ("ViT-B-32", "ViT-B-32"),
        ("ViT-B/32", "ViT-B-32"),
        ("vit_b_32", "ViT-B-32"),
        ("ViT-L/14@336px", "ViT-L-14-336"),
        ("vit-b/32-quickgelu", "ViT-B-32-quickgelu"),
    ],
)
def test_architecture(given: str, registered: str):
    assert names.architecture(given) == registered


def test_no_two_architectures_share_a_spelling():
    assert all(names.architecture(names._key(name)) == name for name in open_clip.list_models())


def test_unknown_names_and_tags():
    with pytest.raises(UserError, match="'ViT-B-33'; did you mean 'ViT-B-32'"):
        names.architecture("ViT-B-33")
    with pytest.raises(UserError, match=r"'openia' for 'ViT-B-32'; did you mean 'openai'.*--filter ViT-B-32"):
        names.tag_of("ViT-B-32", "openia")
    with pytest.raises(UserError, match="not trained with QuickGELU; write --clip ViT-B-32:laion2b_e16"):
        names.tag_of("ViT-B-32-quickgelu", "laion2b_e16")
    with pytest.raises(UserError, match="no pretrained weights are known for 'ViT-M-16'"):
        names.tag_of("ViT-M-16", None)


def test_tag():
    assert names.tag_of("ViT-B-32", "LAION2B-s34b-b79k") == "laion2b_s34b_b79k"
    assert names.tag_of("ViT-B-32", None) == "openai"
    assert names.tag_of("ViT-H-14", None) == "laion2b_s32b_b79k"


def test_every_tag_has_a_place_to_come_from():
    missing = [pair for pair in open_clip.list_pretrained() if names.pretrained(*pair).source is None]
    assert missing == []


def test_source_prefers_safetensors():
    source = names.pretrained("ViT-B-32", "laion2b_s34b_b79k").source
    assert source is not None
    assert source.repo == "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"
    assert source.filenames == ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
    vitamin = names.pretrained("ViTamin-S", "datacomp1b").source
    assert vitamin is not None
    assert vitamin.filenames == ("pytorch_model.safetensors", "pytorch_model.bin")


def test_local_checkpoint_takes_what_all_known_weights_agree_on(arch: str, add_tag: Callable[..., None]):
    assert names.unlabelled("RN50x4").quick_gelu
    assert not names.unlabelled("ViT-B-32").quick_gelu
    assert names.unlabelled("ViT-B-32-quickgelu").quick_gelu
    assert names.unlabelled("ViT-B-16-SigLIP").mean == (0.5, 0.5, 0.5)
    assert names.unlabelled(arch).mean is None
    add_tag(arch, "a", mean=(0.1, 0.1, 0.1))
    assert names.unlabelled(arch).mean == (0.1, 0.1, 0.1)
    add_tag(arch, "b", mean=(0.2, 0.2, 0.2))
    assert names.unlabelled(arch).mean is None
