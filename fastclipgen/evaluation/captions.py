"""What each picture should show, and which CLIPs drew it: from the settings stored in it, or from a list.

Knows nothing of what is done with the texts.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from fastclipgen.errors import UserError
from fastclipgen.guidance.prompts import parse_prompts
from fastclipgen.outputs.metadata import read_metadata


def stored_prompt(file: str) -> str | None:
    """The text that a picture of ours was drawn for, without weights; several are joined by commas, and those it was to
    move away from are left out. None for other pictures, and for those drawn without a text."""
    settings = _stored(file).get("settings")
    prompts = settings.get("prompts") if isinstance(settings, dict) else None
    if not isinstance(prompts, list) or not prompts or not isinstance(prompts[0], str):
        return None
    try:
        texts = [prompt.text for prompt in parse_prompts(prompts[0]) if prompt.weight > 0]
    except UserError:  # settings of another version
        return None
    return ", ".join(texts) or None


def stored_guides(file: str) -> set[str]:
    """The names of the CLIPs that drew a picture of ours; none for other pictures."""
    clips = _stored(file).get("clip")
    return {str(clip).split(" (")[0] for clip in clips} if isinstance(clips, list) else set()


def listed_prompts(files: Sequence[str], source: Path) -> list[str | None]:
    """The text of each file by a list: CSV with the columns file and prompt, or a text a line in the files' order.

    A name in the CSV is a path as given, or one from the CSV's own folder on, or the bare name of a file. Files that it
    does not have get None. Raises UserError for a list that cannot be read, that fits no file, or, of a text a line,
    that has another length.
    """
    try:
        content = source.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--prompts '{source}' cannot be read ({error}); give a file in UTF-8") from error
    if source.suffix.lower() == ".csv":
        return _by_name(files, source, content)
    lines = [line.strip() for line in content.splitlines() if line.strip()]
    if len(lines) != len(files):
        raise UserError(
            f"--prompts '{source}' has {len(lines)} lines for {len(files)} pictures; give a line for each picture, or "
            "a CSV file with the columns file and prompt"
        )
    return list(lines)


def _by_name(files: Sequence[str], source: Path, content: str) -> list[str | None]:
    rows = csv.DictReader(content.splitlines())
    if not {"file", "prompt"} <= set(rows.fieldnames or ()):
        raise UserError(
            f"--prompts '{source}' needs the columns file and prompt, its first line has "
            f"{', '.join(rows.fieldnames or ()) or 'nothing'}; name them there"
        )
    by_path: dict[str, str] = {}
    for row in rows:
        name, prompt = (row["file"] or "").strip(), (row["prompt"] or "").strip()
        if name and prompt:
            by_path |= dict.fromkeys((name, str((source.parent / name).resolve())), prompt)
    found = [next((by_path[key] for key in _keys(file) if key in by_path), None) for file in files]
    if not any(found):
        raise UserError(f"--prompts '{source}' names none of the {len(files)} pictures; check its column file")
    return found


def _keys(file: str) -> tuple[str, str, str]:
    return file, str(Path(file).resolve()), Path(file).name


def _stored(file: str) -> dict:
    try:
        return read_metadata(file)
    except UserError:
        return {}
