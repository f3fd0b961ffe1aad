"""The published weights that have a name of their own: where they lie, how large they are, and their SHA-256.

Addresses and figures are what others state, each with its source; no hash here was computed by us, and where nobody
states one there is None. Loads nothing and asks no network.
"""

from __future__ import annotations

from dataclasses import dataclass

HUB = "https://huggingface.co"  # in mirrors; download.py puts the user's HF_ENDPOINT in its place


@dataclass(frozen=True)
class Known:
    """Published weights. option: the setting that takes the name; what: the network's geometry; mirrors: in the order
    in which they are tried; sha256, size (bytes): None where nobody states them; about: the size as people round it."""

    name: str
    option: str
    what: str
    suffix: str
    mirrors: tuple[str, ...]
    sha256: str | None = None
    size: int | None = None
    about: int | None = None
    alias: str | None = None

    @property
    def filename(self) -> str:
        return self.name + self.suffix


# Hashes: of the mirror Somnai/pytti-vqgan-checkpoints, made in 2026-08, as pytti's loader states them (VQGAN_SHA256),
# and, with sizes and without faceshq, of pxlpshr/pytti-models, as PyTTI Portable states them (model_mirror.py); the two
# agree. That of imagenet_f16_16384 is stated for the file on heibox by three more programs (the modelinstall package of
# Uncanny Lab among them), that of openimages_f16_8192 by one, with the same size.
_SOMNAI = f"{HUB}/Somnai/pytti-vqgan-checkpoints/resolve/debc22c8f285c7734980c464ff992d335dde6e9a"
_PXLPSHR = f"{HUB}/pxlpshr/pytti-models/resolve/main/vqgan"
# The authors: README of CompVis/taming-transformers; the files there: download_models.sh of nerdyrodent/VQGAN-CLIP.
_HEIBOX = "https://heibox.uni-heidelberg.de"
# vqgan.py of ieee8023/latentshift.
_LATENTSHIFT = "https://github.com/ieee8023/latentshift/releases/download/weights"
# PyTTI Portable (patch_gradio.py): the same files as once at eaidata.bmk.sh.
_PIXRAY = "https://github.com/pixray/pixray/releases/download/v1.7.1"
# tnwei/vqgan-clip-app, download-weights.sh. (mirror.io.community and eaidata.bmk.sh, once in every list, are gone.)
_ELEIBER = "https://github.com/Eleiber/VQGAN-Mirrors/releases/download/0.0.1"
# README of HFAiLab/clip-gen.
_CLIP_GEN = "https://github.com/HFAiLab/clip-gen/releases/download/v0.1.0"

