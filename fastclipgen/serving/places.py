"""The one folder from which requests may name files: weights, start pictures, masks, galleries.

A request names files relative to that folder. Links are followed, and what they lead to must lie in the folder too.
Whether anything exists outside it cannot be told from the answers. Loads no torch.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from fastclipgen.config.run import RunConfig
from fastclipgen.config.sampling import BUILTIN, WAYS
from fastclipgen.errors import UserError
from fastclipgen.guidance.prompts import parse_image_prompt
from fastclipgen.perceptors.spec import parse_clip
from fastclipgen.weights import known
from fastclipgen.weights.names import split_config

_FOLDER = "local-dir:"  # of open_clip: a folder that says itself what model it holds
_WEIGHTS = ("vqgan", "autoencoder", "gan", "cvae", "wgan", "clip_gen")
_PICTURES = ("init", "mask", "spot_mask", "overlay", "gallery")
_WEIGHTED = ("init_over",)  # PATH:NUMBERS
_LISTS = ("image_prompts", "image_labels", "vector_prompts", "target_images", "target_pixels")
FILES = (*_WEIGHTS, *_PICTURES, *_WEIGHTED, *_LISTS, "clip", "text_to_image")
"""Settings that may name files."""

REFUSED = {
    "trust_gan": "it would run code of whoever made the file",
    "device": "the server has chosen it",
    "memory": "the server has chosen it",
}
"""Settings that no request may have, and why."""


class Places:
    """folder: where requests may name files; None: nowhere."""

    def __init__(self, folder: Path | None) -> None:
        if folder is not None and not folder.is_dir():
            raise UserError(f"expected a folder for --models, got '{folder}'; make it, or name another")
        self._folder = None if folder is None else folder.resolve()

    def located(self, config: RunConfig) -> RunConfig:
        """The settings with the paths of this machine for the files that they name. Raises UserError for a file that is
        not in the folder, and for settings that no request may have."""
        for name in REFUSED:
            if getattr(config, name) != type(config).model_fields[name].default:
                self.refuse(name)
        found: dict[str, Any] = {}
        for name in (*_WEIGHTS, *_PICTURES, *_WEIGHTED):
            if (value := getattr(config, name)) is not None:
                found[name] = self._setting(name)(value, name)
        for name in _LISTS:
            found[name] = [self._weighted(value, name) for value in getattr(config, name)]
        found["clip"] = [self._clip(value) for value in config.clip]
        if config.text_to_image not in WAYS:
            found["text_to_image"] = self.file(config.text_to_image, "text_to_image")
        return config.model_copy(update=found)

    @staticmethod
    def refuse(name: str) -> NoReturn:
        raise UserError(f"the setting '{name}' cannot come with a request ({REFUSED[name]}); leave it out")

    def beside(self, name: str) -> str:
        """The path of a file of this name in the folder, whether there is one or not: what a text that came with a
        request is called."""
        return name if self._folder is None else str(self._folder / name)

    def reach(self, path: Path) -> Path:
        """What a path leads to. Raises UserError where that is not a file of the folder."""
        if self._folder is None:
            raise UserError(f"'{path.name:.80}' is a file, but this server lends none; start it with --models DIR")
        found = self._inside(path)
        if found is None:
            raise UserError(
                f"there is no file '{path.name:.80}' there in the server's --models folder; give a path in that folder"
            )
        return found

    def as_asked(self, text: str) -> str:
        """A sentence without the folder's own path."""
        return text if self._folder is None else text.replace(f"{self._folder}/", "")

    def _setting(self, name: str) -> Callable[[str, str], str]:
        if name in _WEIGHTS:
            return self._weights
        return self._weighted if name in _WEIGHTED else self.file

    def _weights(self, text: str, setting: str) -> str:
        path, config = split_config(text)
        if path != BUILTIN and path not in known.names(setting.replace("_", "-")):
            path = self.file(path, setting)
        return path if config is None else f"{path}:{self.file(config, setting)}"

    def _weighted(self, text: str, setting: str) -> str:
        path = parse_image_prompt(text).path
        before, _, numbers = text.partition(path)
        return f"{before}{self.file(path, setting)}{numbers}"

    def _clip(self, text: str) -> str:
        spec = parse_clip(text)
        if spec.name.startswith(_FOLDER):
            return f"{_FOLDER}{self.file(spec.name.removeprefix(_FOLDER), 'clip')}@{spec.weight!r}"
        if spec.name.startswith("hf-hub:"):
            raise UserError(
                f"the clip '{text}' is a repository that anyone may have made, which this server does not fetch; name "
                "an architecture and a tag, as in ViT-B-32:openai"
            )
        if spec.path is not None:
            return f"{spec.name}:{self.file(str(spec.path), 'clip')}@{spec.weight!r}"
        return text

    def file(self, name: str, setting: str) -> str:
        """The path of this machine for what a setting names. Raises UserError."""
        if self._folder is None:
            raise UserError(
                f"the setting '{setting}' names the file {name!r:.80}, but this server lends none; start it with "
                "--models DIR"
            )
        missing = UserError(
            f"the setting '{setting}' names {name!r:.80}, and there is no such file in the server's --models folder; "
            "give a path below that folder"
        )
        if "\0" in name or Path(name).is_absolute():
            raise missing
        path = self._inside(self._folder / name)
        if path is None:
            raise missing
        return str(path)

    def _inside(self, path: Path) -> Path | None:
        """What a path leads to, if that is there and in the folder."""
        assert self._folder is not None
        try:
            found = path.resolve(strict=True)
        except (OSError, RuntimeError, ValueError):  # RuntimeError: links in a circle; ValueError: a null character
            return None
        return found if found.is_relative_to(self._folder) else None
