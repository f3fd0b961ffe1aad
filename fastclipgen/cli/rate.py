"""`fastclipgen rate FILE... -t TEXT`: how near pictures are to texts and to other pictures, by a CLIP."""

from __future__ import annotations

import argparse
from pathlib import Path

from fastclipgen.cli.judges import add_judging_arguments, bar, cache_if, load_judges, name_broken, speaker
from fastclipgen.cli.parser import whole
from fastclipgen.errors import UserError

SUFFIXES = (".csv", ".json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "a table of 100 * cosine of pictures and texts (or other pictures), by a CLIP"
    add = parser.add_argument
    add("files", nargs="*", metavar="FILE", help="pictures, or folders of them")
    several = {"nargs": "+", "action": "extend", "default": []}
    add("-t", "--text", metavar="TEXT", help="a column for each text", **several)
    add("-i", "--image", metavar="PICTURE", help="a column for each picture", **several)
    add("-tf", "--text-file", metavar="FILE", help="texts, one a line", **several)
    add("-if", "--image-file", metavar="FILE", help="paths of pictures, one a line", **several)
    add("--clip", default="auto", metavar="NAME[:TAG|:PATH]", help="default auto: a real one if at hand, else builtin")
    text = "by this column, the first being 1; a negative number: the highest first"
    add("-s", "--sort", type=whole(), metavar="N", help=text)
    add("-o", "--output", metavar="FILE", help="also write the table, .csv or .json; never overwrites")
    add_judging_arguments(parser)


def run(args: argparse.Namespace) -> int:
    texts = [*args.text, *(line for name in args.text_file for line in lines_of(name, "--text-file"))]
    images = [*args.image, *(line for name in args.image_file for line in lines_of(name, "--image-file"))]
    if not args.files:
        raise UserError("rate needs pictures; name files or folders, before -t and -i")
    if not texts and not images:
        raise UserError("rate needs something to compare the pictures with; add -t TEXT or -i PICTURE")

    import torch

    from fastclipgen.cli.report import to_json
    from fastclipgen.evaluation.clip_scores import similarities
    from fastclipgen.evaluation.features import extract
    from fastclipgen.evaluation.pictures import files_of, items_of
    from fastclipgen.evaluation.rating import Rating, check_column
    from fastclipgen.guidance.targets import encode_texts
    from fastclipgen.outputs.atomic import check_writable, write_file
    from fastclipgen.outputs.naming import expand

    if args.sort is not None:
        check_column(args.sort, len(texts) + len(images))
    if args.output:
        check_writable(args.output, suffixes=SUFFIXES)
    files = files_of(args.files, "rate")
    notice = speaker(args.quiet)
    [judge] = load_judges([args.clip], args.device, notice)
    with cache_if(args.cache) as cache, bar(len(files), args.quiet) as tick:
        aims = extract(items_of([Path(image).expanduser() for image in images]), [judge], cache=cache)
        if aims.broken:
            raise UserError(next(iter(aims.broken.values())))
        found = extract(items_of(files), [judge], cache=cache, tick=tick)
    name_broken(found.broken)
    if not found.names:
        raise UserError(f"none of the {len(files)} pictures can be read; give image files")
    parts = [encode_texts(judge.eye, texts).cpu()] if texts else []
    against = torch.cat([*parts, *(aims.rows if images else [])])
    rating = Rating(found.names, [*texts, *images], similarities(found.rows[0], against), judge.eye.name)
    if args.sort is not None:
        rating = rating.ordered(args.sort)
    print(rating.table(), flush=True)
    if args.cache:
        notice(f"{found.computed} of {len(found.names)} pictures looked at, the others were in the cache")
    if args.output:
        target = expand(args.output, suffixes=SUFFIXES)
        content = rating.csv() if target.suffix.lower() == ".csv" else to_json(rating.as_dict()) + "\n"
        notice(f"wrote {write_file(target, content.encode())}")
    return 0


def lines_of(name: str, option: str) -> list[str]:
    """The lines of a text file that are not empty. Raises UserError."""
    try:
        content = Path(name).expanduser().read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{option} '{name}' cannot be read ({error}); give a text file in UTF-8") from error
    return [line.strip() for line in content.splitlines() if line.strip()]
