"""What `--gan` names: checkpoints and programs, and what is said of files that are neither."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from fastclipgen.errors import UserError
from fastclipgen.generators import gan_networks
from fastclipgen.generators.gan_networks import FastGans
from fastclipgen.models.exported import Exported

from ..models.test_exported import Net, scripted
from . import tiny_gan


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_file(tiny_gan.checkpoint(), tmp_path / "ours.safetensors")
    torch.save(tiny_gan.all_file(), tmp_path / "all_100000.pth")
    program = torch.export.export(Net(lambda x: 5 * x), (torch.zeros(1, 5),))
    torch.export.save(program, tmp_path / "net.pt2")
    scripted(Net()).save(str(tmp_path / "net.pt"))  # pyright: ignore[reportCallIssue]
    torch.save({"a": torch.ones(2)}, tmp_path / "other.pth")
    return tmp_path


def test_checkpoints(folder: Path) -> None:
    ours = gan_networks.load(str(folder / "ours.safetensors"), None, None, False)
    assert isinstance(ours, FastGans)
    assert ours.average is None
    z = torch.ones(1, tiny_gan.LATENT)
    torch.testing.assert_close(ours.plain(z), tiny_gan.network()(z))
    theirs = gan_networks.load(str(folder / "all_100000.pth"), None, None, False)
    assert isinstance(theirs, FastGans)
    assert theirs.average is not None
    assert (theirs.plain.calibrated, theirs.average.calibrated) == (True, False)
    torch.testing.assert_close(theirs.plain.to_big.weight, tiny_gan.network(0).to_big.weight)
    torch.testing.assert_close(theirs.average.to_big.weight, tiny_gan.network(1).to_big.weight)


def test_programs(folder: Path) -> None:
    """A file of torch.export says itself how long its latents are, one of TorchScript does not."""
    z = torch.ones(1, 5)
    for name, dim, values, scale in (("net.pt2", None, (-5.0, 5.0), 5), ("net.pt", 5, None, 1)):
        network = gan_networks.load(str(folder / name), dim, values, True)
        assert isinstance(network, Exported)
        assert network.size == (4, 6)
        torch.testing.assert_close(scale * network(z), network.call(z))
    with pytest.raises(UserError, match=r"net\.pt' does not say how long its latents are; add --latent-dim"):
        gan_networks.load(str(folder / "net.pt"), None, None, True)
    with pytest.raises(UserError, match=r"takes no latents \[1, 7\]"):
        gan_networks.load(str(folder / "net.pt2"), 7, None, True)
    with pytest.raises(UserError, match=r"net\.pt2' of the GAN is a torch\.export program, .* add --trust-gan if"):
        gan_networks.load(str(folder / "net.pt2"), None, None, False)


def test_what_a_checkpoint_does_not_take(folder: Path) -> None:
    file = str(folder / "ours.safetensors")
    for name, given in (
        ("latent_dim", (12, None, False)), ("gan_range", (None, (0.0, 1.0), False)), ("trust_gan", (None, None, True)),
    ):  # fmt: skip
        with pytest.raises(UserError, match=f"setting '{name}' is for programs .*, but '.*' is a checkpoint"):
            gan_networks.load(file, *given)


def test_files_that_are_neither(folder: Path) -> None:
    with pytest.raises(UserError, match="holds no FastGAN"):
        gan_networks.load(str(folder / "other.pth"), None, None, False)
    with pytest.raises(UserError, match=r"--gan names 'none\.pth', and there is no such file"):
        gan_networks.check_file("none.pth")


def test_without_the_one_that_ships(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Path:
        raise UserError(name)

    monkeypatch.setattr(gan_networks, "asset", missing)
    with pytest.raises(UserError, match="no GAN ships with this version; give one with --gan"):
        gan_networks.check_file("builtin")
