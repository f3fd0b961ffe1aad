"""FastGAN's generator written down a second time, with torch's spectral norm and the names of published files."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import spectral_norm

WIDTHS = {4: 16, 8: 8, 16: 4, 32: 2, 64: 2, 128: 1, 256: 0.5, 512: 0.25, 1024: 0.125}
EXCITED = {64: 4, 128: 8, 256: 16, 512: 32}
TWICE = (8, 32, 128, 512)


class Injected(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))


def conv(inside: int, outside: int, side: int) -> nn.Module:
    return spectral_norm(nn.Conv2d(inside, outside, side, padding=side // 2 if side == 3 else 0, bias=False))


def stage(inside: int, outside: int, twice: bool) -> nn.Sequential:
    first = [nn.Upsample(scale_factor=2), conv(inside, 2 * outside, 3)]
    norm = [nn.BatchNorm2d(2 * outside), nn.GLU(1)]
    if not twice:
        return nn.Sequential(*first, *norm)
    more = [conv(outside, 2 * outside, 3), Injected(), nn.BatchNorm2d(2 * outside), nn.GLU(1)]
    return nn.Sequential(*first, Injected(), *norm, *more)


class Plain(nn.Module):
    def __init__(self, size: int, base: int, latent: int) -> None:
        super().__init__()
        c = {side: int(times * base) for side, times in WIDTHS.items()}
        self.size = size
        self.init = nn.Module()
        up = spectral_norm(nn.ConvTranspose2d(latent, 2 * c[4], 4, bias=False))
        self.init.init = nn.Sequential(up, nn.BatchNorm2d(2 * c[4]), nn.GLU(1))
        for side in [side for side in WIDTHS if 4 < side <= size]:
            self.add_module(f"feat_{side}", stage(c[side // 2], c[side], side in TWICE))
        for side, source in EXCITED.items():
            if side <= size:
                excitation = nn.Module()
                excitation.main = nn.Sequential(
                    nn.AdaptiveAvgPool2d(4), conv(c[source], c[side], 4), nn.SiLU(), conv(c[side], c[side], 1)
                )
                self.add_module(f"se_{side}", excitation)
        self.to_128, self.to_big = conv(c[128], 3, 1), conv(c[size], 3, 3)

    def forward(self, z: Tensor, noise: dict[int, Tensor]) -> tuple[Tensor, Tensor]:
        maps = {4: self.init.init(z.reshape(len(z), -1, 1, 1))}  # pyright: ignore[reportCallIssue]
        for side in [side for side in WIDTHS if 4 < side <= self.size]:
            x, count = maps[side // 2], 0
            for layer in self.get_submodule(f"feat_{side}").children():
                if isinstance(layer, Injected):
                    x, count = x + layer.weight * noise[side][:, count, None], count + 1
                else:
                    x = layer(x)
            if side in EXCITED:
                main = self.get_submodule(f"se_{side}.main")
                x = x * torch.sigmoid(main(maps[EXCITED[side]]))
            maps[side] = x
        big, small = self.to_big(maps[self.size]), self.to_128(maps[128])
        return (big.tanh(), small.tanh()) if self.size == 1024 else (big, small)


def randomised(size: int = 256, base: int = 8, latent: int = 6, seed: int = 0) -> Plain:
    """Random everywhere, statistics and spectral vectors included, so that nothing can be in another's place unseen."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Plain(size, base, latent)
        for name, tensor in model.state_dict().items():
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 2.0)
            elif tensor.is_floating_point() and not name.endswith(("_u", "_v")):
                tensor.normal_(0.0, 0.5)
        model.train()
        with torch.no_grad():  # steps of the power iteration; the statistics move as well
            for _ in range(2):
                model(torch.randn(2, latent), {s: torch.randn(2, 2, s, s) for s in TWICE})
    return model.eval()


def all_file(model: Plain, averages: list[Tensor], prefix: str = "") -> dict[str, Any]:
    """What `all_<it>.pth` holds."""
    optimizer = torch.optim.Adam(model.parameters()).state_dict()
    named = {prefix + name: tensor for name, tensor in model.state_dict().items()}
    d = {f"{prefix}down_4.main.0.weight_orig": torch.ones(1)}
    return {"g": named, "d": d, "g_ema": averages, "opt_g": optimizer, "opt_d": optimizer}