_TABLE = (
    Known(
        "imagenet_f16_1024", "vqgan", "VQGAN, f 16, 1024 codes", ".ckpt",
        (
            f"{_HEIBOX}/d/8088892a516d4e3baf92/files/?p=%2Fckpts%2Flast.ckpt&dl=1",
            f"{_HEIBOX}/f/140747ba53464f49b476/?dl=1",
            f"{_LATENTSHIFT}/vqgan_imagenet_f16_1024.ckpt",
        ),
        about=958_000_000,  # download_models.sh of nerdyrodent/VQGAN-CLIP
    ),
    Known(
        "imagenet_f16_16384", "vqgan", "VQGAN, f 16, 16384 codes", ".ckpt",
        (
            f"{_SOMNAI}/imagenet/imagenet.ckpt",
            f"{_PXLPSHR}/imagenet.ckpt",
            f"{_HEIBOX}/d/a7530b09fed84f80a887/files/?p=%2Fckpts%2Flast.ckpt&dl=1",
            f"{_HEIBOX}/f/867b05fc8c4841768640/?dl=1",
            "https://github.com/mehdidc/feed_forward_vqgan_clip/releases/download/0.1/vqgan_imagenet_f16_16384.ckpt",
        ),
        "845a68805098cb666420d5db93df53f3a3b6dd443e6dd85c05759c5b998cd663", 980_092_370,
    ),
    Known(
        "openimages_f16_8192", "vqgan", "GumbelVQ, f 8, 8192 codes", ".ckpt",
        (
            f"{_SOMNAI}/openimages/openimages.ckpt",
            f"{_PXLPSHR}/openimages.ckpt",
            f"{_HEIBOX}/d/2e5662443a6b4307b470/files/?p=%2Fckpts%2Flast.ckpt&dl=1",
        ),
        "5cd6c74810ab97e00e942c25403f73afc081e8b19987b31ec0d9ff5b68e7ab14", 376_581_823,
        alias="gumbel_f8",  # what it is; the name above, with its wrong factor, is the one that clipit made usual
    ),
    # The VQGAN alone, without the transformer of 8.4 GB that others mean by 'coco' (dl.nmkd.de/ai/clip/coco/coco.ckpt).
    Known(
        "coco", "vqgan", "VQGAN, f 16, 8192 codes", ".ckpt",
        (
            f"{_SOMNAI}/coco/coco.ckpt",
            f"{_PXLPSHR}/coco_first_stage.ckpt",
            "https://batbot.ai/models/VQGAN/coco_first_stage.ckpt",
        ),
        "106cc20fde571df14afc4349d62218d8213cf47177c682ecaa78a8c28b12f9de", 296_030_214,
    ),
    Known(
        "faceshq", "vqgan", "VQGAN of a transformer, f 16, 1024 codes", ".ckpt",
        (
            f"{_SOMNAI}/faceshq/faceshq.ckpt",
            "https://app.koofr.net/content/links/a04deec9-0c59-4673-8b37-3d696fe63a5d/files/get/last.ckpt"
            "?path=%2F2020-11-13T21-41-45_faceshq_transformer%2Fcheckpoints%2Flast.ckpt",
        ),
        "3274bba51bd565c90990bbcf7bb5dad0b9b95a6a77011980afc4c3cfc4d1cad1",
        about=4_000_000_000,  # 3800 MiB in the checkpoint table of the program localvqgan
    ),
    Known(
        "sflckr", "vqgan", "VQGAN of a transformer, f 16, 1024 codes", ".ckpt",
        (
            f"{_SOMNAI}/sflickr/sflickr.ckpt",
            f"{_PXLPSHR}/sflckr.ckpt",
            f"{_HEIBOX}/d/73487ab6e5314cb5adba/files/?p=%2Fcheckpoints%2Flast.ckpt&dl=1",
        ),
        "8a8adea3da8dab412675772831370dd948e0aa97bb11a9488a2f328b58dbc929", 4_263_525_412,
    ),
    Known(
        "wikiart_1024", "vqgan", "VQGAN, f 16, 1024 codes", ".ckpt",
        (f"{_PIXRAY}/vqgan_wikiart_1024.ckpt", f"{_ELEIBER}/wikiart_1024.ckpt"),
        about=958_000_000,  # download_models.sh of nerdyrodent/VQGAN-CLIP
    ),
    Known(
        "wikiart_16384", "vqgan", "VQGAN, f 16, 16384 codes", ".ckpt",
        (
            f"{_SOMNAI}/wikiart/wikiart.ckpt",
            f"{_PXLPSHR}/wikiart.ckpt",
            f"{_PIXRAY}/vqgan_wikiart_16384.ckpt",
            f"{_ELEIBER}/wikiart_16384.ckpt",
        ),
        "bd08bb46301f98be1712bb2be9f8868cea30b53137cd985d4d6e8da8b3e02c36", 1_005_327_541,
    ),
    Known("vqgan_coco", "vqgan", "VQGAN of clip-gen, f 16, 16384 codes", ".pt", (f"{_CLIP_GEN}/vqgan_coco.pt",)),
    Known("gpt_coco", "clip-gen", "transformer of clip-gen, GPT-2 medium", ".pt", (f"{_CLIP_GEN}/gpt_coco.pt",)),
)  # fmt: skip

KNOWN = {one.name: one for one in _TABLE}


def find(name: str) -> Known | None:
    """The published weights of that name, or that other name; None where there are none."""
    return KNOWN.get(name) or next((one for one in KNOWN.values() if one.alias == name), None)


def names(option: str | None = None) -> list[str]:
    """Names that `find` knows, in the order of the table; only of what `--option` takes, if given."""
    known = [one for one in KNOWN.values() if option in (None, one.option)]
    return [name for one in known for name in (one.name, one.alias) if name]
