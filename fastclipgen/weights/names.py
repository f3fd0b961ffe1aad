"""What a user writes for files of weights -> their paths. Reads no file."""

from __future__ import annotations

from pathlib import Path

from fastclipgen.errors import UserError, nearest
from fastclipgen.weights.known import names

_SUFFIXES = {".pth", ".pt", ".ckpt", ".bin", ".safetensors"}


def file_of(text: str, option: str) -> Path:
    """The existing file that `--option` names. Raises UserError."""
    path = Path(text).expanduser()
    if path.is_dir():
        raise UserError(f"--{option} takes a file, '{text}' is a folder; name the file in it")
    if not path.exists():
        raise UserError(
            f"--{option} names '{text}', and there is no such file{nearest(text, names(option))}; check the path"
        )
    return path


def split_config(text: str) -> tuple[str, str | None]:
    """PATH[:YAML] -> path and YAML file, or None; what is behind the last colon counts as one by its ending."""
    path, colon, config = text.rpartition(":")
    return (path, config) if colon and path and config.lower().endswith((".yaml", ".yml")) else (text, None)


def halves(text: str, option: str) -> tuple[Path, Path | None]:
    """The decoder's file, and the encoder's beside it or None, of an autoencoder: `text` is the decoder's file or a
    folder with one file named *decoder*. Raises UserError."""
    path = Path(text).expanduser()
    if path.is_dir():
        found = sorted(f for f in path.iterdir() if "decoder" in f.stem.lower() and f.suffix.lower() in _SUFFIXES)
        if len(found) != 1:
            names = ", ".join(f"'{file.name}'" for file in found) or "none"
            raise UserError(
                f"--{option} takes a folder with one decoder's file (taesd_decoder.pth), '{text}' has {names}; name "
                "the file"
            )
        path = found[0]
    path = file_of(str(path), option)
    encoder = path.with_name(path.name.replace("decoder", "encoder").replace("Decoder", "Encoder"))
    return path, encoder if encoder != path and encoder.is_file() else None
