"""Trained models -> the files that ship: fp16 safetensors, as the loading code expects them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from fastclipgen.outputs.atomic import replace_file


def save_half(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    """Write the tensors, floats as fp16; metadata: texts for the file's head. A file that is there is replaced, whole
    or not at all, and others may read it as the umask says (safetensors' own writing lets the owner alone). Raises
    UserError where it cannot be written."""
    halves = {k: (v.half() if v.is_floating_point() else v).contiguous() for k, v in tensors.items()}
    content = save(halves, metadata)
    replace_file(path, lambda file: file.write(content))


def whiten(means: Tensor, variances: Tensor) -> dict[str, Tensor]:
    """The mean [D] and Cholesky factor [D, D] of latents whose posteriors have these means and variances [n, D]."""
    means, variances = means.double(), variances.double()
    covariance = torch.cov(means.T, correction=0).reshape(means.shape[1], -1) + variances.mean(0).diag()
    return {"prior_mean": means.mean(0).float(), "prior_factor": torch.linalg.cholesky(covariance).float()}


def fold_normalisation(tensors: dict[str, Tensor], mean: Sequence[float], std: Sequence[float]) -> dict[str, Tensor]:
    """A CLIP trained on colours in 0..1 -> the same for views normalised with `mean` and `std`, as open_clip does.

    conv(std * view + mean) is conv with its weights times std, plus a constant that the running mean of the
    normalisation layer behind it takes up. Equal but for the outermost pixels, whose padding was black and is now grey.
    """
    folded = {key: value.clone() for key, value in tensors.items()}
    weight = folded["visual.conv1.weight"].double()  # [C, 3, 3, 3]
    centre, spread = (torch.tensor(v, dtype=torch.float64).view(1, 3, 1, 1) for v in (mean, std))
    running = folded["visual.bn1.running_mean"]
    folded["visual.bn1.running_mean"] = (running.double() - (weight * centre).sum((1, 2, 3))).to(running.dtype)
    folded["visual.conv1.weight"] = (weight * spread).float()
    return folded
