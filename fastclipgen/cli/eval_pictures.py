"""`fastclipgen eval pictures`: CLIP scores, distances, spectra, diversity of pictures. The work is in evaluation/."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fastclipgen.cli.judges import add_judging_arguments, bar, cache_if, load_judges, name_broken, speaker
from fastclipgen.cli.report import to_json
from fastclipgen.errors import UserError

if TYPE_CHECKING:
    from fastclipgen.evaluation.assess import Assessor
    from fastclipgen.evaluation.figures import Figures
    from fastclipgen.evaluation.references import Reference


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("places", nargs="+", metavar="DIR|FILE", help="folders of pictures, and pictures")
    text = (
        "what they should show: a CSV file with the columns file and prompt, or a text a line; default: what they store"
    )
    parser.add_argument("--prompts", type=Path, metavar="FILE", help=text)
    add_measuring_arguments(parser)


def add_measuring_arguments(parser: argparse.ArgumentParser) -> None:
    """How pictures are measured, and what is written of it; shared with `eval generators`."""
    add = parser.add_argument
    text = "a judge; may be given several times, best with models that did not draw; default: auto"
    add("--clip", action="append", metavar="NAME[:TAG|:PATH]", help=text)
    text = "pictures to compare with: a folder, or shapes[:N], N pictures of the shapes world, default 1000"
    add("--reference", metavar="DIR|shapes[:N]", help=text)
    add(
        "--fid", action="store_true", help="also FID, which needs --reference, the extra [eval] and Inception's weights"
    )
    add("--inception", type=Path, metavar="FILE", help="weights for --fid; default: in torch's own folder")
    add("--json", metavar="FILE", help="write all figures, also of every picture")
    add("--markdown", metavar="FILE", help="write the tables")
    add("--csv", metavar="FILE", help="write a row for every picture")
    add_judging_arguments(parser)


def run(args: argparse.Namespace) -> int:
    from fastclipgen.evaluation.captions import listed_prompts, stored_prompt
    from fastclipgen.evaluation.pictures import files_of, items_of

    check_measuring(args)
    files = files_of(args.places, "eval pictures")
    names = [str(file) for file in files]
    prompts = [stored_prompt(name) for name in names] if args.prompts is None else listed_prompts(names, args.prompts)
    with assessor_of(args, files) as assessor:
        figures = [assessor.assess(", ".join(args.places), items_of(files), prompts)]
    return tell(args, figures, assessor)


def check_measuring(args: argparse.Namespace) -> None:
    """Raises UserError for options that cannot be met, before the work."""
    from fastclipgen.outputs.atomic import check_writable

    if args.fid and args.reference is None:
        raise UserError("--fid is a distance from a reference; add --reference DIR or --reference shapes")
    if args.inception is not None and not args.fid:
        raise UserError("--inception is for FID, which is not asked for; add --fid, or leave it out")
    for suffix, name in _files(args).items():
        check_writable(name, suffixes=(suffix,))


@contextmanager
def assessor_of(args: argparse.Namespace, files: Sequence[Path]):
    """What measures, as the options ask; `files`: the pictures to come, so far as they are there."""
    from fastclipgen.engine.device import resolve_device
    from fastclipgen.evaluation.assess import Assessor
    from fastclipgen.evaluation.inception import InceptionFeatures

    reference = _reference(args.reference, files)
    inception = InceptionFeatures(args.inception, resolve_device(args.device)) if args.fid else None
    judges = load_judges(args.clip or [], args.device, speaker(args.quiet))
    with cache_if(args.cache) as cache, bar(None, args.quiet) as tick:
        yield Assessor(judges, reference, inception, cache, tick)


def tell(args: argparse.Namespace, figures: Sequence[Figures], assessor: Assessor) -> int:
    """Prints the tables, names what could not be read, and writes the files. Returns the exit code."""
    from fastclipgen.evaluation.figures_report import FiguresReport
    from fastclipgen.outputs.atomic import write_file
    from fastclipgen.outputs.naming import expand

    name_broken(assessor.broken)
    report = FiguresReport(tuple(figures), assessor.reference and assessor.reference.name)
    print(report.markdown(), end="", flush=True)
    contents = {".json": to_json(report.as_dict()) + "\n", ".md": report.markdown(), ".csv": report.csv()}
    for suffix, name in _files(args).items():
        path = write_file(expand(name, suffixes=(suffix,)), contents[suffix].encode())
        speaker(args.quiet)(f"wrote {path}")
    return 0


def _files(args: argparse.Namespace) -> dict[str, str]:
    named = {".json": args.json, ".md": args.markdown, ".csv": args.csv}
    return {suffix: name for suffix, name in named.items() if name}


def _reference(text: str | None, files: Sequence[Path]) -> Reference | None:
    """The reference; shapes are as large as the first picture, because spectra of other sizes do not compare."""
    if text is None:
        return None
    from fastclipgen.evaluation.pictures import SHAPES_SIZE
    from fastclipgen.evaluation.references import reference_of
    from fastclipgen.outputs.opening import open_image

    size = SHAPES_SIZE
    for file in files[:1]:
        with open_image(file) as image:
            size = min(image.size)
    return reference_of(text, size)
