"""Open a bundle: read its manifest and refuse what this code cannot serve truthfully."""

from __future__ import annotations

from pathlib import Path

from schemas.bundle import MANIFEST_FILE, BundleError, BundleManifest, load_manifest
from schemas.grammar import GRAMMAR_HASH, GRAMMAR_VERSION
from schemas.prompt import PROMPT_HASH, PROMPT_VERSION
from worker.student.recipe import MODEL_FILE, TOKENIZER_FILE, WEIGHTS_FILE, sha256_file

REQUIRED = (MODEL_FILE, WEIGHTS_FILE, TOKENIZER_FILE)


def open_bundle(directory: Path) -> BundleManifest:
    """Read the manifest and compare its prompt and grammar with this code's; no file is hashed yet.

    Raises:
        BundleError: no bundle, another prompt or grammar, or a file that the manifest does not list.
    """
    manifest = load_manifest(directory)
    for what, theirs, ours, version in (
        ("prompt", manifest.prompt_hash, PROMPT_HASH, PROMPT_VERSION),
        ("grammar", manifest.grammar_hash, GRAMMAR_HASH, GRAMMAR_VERSION),
    ):
        if theirs != ours:
            raise BundleError(
                f"bundle {manifest.name} {manifest.version} in {directory} was trained on another {what}:"
                f" its {what} hash is {theirs}, this worker's (version {version}) is {ours}"
            )
    for name in REQUIRED:
        if name not in manifest.files:
            raise BundleError(f"{directory / MANIFEST_FILE} does not list {name}: build the bundle again")
    return manifest


def verify_files(directory: Path, manifest: BundleManifest) -> None:
    """Hash every file that the manifest lists (about half a second for 540 MB).

    Raises:
        BundleError: a file is missing, is a link (ONNX Runtime refuses those), or has other bytes.
    """
    for name, entry in sorted(manifest.files.items(), key=lambda item: item[1].size):
        path = directory / name
        try:
            if path.is_symlink():
                raise BundleError(f"{path} is a link, which ONNX Runtime does not read: copy the file")
            size = path.stat().st_size
            found = sha256_file(path) if size == entry.size else f"of {size} bytes"
        except OSError as error:
            raise BundleError(f"cannot read {path}: {error.strerror}") from error
        if found != entry.sha256:
            raise BundleError(
                f"{path} is not the file that was exported (sha256 {found}, the manifest says {entry.sha256},"
                f" {entry.size} bytes): build the bundle again"
            )
