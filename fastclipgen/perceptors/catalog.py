"""`fastclipgen models`: which CLIP models there are, which are cached and how large, and `models get` to fetch one.

Functions first, the command line around them last. Loads no model; torch and open_clip are imported only when a
function runs.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from fastclipgen.errors import UserError
from fastclipgen.perceptors.spec import AUTO, BUILTIN, parse_clip
from fastclipgen.weights.files import readable


@dataclass(frozen=True)
class ModelRow:
    """One set of weights: its name as `--clip` takes it and, if it is on this machine, its file and size in bytes."""

    name: str
    path: Path | None
    size: int | None

    @property
    def cached(self) -> bool:
        return self.path is not None


def list_models(cached_only: bool = False, filter: str = "") -> list[ModelRow]:
    """All models whose name contains `filter`, in any case: the built-in one, open_clip's tags, other cached models.

    An architecture without pretrained weights is listed too, by its bare name: it takes NAME:PATH.
    """
    from fastclipgen.perceptors import builtin, hub, names

    rows = [_row(BUILTIN, builtin.WEIGHTS if builtin.WEIGHTS.is_file() else None)]
    known_repos = set()
    for arch in names.architectures():
        if arch == builtin.CONFIG.stem or arch.endswith(names.QUICKGELU):
            continue  # the row 'builtin'; the same weights as the plain name
        tags = names.tags(arch)
        if not tags:
            rows.append(_row(arch, None))
        for tag in tags:
            weights = names.pretrained(arch, tag)
            if weights.source is not None:
                known_repos.add(weights.source.repo)
            path = weights.file or (hub.cached(weights.source) if weights.source else None)
            rows.append(_row(f"{arch}:{tag}", path))
    rows += [row for row in _other_repositories() if row.name.removeprefix("hf-hub:") not in known_repos]
    return [row for row in rows if filter.lower() in row.name.lower() and (row.cached or not cached_only)]


def get_model(spec: str) -> Path:
    """Downloads the weights of NAME:TAG or hf-hub:ORG/MODEL with a progress bar, checks them, returns the file.

    A cached file is checked against its hash, and fetched anew if it is damaged. Raises UserError.
    """
    from open_clip.constants import HF_CONFIG_NAME, HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME

    from fastclipgen.perceptors import auto, builtin, hub, names, open_clip

    clip = parse_clip(auto.REAL if spec.strip() == AUTO else spec)
    if clip.name == BUILTIN:
        return builtin.WEIGHTS
    if clip.path is not None or clip.name.startswith("local-dir:"):
        raise UserError(f"'{spec}' names a local file, there is nothing to download; use it as --clip {spec}")
    if clip.name.startswith("hf-hub:"):
        repo, label = clip.name.removeprefix("hf-hub:"), clip.name
        source: hub.Source | None = hub.Source(repo, (HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME))
        hub.obtain(hub.Source(repo, (HF_CONFIG_NAME,)), label)
    else:
        arch = names.architecture(clip.name)
        label = f"{arch}:{names.tag_of(arch, clip.tag)}"
        source = names.pretrained(*label.split(":")).source
    if source is None:
        raise UserError(f"the weights of {label} are not on the hub, there is nothing to download")
    path = hub.cached(source)
    if path is not None and hub.intact(path) is False:
        hub.discard(path)
    return open_clip.obtain_checkpoint(source, label)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `fastclipgen models`."""
    parser.add_argument("--cached", action="store_true", help="only what is on this machine")
    parser.add_argument("--filter", default="", metavar="TEXT", help="only names that contain TEXT")
    actions = parser.add_subparsers(dest="models_action", metavar="get NAME:TAG")
    get = actions.add_parser("get", help="download a model into the cache and check it")
    get.add_argument("spec", metavar="NAME:TAG", help="as --clip takes it, for instance ViT-B-32:laion2b_s34b_b79k")


def run(args: argparse.Namespace) -> int:
    """Does what `fastclipgen models` was asked, prints to stdout, returns the exit code."""
    if args.models_action == "get":
        path = get_model(args.spec)
        print(f"{args.spec}: {path} ({readable(path.stat().st_size)})")
        return 0
    rows = list_models(args.cached, args.filter)
    width = max((len(row.name) for row in rows), default=0)
    for row in rows:
        print(f"{row.name:{width}}  {f'{readable(row.size)}  {row.path}' if row.size is not None else '-'}".rstrip())
    print(_summary(rows))
    return 0


def _row(name: str, path: Path | None) -> ModelRow:
    return ModelRow(name, path, None if path is None else path.stat().st_size)


def _other_repositories() -> list[ModelRow]:
    """Cached hub repositories with an open_clip model, whoever downloaded them."""
    from huggingface_hub import CacheNotFound, constants, scan_cache_dir
    from open_clip.constants import HF_CONFIG_NAME, HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME

    from fastclipgen.perceptors import hub

    try:
        repos = scan_cache_dir(constants.HF_HUB_CACHE).repos
    except CacheNotFound:
        return []
    found = []
    for repo in sorted(repos, key=lambda repo: repo.repo_id):
        config = hub.cached(hub.Source(repo.repo_id, (HF_CONFIG_NAME,))) if repo.repo_type == "model" else None
        weights = config and hub.cached(hub.Source(repo.repo_id, (HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME)))
        if weights:
            found.append(_row(f"hf-hub:{repo.repo_id}", weights))
    return found


def _summary(rows: list[ModelRow]) -> str:
    from huggingface_hub import constants

    sizes = {row.path: row.size or 0 for row in rows if row.path is not None}
    total = readable(sum(sizes.values()))
    text = f"{len(rows)} models, {len(sizes)} on this machine ({total}); cache: {constants.HF_HUB_CACHE}"
    old = [file for file in (Path.home() / ".cache" / "clip").glob("*") if file.is_file()]
    if old:
        size = readable(sum(file.stat().st_size for file in old))
        text += f"\n{len(old)} files ({size}) in {old[0].parent} are from other programs; use one as --clip NAME:PATH"
    return text
