"""Any nn.Module whose forward() draws a picture from its own parameters, as a generator.

Knows nothing of the module except what one call of it shows.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from fastclipgen.errors import UserError
from fastclipgen.generators.base import Generator, Params, check_number
from fastclipgen.generators.fit import fit
from fastclipgen.ops.philox import Stream, normals

_TOLERANCE = 1e-3


class ModuleGenerator(Generator):
    """B independent copies of a module's trainable parameters, drawn together through torch.func.vmap.

    Made by `as_generator`. Works on a copy of the module in eval mode: the caller's module is never changed, and
    dropout or batch statistics cannot make one picture depend on another.
    """

    def __init__(
        self, module: nn.Module, height: int, width: int, jitter: float, fit_steps: int, fit_lr: float
    ) -> None:
        super().__init__(height, width)
        self.name = type(module).__name__
        check_number(self.name, "jitter", jitter, 0.0)
        check_number(self.name, "fit_steps", fit_steps, 0)
        check_number(self.name, "fit_lr", fit_lr, 0.0)
        self.module = module
        self.jitter, self.fit_steps, self.fit_lr = jitter, fit_steps, fit_lr
        self.trainable = [key for key, value in module.named_parameters() if value.requires_grad]
        module.requires_grad_(False)

    def init(self, seeds: Tensor) -> Params:
        """The module's own values for every picture, plus `jitter` times normal noise drawn from the picture's seed."""
        params = {key: value.clone() for key, value in self._copies(len(seeds), seeds.device).items()}
        if self.jitter:
            sizes = [value[0].numel() for value in params.values()]
            draws = normals(seeds, 0, Stream.INIT, sum(sizes))[:, 0].split(sizes, dim=1)
            for value, noise in zip(params.values(), draws, strict=True):
                value += self.jitter * noise.reshape(value.shape)
        return params

    def init_from(self, images: Tensor) -> Params:
        """A fit by `fit_steps` steps of Adam from the module's own values; as near as the module can draw."""
        self.check_images(images)
        start = self._copies(len(images), images.device)
        return fit(self, start, images, self.fit_steps, self.fit_lr)

    def forward(self, params: Params) -> Tensor:
        return vmap(self._draw)(params)

    def _copies(self, count: int, device: torch.device) -> Params:
        """The module's own values, seen `count` times without being copied."""
        own = {key: self.module.get_parameter(key) for key in self.trainable}
        return {
            key: value.detach().to(device, torch.get_default_dtype()).expand(count, *value.shape)
            for key, value in own.items()
        }

    def _draw(self, own: Params) -> Tensor:
        """One picture [3, H, W] from parameters without batch dimension."""
        image = functional_call(self.module, own, ())
        return image.reshape(image.shape[-3:])


def as_generator(
    module: nn.Module,
    height: int | None = None,
    width: int | None = None,
    *,
    jitter: float = 0.0,
    fit_steps: int = 300,
    fit_lr: float = 0.02,
) -> Generator:
    """Makes a generator of a `module` whose forward() draws a picture from the module's own parameters.

    The picture is floating, [3, H, W] or [1, 3, H, W], 0..1.

    A `Generator` is returned as it is. Otherwise the module is called once: height and width are taken from its
    picture, and compared with `height` and `width` where given. Parameters that do not require a gradient stay fixed.
    `jitter`: standard deviation of seeded noise on the starting parameters, so that pictures differ from the start.

    Raises UserError where the module has no trainable parameter, wants arguments, or draws anything else than such a
    picture.
    """
    if isinstance(module, Generator):
        _check_size(module.name, module.height, module.width, height, width)
        return module
    name = type(module).__name__
    if not any(value.requires_grad for value in module.parameters()):
        raise UserError(
            f"a module used as a generator needs parameters to optimise, but {name} has none that requires a gradient; "
            "give it an nn.Parameter"
        )
    try:
        own = copy.deepcopy(module).eval()
    except RuntimeError as error:
        raise UserError(
            f"a module used as a generator is copied, but {name} cannot be ({_first_line(error)}); keep only "
            "parameters, buffers and plain values in it"
        ) from error
    image = _check_image(name, _draw_once(name, own))
    _check_size(name, image.shape[-2], image.shape[-1], height, width)
    generator = ModuleGenerator(own, image.shape[-2], image.shape[-1], jitter, fit_steps, fit_lr)
    _check_batch(generator, image)
    return generator


def _draw_once(name: str, module: nn.Module) -> object:
    try:
        with torch.no_grad():
            return module()
    except Exception as error:
        raise UserError(
            f"forward() of a module used as a generator must draw a picture from the module's own parameters, without "
            f"arguments, but {name}() raised {type(error).__name__}: {_first_line(error)}"
        ) from error


def _check_image(name: str, image: object) -> Tensor:
    if not isinstance(image, Tensor):
        raise UserError(
            f"forward() of {name} must return a picture tensor [3, H, W] or [1, 3, H, W], got {type(image)}"
        )
    shape = list(image.shape)
    if not (len(shape) == 3 or (len(shape) == 4 and shape[0] == 1)) or shape[-3] != 3 or not image.is_floating_point():
        raise UserError(
            f"forward() of {name} must return a float picture [3, H, W] or [1, 3, H, W], got {image.dtype} {shape}; "
            "put the colours first and draw one picture a call"
        )
    low, high = float(image.min()), float(image.max())
    if not (low >= -_TOLERANCE and high <= 1.0 + _TOLERANCE):  # written so that NaN fails too
        raise UserError(
            f"forward() of {name} must return values from 0 to 1, got {low:.4g} to {high:.4g}; "
            "end it with a sigmoid or a clamp"
        )
    return image


def _check_size(name: str, height: int, width: int, asked_height: int | None, asked_width: int | None) -> None:
    if (asked_height or height, asked_width or width) != (height, width):
        raise UserError(
            f"the generator {name} draws pictures {width} wide and {height} high, but {asked_width or width} x "
            f"{asked_height or height} was asked for; leave the size out or change the module"
        )


def _check_batch(generator: ModuleGenerator, image: Tensor) -> None:
    """Drawing through vmap must work and give the picture of the plain call."""
    name = generator.name
    try:
        with torch.no_grad():
            batched = generator(generator.init(torch.zeros(2, dtype=torch.int64, device=image.device)))
    except Exception as error:
        raise UserError(
            f"a module used as a generator is drawn in batches by torch.func.vmap, but {name} raised "
            f"{type(error).__name__}: {_first_line(error)}; avoid .item(), in-place writes to buffers, random numbers, "
            "and branches on values in its forward()"
        ) from error
    single = image.reshape(image.shape[-3:]).to(batched.dtype)
    if generator.jitter == 0.0 and not torch.allclose(batched, single.expand_as(batched), atol=0.01):
        raise UserError(
            f"forward() of {name} must draw the same picture from the same parameters, but two calls differ; "
            "draw random numbers once, in __init__"
        )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or "no message").splitlines()[0]
