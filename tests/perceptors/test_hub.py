"""A hub on loopback that breaks off, lies, serves garbage or hangs: one sentence each, and nothing broken is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from fastclipgen.errors import UserError
from fastclipgen.perceptors import hub

SOURCE = hub.Source("test-org/tiny", ("open_clip_model.safetensors", "open_clip_pytorch_model.bin"))


def test_download_checks_caches_and_needs_no_hub_again(serve: Any, checkpoint: Path, monkeypatch: pytest.MonkeyPatch):
    assert hub.cached(SOURCE) is None
    path = hub.obtain(SOURCE, "tiny")
    assert path.read_bytes() == checkpoint.read_bytes()
    assert hub.intact(path) is True
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    seen = serve.heads, serve.gets
    assert hub.obtain(SOURCE, "tiny") == path
    assert (serve.heads, serve.gets) == seen


def test_second_name_is_taken_when_the_first_is_missing(serve: Any):
    serve.files = {"open_clip_pytorch_model.bin": b"weights"}
    path = hub.download(SOURCE, "tiny")
    assert path.name == "open_clip_pytorch_model.bin"
    assert path.read_bytes() == b"weights"


@pytest.mark.parametrize(
    ("mode", "sentence"),
    [
        ("breaks off", "got no further"),
        ("short", "not of the announced size"),
        ("garbage", "does not have the hash"),
        ("no entry", "has none of open_clip_model.safetensors, open_clip_pytorch_model.bin"),
        ("no repo", "no public repository"),
        ("busy", "cannot be downloaded .*answers with HTTP status 503"),
        ("sign-in", "not as a model hub does"),
        ("hang get", "got no further"),
        ("hang head", "got no further|broke off"),
        ("hang all", "did not answer within|cannot be reached"),
    ],
)
def test_failure_is_one_sentence_and_the_next_try_is_clean(
    serve: Any, checkpoint: Path, monkeypatch: pytest.MonkeyPatch, stopwatch: Any, mode: str, sentence: str
):
    serve.mode = mode
    with stopwatch(5), pytest.raises(UserError, match=sentence) as raised:
        hub.obtain(SOURCE, "tiny")
    assert "tiny" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert hub.cached(SOURCE) is None
    serve.mode = "ok"
    serve.release.set()
    monkeypatch.setattr(hub, "_verdict", None)
    monkeypatch.setattr(hub, "STALL_SECONDS", 10.0)
    assert hub.obtain(SOURCE, "tiny").read_bytes() == checkpoint.read_bytes()
    assert not list(Path(constants.HF_HUB_CACHE).rglob("*.incomplete"))


def test_no_hub_is_found_out_once_and_fast(no_hub: None, stopwatch: Any, monkeypatch: pytest.MonkeyPatch):
    with stopwatch(3):
        assert not hub.probe().answers

    def ask_again() -> hub.Verdict:
        raise AssertionError("asked twice")

    monkeypatch.setattr(hub, "_ask", ask_again)
    with stopwatch(0.5), pytest.raises(UserError, match=r"not in the cache .* cannot be reached"):
        hub.download(SOURCE, "tiny")


def test_silent_hub_is_found_out_in_three_seconds(serve: Any, stopwatch: Any):
    serve.mode = "hang all"
    with stopwatch(3):
        assert not hub.probe().answers


def test_name_resolution_that_hangs_is_bounded_too(serve: Any, stopwatch: Any, monkeypatch: pytest.MonkeyPatch):
    class Client:
        def head(self, *_: object, **__: object) -> None:
            serve.release.wait(20)

    monkeypatch.setattr(hub, "get_session", Client)
    with stopwatch(3):
        assert "did not answer" in hub.probe().reason


def test_transfer_that_stopped_is_not_tried_again(serve: Any, stopwatch: Any):
    serve.mode = "hang get"
    with pytest.raises(UserError):
        hub.download(SOURCE, "tiny")
    with stopwatch(0.5), pytest.raises(UserError, match="stopped answering"):
        hub.download(SOURCE, "tiny")


def test_download_of_another_process_counts_as_progress(serve: Any, tmp_path: Path):
    assert hub._arrived("test-org/tiny") == 0
    blobs = Path(constants.HF_HUB_CACHE) / "models--test-org--tiny" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / "a.incomplete").write_bytes(b"123")
    (blobs / "b").write_bytes(b"12345")
    assert hub._arrived("test-org/tiny") == 3


def test_offline_setting_asks_nobody(serve: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="HF_HUB_OFFLINE is set"):
        hub.obtain(SOURCE, "tiny")
    assert (serve.heads, serve.gets) == (0, 0)


def test_libraries_are_kept_off_the_network_only_when_no_hub_answers(no_hub: None):
    with hub.cache_only_when_unreachable():
        assert not constants.HF_HUB_OFFLINE
    hub.probe()
    with hub.cache_only_when_unreachable():
        assert constants.HF_HUB_OFFLINE
    assert not constants.HF_HUB_OFFLINE


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(28, "No space left on device"), "no space left in .*cache for tiny"),
        (PermissionError(13, "Permission denied"), "cannot write tiny to .*cache .Permission denied"),
    ],
)
def test_disk_that_takes_nothing(serve: Any, monkeypatch: pytest.MonkeyPatch, error: OSError, sentence: str):
    def fail(*_: object, **__: object) -> str:
        raise error

    monkeypatch.setattr(hub, "hf_hub_download", fail)
    with pytest.raises(UserError, match=sentence):
        hub.obtain(SOURCE, "tiny")


def test_damage_in_the_cache_shows_and_can_be_discarded(serve: Any):
    path = hub.obtain(SOURCE, "tiny")
    with path.open("r+b") as file:
        file.seek(1000)
        file.write(b"x")
    assert hub.intact(path) is False
    hub.discard(path)
    assert hub.cached(SOURCE) is None
    assert hub.intact(hub.obtain(SOURCE, "tiny")) is True


def test_plain_file_has_no_known_hash(checkpoint: Path):
    assert hub.intact(checkpoint) is None
