"""Label Studio's format, there and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import orjson
import pytest

from schemas.label import Label
from schemas.rationale import ATTRIBUTES
from tests.worker.review.making import NOW, ballot, labeling_task, review_task
from worker.review import labelstudio, tasks, voting
from worker.review.database import Database
from worker.review.errors import BadImport


def exported(database: Database) -> list[dict[str, Any]]:
    with database.read() as connection:
        return list(orjson.loads(labelstudio.dumps(list(labelstudio.export_tasks(connection)))))


def taken(database: Database, data: Any) -> labelstudio.Imported:
    with database.write() as connection:
        return labelstudio.import_tasks(connection, NOW, data, "test")


@pytest.fixture
def labelled(database: Database) -> Database:
    """Four tasks: labelled with attributes and a note, skipped, in conflict, untouched."""
    with database.write() as connection:
        for number in (1, 2):
            tasks.take_review(connection, review_task(number), 0)
        tasks.take_labeling(connection, labeling_task(3, double=True), NOW)
        tasks.take_review(connection, review_task(4), 0)
        said: dict[str, Any] = {"attributes": {"variant": "different"}, "note": "<b>colour</b>", "elapsed_ms": 1500}
        voting.cast(connection, NOW, ballot("d1", "anna", "no_match", **said), 0)
        voting.cast(connection, NOW, ballot("d2", "anna", "skip"), 0)
        voting.cast(connection, NOW, ballot("d3", "anna", "match"), 0)
        voting.cast(connection, NOW, ballot("d3", "ben", "no_match"), 0)
    return database


def test_what_is_exported_can_be_imported_and_is_the_same(labelled: Database, tmp_path: Path) -> None:
    first = exported(labelled)
    other = Database(tmp_path / "other.db")
    done = taken(other, first)
    assert (done.tasks, done.votes, done.labels, done.left_out) == (4, 4, 1, [])
    assert taken(other, first) == labelstudio.Imported(0, 0, 0, [])
    again = exported(other)
    for entry in (*first, *again):
        entry["data"]["samesku"].pop("origin")
        for annotation in entry["annotations"]:
            # Names from a file are told apart from those of people who log in, and the import is when it is made.
            who = annotation["completed_by"]["email"].removeprefix("labelstudio:")
            annotation["completed_by"] = who
            annotation.pop("created_at")
    assert again == first
    with other.read() as connection:
        label = Label.model_validate_json(connection.execute("SELECT value FROM outbox").fetchone()[0])
    assert (label.decision_id, label.verdict, label.attributes) == ("d1", "no_match", {"variant": "different"})
    assert (label.reviewer, label.note) == ("labelstudio:anna", "<b>colour</b>")
    other.close()


def test_an_annotation_made_in_label_studio_becomes_a_vote(labelled: Database) -> None:
    entry = exported(labelled)[3]
    # As its export writes them: numbers for people, ids of its own.
    entry["annotations"] = [
        {"id": 17, "completed_by": 3, "was_cancelled": False, "lead_time": 4.2, "result": [
            {"id": name, "from_name": name, "to_name": "first", "type": "choices", "value": {"choices": [said]}}
            for name, said in (("verdict", "match"), ("brand", "same"))
        ]}
    ]  # fmt: skip
    done = taken(labelled, [entry])
    assert (done.tasks, done.votes, done.labels) == (0, 1, 1)
    with labelled.read() as connection:
        vote = connection.execute("SELECT * FROM votes WHERE task_id = 'd4'").fetchone()
    assert (vote["reviewer"], vote["verdict"], vote["elapsed_ms"]) == ("labelstudio:3", "match", 4200)


def test_the_configuration_names_every_control_of_the_results() -> None:
    root = ElementTree.fromstring(labelstudio.labelling_config())
    texts = {text.get("name"): text.get("value") for text in root.iter("Text")}
    assert texts == {"first": "$first_text", "second": "$second_text"}
    controls = {each.get("name"): [choice.get("value") for choice in each] for each in root.iter("Choices")}
    assert list(controls) == ["verdict", *ATTRIBUTES]
    assert controls["verdict"] == ["match", "no_match", "unsure"]
    assert {each.get("toName") for each in (*root.iter("Choices"), *root.iter("TextArea"))} == {"first"}


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda data: {"tasks": data}, "no list of tasks"),
        (lambda data: [{"data": {"text": "x"}}], "task 1, data has no 'samesku'"),
        (lambda data: [_without_digest(data[0])], "task 1, data.samesku.task: first.digest: Field required"),
        (lambda data: [_saying(data[0], "perhaps")], "task 1: the verdict is 'perhaps'"),
    ],
)
def test_a_file_that_is_not_ours_says_where(labelled: Database, spoil: Any, told: str) -> None:
    with pytest.raises(BadImport, match=told.replace("(", r"\(")):
        taken(labelled, spoil(exported(labelled)))


def _without_digest(entry: dict[str, Any]) -> dict[str, Any]:
    del entry["data"]["samesku"]["task"]["first"]["digest"]
    return entry


def _saying(entry: dict[str, Any], verdict: str) -> dict[str, Any]:
    entry["annotations"][0]["result"][0]["value"]["choices"] = [verdict]
    return entry
