"""Any open_clip model as a perceptor: from a pretrained tag, a local checkpoint, a hub repository or a local folder.

Files are fetched and checked first (hub.py, weights/checkpoint.py); open_clip then builds the model and reads the
weights with its own `create_model`, which never gets to ask the network itself. Knows nothing of `auto` and of
fallbacks: what is named is loaded or it is a UserError.
"""

from __future__ import annotations

import importlib.util
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.constants import HF_CONFIG_NAME, HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME
from torch import Tensor, nn

from fastclipgen.errors import UserError
from fastclipgen.perceptors import hub, names, short_texts
from fastclipgen.perceptors.base import FrozenPerceptor, as_perceptor
from fastclipgen.perceptors.frozen import patch_side, simplify
from fastclipgen.perceptors.spec import ClipSpec
from fastclipgen.weights.checkpoint import Advice, BrokenFile, check_checkpoint

_HUB, _FOLDER = "hf-hub:", "local-dir:"


class OpenClipModel(nn.Module):
    """An open_clip model and its tokenizer with the attributes of the `Perceptor` protocol."""

    def __init__(self, model: nn.Module, tokenizer: Any, name: str, notice: Callable[[str], None]) -> None:
        super().__init__()
        self.model: Any = model
        self.tokenizer = tokenizer
        self.name = name
        self.image_size = self.visual.image_size
        self.patch_side = patch_side(self.visual)
        self.mean: tuple[float, ...] = tuple(self.visual.preprocess_cfg["mean"])
        self.std: tuple[float, ...] = tuple(self.visual.preprocess_cfg["std"])
        self._notice = notice
        self._noticed = False

    @property
    def visual(self) -> Any:
        """The image tower, the only part that follows the precision asked for."""
        return self.model.visual

    def encode_image(self, views: Tensor) -> Tensor:
        return self.model.encode_image(views)

    def encode_text(self, texts: list[str]) -> Tensor:
        """Embeddings of the texts; of a text longer than the model reads, the end is ignored, which is said once."""
        return self.model.encode_text(self._tokens(texts))

    def encode_many(self, texts: list[str]) -> Tensor:
        """As `encode_text`, up to rounding, for many texts that are mostly shorter than what the model reads."""
        tokens = self._tokens(texts)
        if short_texts.fits(self.model, self.tokenizer):
            return short_texts.encode(self.model, tokens)
        return self.model.encode_text(tokens)

    def _tokens(self, texts: list[str]) -> Tensor:
        tokens = self.tokenizer(texts)
        # a text that leaves padding at the end was not cut; other tokenizers than CLIP's may pad with anything
        full = (tokens[:, -1] != 0).tolist() if hasattr(self.tokenizer, "encode") else [True] * len(texts)
        for text, fills in zip(texts, full, strict=True):
            if fills:
                self._notice_length(text)
        return tokens.to(self.model.logit_scale.device)

    def _notice_length(self, text: str) -> None:
        limit = self.tokenizer.context_length
        if self._noticed or (length := _token_count(self.tokenizer, text)) <= limit:
            return
        self._noticed = True
        self._notice(
            f"{self.name} reads {limit} tokens, the text '{text[:40]}...' has {length}: the rest is ignored; shorten "
            "it, or split it into several prompts with '|'"
        )


def load(spec: ClipSpec, notice: Callable[[str], None]) -> FrozenPerceptor:
    """The model that `spec` names, in float32 on the CPU; `notice` hears later of texts that are too long.

    Downloads what is not cached. Raises UserError: unknown names, no hub, failed downloads, wrong or broken files.
    """
    if spec.name.startswith(_HUB):
        return _from_hub(spec.name, notice)
    if spec.name.startswith(_FOLDER):
        return _from_folder(Path(spec.name.removeprefix(_FOLDER)).expanduser(), spec.name, notice)
    arch = names.architecture(spec.name)
    if spec.path is not None:
        return load_checkpoint(arch, spec.path, names.unlabelled(arch), f"{arch}:{spec.path}", notice)
    tag = names.tag_of(arch, spec.tag)
    label, weights = f"{arch}:{tag}", names.pretrained(arch, tag)
    if weights.source is None and weights.file is None:
        raise UserError(f"the weights of {label} are not on the hub; get them by hand and give --clip {arch}:PATH")
    path = weights.file or obtain_checkpoint(weights.source, label)  # pyright: ignore[reportArgumentType]
    return load_checkpoint(arch, path, weights, label, notice)


def load_checkpoint(
    arch: str, path: Path, weights: names.Pretrained, label: str, notice: Callable[[str], None]
) -> FrozenPerceptor:
    """The architecture `arch`, in registered spelling, with the weights of a local file. Raises UserError."""
    _need_transformers(open_clip.get_model_config(arch) or {}, label)
    check_checkpoint(path, label, _advice(path))
    statistics = {"mean": weights.mean, "std": weights.std} if weights.mean and weights.std else None
    with _building(path, label):
        model = open_clip.create_model(
            arch,
            pretrained=str(path),
            force_quick_gelu=weights.quick_gelu,
            force_preprocess_cfg=statistics,
            require_pretrained=True,
            weights_only=True,
        )
        tokenizer = open_clip.get_tokenizer(arch)
    return _finish(model, tokenizer, path, label, notice)


