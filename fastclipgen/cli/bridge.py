"""`fastclipgen bridge GALLERY`: learns from pictures how a CLIP's texts become embeddings as of pictures."""

from __future__ import annotations

import argparse
from pathlib import Path

from fastclipgen.cli.parser import whole
from fastclipgen.errors import UserError

SHAPES = "shapes"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "learns from pictures how the texts of a CLIP become embeddings as of pictures, for --text-to-image of "
        "generator clip-gen; docs/clip-gen.md"
    )
    parser.add_argument(
        "gallery", metavar="GALLERY", help="a folder of pictures, with NAME.txt beside them; or shapes, shapes:SHARE"
    )
    parser.add_argument(
        "--kind", choices=["shift", "procrustes", "knn"], default="procrustes", help="default procrustes; see --gallery"
    )
    parser.add_argument("--neighbours", type=whole(1), metavar="N", help="of --kind knn; default 10")
    parser.add_argument("--clip", default="builtin", metavar="NAME", help="the CLIP, as for drawing; default builtin")
    parser.add_argument("--pictures", type=whole(1), metavar="N", help="of shapes; default 8192")
    parser.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda, cuda:1, mps")
    parser.add_argument("-o", "--out", type=Path, default=Path("bridge.safetensors"), help="the file; must be new")
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")


def run(args: argparse.Namespace) -> int:
    if args.out.suffix != ".safetensors":
        raise UserError(f"--out must end in .safetensors, got '{args.out}'")
    if args.out.exists():
        raise UserError(f"'{args.out}' is there already; give another --out, or move it")
    world, colon, easy = args.gallery.partition(":")
    if args.pictures and world != SHAPES:
        raise UserError(
            f"--pictures says how many of shapes are drawn, but the gallery is '{args.gallery}'; leave it out"
        )
    if args.neighbours and args.kind != "knn":
        raise UserError(f"--neighbours is of --kind knn, but the kind is {args.kind}; leave one of them out")

    import torch

    from fastclipgen.clip_gen import bridge_file, gallery
    from fastclipgen.data.source import share
    from fastclipgen.engine.device import resolve_device
    from fastclipgen.outputs.atomic import write_file
    from fastclipgen.outputs.naming import Target
    from fastclipgen.perceptors.auto import resolve

    def notice(text: str) -> None:
        if not args.quiet:
            print(text)

    device = resolve_device(args.device)
    [loaded] = resolve([args.clip], device, torch.float32, notice)
    eye = loaded.perceptor
    if world == SHAPES:
        seen = gallery.of_shapes(args.pictures or 8192, eye, device, easy=share(easy) if colon else None)
    else:
        seen = gallery.of_folder(args.gallery, eye, device, notice)
    target = Target(args.out.parent, args.out.stem, args.out.stem, args.out.suffix)
    learned = gallery.learn(args.kind, seen, eye, args.neighbours or gallery.NEIGHBOURS)
    path = write_file(target, bridge_file.to_bytes(learned))
    notice(f"{path}: {args.kind} of {len(seen.pictures)} pictures")
    return 0
