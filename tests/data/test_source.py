"""`--data`: what it names, and what every source promises."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from fastclipgen.data.shapes import HELD_OUT_SEED, ShapesDataset
from fastclipgen.data.source import open_source
from fastclipgen.errors import UserError

from . import photos


def test_shapes_never_end_and_are_the_world_itself() -> None:
    source = open_source("shapes", 16, 5, 4)
    assert source.pictures is None
    batch = source.batch(3, range(1, 4))
    truth = ShapesDataset(5, 16).images(np.array([13, 14, 15]))
    assert torch.equal(batch, torch.from_numpy(np.rint(truth * 255).astype(np.uint8)).permute(0, 3, 1, 2))
    held_out = torch.from_numpy(np.rint(ShapesDataset(HELD_OUT_SEED, 16).images(np.arange(2)) * 255))
    assert torch.equal(source.held_out(2).float(), held_out.permute(0, 3, 1, 2))
    assert source.identity() != open_source("shapes", 16, 6, 4).identity()


def test_a_share_of_shapes_is_easy() -> None:
    source = open_source("shapes:0.75", 16, 5, 8)
    data = ShapesDataset(5, 16)
    indices = data.mixed(3, 8, 0.75)
    facts = data.scenes(indices).facts
    easy = (facts[:, 0] == 1) & (facts[:, 8] == 0) & (facts[:, 3] > 0)
    assert easy[:6].all()
    assert not set(indices) & set(data.mixed(4, 8, 0.75))
    truth = torch.from_numpy(np.rint(data.images(indices) * 255).astype(np.uint8)).permute(0, 3, 1, 2)
    assert torch.equal(source.batch(3, range(8)), truth)
    assert torch.equal(source.batch(3, range(2, 5)), truth[2:5])
    held_out = ShapesDataset(HELD_OUT_SEED, 16)
    wanted = np.rint(held_out.images(held_out.mixed(0, 4, 0.75)) * 255)
    assert torch.equal(source.held_out(4).float(), torch.from_numpy(wanted).permute(0, 3, 1, 2))
    assert source.identity() != open_source("shapes", 16, 5, 8).identity()
    assert source.identity() != open_source("shapes:0.5", 16, 5, 8).identity()


def test_a_folder_by_name(tmp_path: Path) -> None:
    photos.folder(tmp_path, 5)
    source = open_source(f"folder:{tmp_path}", 8, 0, 2)
    assert (source.size, source.pictures) == (8, 4)
    assert source.batch(0, range(2)).shape == (2, 3, 8, 8)
    assert source.identity() != open_source(f"folder:{tmp_path}", 8, 0, 2, short_side=9).identity()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("shape", "unknown data 'shape'; did you mean 'shapes'?"),
        ("shapes:2", "takes a share of easy pictures from 0 to 1 or nothing, as in shapes:0.8; got '2'"),
        ("shapes:", "takes a share of easy pictures from 0 to 1 or nothing, as in shapes:0.8; got ''"),
        ("folder", "--data folder takes a place, folder:DIR; got 'folder'"),
        ("cc:", "--data cc takes a place, cc:SHARDS; got 'cc:'"),
        ("folder:gone", "folder:gone needs the folder 'gone', and there is none"),
        ("coco:gone", "coco:gone must hold train2017/"),
        ("cc:gone.tar", "names 'gone.tar', and there is no such file"),
    ],
)
def test_mistakes(text: str, sentence: str) -> None:
    with pytest.raises(UserError) as error:
        open_source(text, 8, 0, 2)
    assert sentence in str(error.value)