def obtain_checkpoint(source: hub.Source, label: str) -> Path:
    """The cached or downloaded checkpoint; a damaged one is deleted, so that the next try fetches it anew.

    Raises UserError.
    """
    path = hub.obtain(source, label)
    try:
        check_checkpoint(path, label, _advice(path))
    except BrokenFile as error:
        if hub.intact(path) is True:
            raise
        hub.discard(path)
        raise BrokenFile(f"{error} (the damaged file was removed from the cache)") from error
    return path


def _advice(path: Path) -> Advice:
    return Advice(
        folder=f"name the file in it, or write --clip local-dir:{path} if it has an open_clip_config.json",
        program="save its state_dict as .safetensors, or use the tag 'openai' if it is OpenAI's file",
        nothing="give the state_dict of a CLIP model",
    )


def _from_hub(name: str, notice: Callable[[str], None]) -> FrozenPerceptor:
    repo = name.removeprefix(_HUB)
    weights = obtain_checkpoint(hub.Source(repo, (HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME)), name)
    config = hub.obtain(hub.Source(repo, (HF_CONFIG_NAME,)), name)
    if config.parent != weights.parent:
        raise UserError(f"{name} changed on the hub while it was downloaded; run the command again")
    # read as a folder, because open_clip asks the network for a hub name even when everything is cached
    try:
        return _from_folder(weights.parent, name, notice)
    except BrokenFile:
        hub.discard(config)
        raise


def _from_folder(folder: Path, label: str, notice: Callable[[str], None]) -> FrozenPerceptor:
    config_file = folder / HF_CONFIG_NAME
    files = [file for suffix in ("safetensors", "bin", "pth") for file in sorted(folder.glob(f"*.{suffix}"))]
    if not config_file.is_file() or not files:
        lacking = f"an {HF_CONFIG_NAME}" if files else "a checkpoint (.safetensors, .bin, .pth)"
        raise UserError(f"{label} must be a folder with {HF_CONFIG_NAME} and a checkpoint, '{folder}' lacks {lacking}")
    try:
        config = json.loads(config_file.read_text(encoding="utf-8"))["model_cfg"]
    except (ValueError, KeyError, TypeError) as error:
        raise BrokenFile(f"'{config_file}' of {label} must be JSON with a 'model_cfg'; got something else") from error
    _need_transformers(config, label)
    for file in files:
        check_checkpoint(file, label, _advice(file))
    with _building(files[0], label):
        model = open_clip.create_model(f"{_FOLDER}{folder}", require_pretrained=True, weights_only=True)
        # a hub repository names its tokenizer, a folder of the user's must hold it
        named = label.startswith(_HUB) and "hf_tokenizer_name" in config["text_cfg"]
        tokenizer = open_clip.get_tokenizer(label if named else f"{_FOLDER}{folder}")
    return _finish(model, tokenizer, files[0], label, notice)


def _finish(model: Any, tokenizer: Any, path: Path, label: str, notice: Callable[[str], None]) -> FrozenPerceptor:
    if not all(bool(torch.isfinite(parameter).all()) for parameter in model.parameters()):
        raise UserError(f"the checkpoint '{path}' of {label} holds values that are not finite; fetch it again")
    simplify(model.eval().get_submodule("visual"))
    return as_perceptor(OpenClipModel(model, tokenizer, label, notice))


@contextmanager
def _building(path: Path, label: str) -> Iterator[None]:
    """Around open_clip: leaves torch's random numbers and the root logger as they were, and explains what it raises."""
    silencer = logging.NullHandler()  # without a handler open_clip's first message would install one for the program
    logging.getLogger().addHandler(silencer)
    try:
        with torch.random.fork_rng(devices=[]), hub.cache_only_when_unreachable():
            yield
    except ImportError as error:
        raise UserError(f"{label} needs the package '{error.name}'; run 'pip install {error.name}'") from error
    except Exception as error:  # open_clip raises whatever its parts raise when weights do not fit
        raise UserError(
            f"the checkpoint '{path}' does not fit {label}: {_mismatch(error)}; give the architecture it was trained as"
        ) from error
    finally:
        logging.getLogger().removeHandler(silencer)


def _mismatch(error: Exception) -> str:
    """The telling line of a load_state_dict error, or the first line of any other."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return lines[1 if len(lines) > 1 and "loading state_dict" in lines[0] else 0].rstrip(".")[:160]


def _need_transformers(config: dict[str, Any], label: str) -> None:
    text = config.get("text_cfg", {})
    if (text.get("hf_tokenizer_name") or text.get("hf_model_name")) and importlib.util.find_spec(
        "transformers"
    ) is None:
        raise UserError(
            f"{label} reads text with the package 'transformers'; run 'pip install transformers sentencepiece'"
        )


def _token_count(tokenizer: Any, text: str) -> int:
    """Tokens of a text before truncation, the marks at its ends included."""
    if hasattr(tokenizer, "encode"):
        return len(tokenizer.encode(text)) + 2
    return len(tokenizer.tokenizer(text)["input_ids"])
