"""A tiny open_clip architecture with random weights, and a model hub on loopback that can misbehave."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from huggingface_hub import constants
from open_clip import factory
from open_clip import pretrained as registry
from safetensors.torch import save_file

from fastclipgen.perceptors import hub

REPO = "test-org/tiny"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def config(**changes: Any) -> dict[str, Any]:
    """An open_clip model config: ViT, 32 px, 8 tokens."""
    vision = {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16, **changes}
    text = {"context_length": 8, "vocab_size": 49408, "width": 8, "heads": 2, "layers": 1}
    return {"embed_dim": 16, "vision_cfg": vision, "text_cfg": text}


@pytest.fixture(scope="session")
def add_arch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Path]]:
    """add_arch(name, **vision changes) makes an architecture known to open_clip and returns its json."""
    folder, before = tmp_path_factory.mktemp("arch"), list(factory._MODEL_CONFIG_PATHS)

    def add(name: str, **changes: Any) -> Path:
        path = folder / f"{name}.json"
        if not path.exists():
            path.write_text(json.dumps(config(**changes)))
            open_clip.add_model_config(path)
        return path

    yield add
    factory._MODEL_CONFIG_PATHS[:] = before
    for path in folder.glob("*.json"):
        factory._MODEL_CONFIGS.pop(path.stem, None)


@pytest.fixture(scope="session")
def arch(add_arch: Callable[..., Path]) -> str:
    add_arch("Tiny-Test-16")
    return "Tiny-Test-16"


@pytest.fixture(scope="session")
def model(arch: str) -> torch.nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        return open_clip.create_model(arch).eval()


@pytest.fixture(scope="session")
def checkpoint(model: torch.nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, path)
    return path


@pytest.fixture
def add_tag(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """add_tag(arch, tag, **fields of open_clip's pretrained config)."""

    def add(name: str, tag: str, **fields: Any) -> None:
        tags = registry._PRETRAINED.get(name, {})
        monkeypatch.setitem(registry._PRETRAINED, name, {**tags, tag: registry._pcfg(**fields)})

    return add


@pytest.fixture
def heard() -> list[str]:
    """What was said through `notice=heard.append`."""
    return []


@dataclass
class Hub:
    """A model hub on loopback with one repository. `mode` says how it misbehaves.

    ok | breaks off | short (GET is shorter than HEAD said) | garbage | html (right size, hash that tells nothing) |
    no entry | no repo | busy | sign-in | hang get | hang head | hang all
    """

    files: dict[str, bytes]
    mode: str = "ok"
    url: str = ""
    gets: int = 0
    heads: int = 0
    release: threading.Event = field(default_factory=threading.Event)

    def etag(self, content: bytes) -> str:
        return "opaque" if self.mode == "html" else hashlib.sha256(content).hexdigest()

    def answer(self, request: BaseHTTPRequestHandler, send_body: bool) -> None:
        name = request.path.rpartition("/resolve/main/")[2]
        hanging = {"hang all": True, "hang head": not send_body and bool(name.strip("/")), "hang get": send_body}
        if hanging.get(self.mode):
            self.release.wait(20)
            request.close_connection = True
            return
        content = self.files.get(name)
        commit = {"X-Repo-Commit": COMMIT}
        if self.mode == "busy":
            return _send(request, 503, b"")
        if self.mode == "sign-in":
            return _send(request, 200, b"<html>Welcome to the hotel</html>" if send_body else b"")
        if self.mode == "no repo" and "/resolve/" in request.path:
            return _send(request, 404, b"", {"X-Error-Code": "RepoNotFound"})
        if content is None or self.mode == "no entry":
            return _send(request, 404, b"", {**commit, "X-Error-Code": "EntryNotFound"})
        headers = {**commit, "ETag": f'"{self.etag(content)}"'}
        if not send_body:
            size = len(content) + (1000 if self.mode == "short" else 0)
            return _send(request, 200, b"", {**headers, "Content-Length": str(size)})
        if self.mode == "breaks off":
            _send(request, 200, b"", {**headers, "Content-Length": str(len(content))})
            request.wfile.write(content[: len(content) // 2])
            request.close_connection = True
            return
        if self.mode in ("garbage", "html"):
            content = b"<html>not weights</html>".ljust(len(content))
        _send(request, 200, content, headers)


def _send(request: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
    request.send_response(status)
    for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
        request.send_header(name, value)
    request.end_headers()
    request.wfile.write(body)


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, checkpoint: Path) -> Iterator[Hub]:
    """A running Hub with the tiny checkpoint, huggingface_hub pointed at it with an empty cache, and short waits."""
    fake = Hub({"open_clip_model.safetensors": checkpoint.read_bytes()})

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            fake.heads += 1
            fake.answer(self, send_body=False)

        def do_GET(self) -> None:
            fake.gets += "/resolve/" in self.path  # huggingface_hub asks for other things of its own now and then
            fake.answer(self, send_body=True)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    fake.url = f"http://127.0.0.1:{server.server_port}"
    point_at(monkeypatch, fake.url, tmp_path / "cache")
    yield fake
    fake.release.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """huggingface_hub pointed at a port where nothing listens."""
    point_at(monkeypatch, "http://127.0.0.1:9", tmp_path / "cache")


def point_at(monkeypatch: pytest.MonkeyPatch, url: str, cache: Path) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "_verdict", None)
    monkeypatch.setattr(hub, "METADATA_SECONDS", 1.0)
    monkeypatch.setattr(hub, "STALL_SECONDS", 1.0)


class Stopwatch:
    """`with stopwatch(3): ...` fails when the block takes longer."""

    def __init__(self, limit: float) -> None:
        self.limit = limit

    def __enter__(self) -> None:
        self.start = time.monotonic()

    def __exit__(self, *_: object) -> None:
        assert time.monotonic() - self.start < self.limit


@pytest.fixture
def stopwatch() -> type[Stopwatch]:
    return Stopwatch
