"""Serving imports nothing that only training needs: tried with those packages blocked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]

PROGRAM = """
import sys

BLOCKED = {"torch", "transformers", "peft", "trl", "optimum", "accelerate", "datasets", "onnx", "safetensors", "gguf"}

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Block())
from pathlib import Path
from schemas.offer import Offer
from worker.student.locate import build
from worker.student.student import Student

made, target = Path(sys.argv[1]), Path(sys.argv[2])
assert build(made / "tiny", target, made / "base")
student = Student.load(target, threads=1)
a = Offer(offer_id="1", source="a", title="Lumetra LX120/P camera")
b = Offer(offer_id="2", source="b", title="lumetra lx120p")
(judgement,) = student.judge(a, [b])
print(student.explain(a, b, judgement).sentence)
assert not BLOCKED & {name.partition(".")[0] for name in sys.modules}
"""


def test_building_and_judging_without_the_training_packages(tiny_student: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tiny_student), str(tmp_path / "bundle")],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert 'A says "' in done.stdout
