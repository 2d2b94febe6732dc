"""Nested specifications in $addFields, $set and $project mean paths, as on MongoDB."""

from collections.abc import Callable
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import OperationFailure

from embedded_mongodb.process import EmbeddedServer

Document = dict[str, Any]
STORED: Document = {
    "_id": 1,
    "a": {"b": 7, "c": 8, "d": {"x": 1, "y": 2}},
    "list": [{"b": 1, "c": 2}, {"b": 3}],
    "n": 5,
}


@pytest.fixture(scope="module")
def plans(server: EmbeddedServer) -> Any:
    with MongoClient[Document](server.uri) as client:
        client.pipelines.plans.insert_one(STORED)
        yield client.pipelines.plans


@pytest.mark.parametrize(
    ("specification", "changed"),
    [
        ({"a": {"b": 9}}, {"a": {"b": 9, "c": 8, "d": {"x": 1, "y": 2}}}),
        ({"a": {"z": "$n"}}, {"a": {"b": 7, "c": 8, "d": {"x": 1, "y": 2}, "z": 5}}),
        ({"a": {"d": {"x": "$n"}}}, {"a": {"b": 7, "c": 8, "d": {"x": 5, "y": 2}}}),
        ({"a": {"b": "$missing"}}, {"a": {"c": 8, "d": {"x": 1, "y": 2}}}),
        ({"a": {"$literal": {"q": 1}}}, {"a": {"q": 1}}),
        ({"a": "$a.d"}, {"a": {"x": 1, "y": 2}}),
        ({"list": {"z": "$n"}}, {"list": [{"b": 1, "c": 2, "z": 5}, {"b": 3, "z": 5}]}),
        ({"n": {"z": 1}}, {"n": {"z": 1}}),
        ({"new": {"z": {"w": 1}}}, {"new": {"z": {"w": 1}}}),
    ],
)
@pytest.mark.parametrize("stage", ["$addFields", "$set"])
def test_add_fields_merges_nested_documents(
    plans: Any, stage: str, specification: Document, changed: Document
) -> None:
    assert list(plans.aggregate([{stage: specification}])) == [STORED | changed]


def test_update_with_a_pipeline_merges_nested_documents(database: Database[Document]) -> None:
    database.plans.insert_one(STORED)

    database.plans.update_one({}, [{"$set": {"a": {"d": {"x": "$n"}}}}])

    expected = {"b": 7, "c": 8, "d": {"x": 5, "y": 2}}
    assert database.plans.find_one({}, {"_id": 0, "a": 1}) == {"a": expected}


@pytest.mark.parametrize(
    ("specification", "expected"),
    [
        ({"a": {"b": 1}}, {"_id": 1, "a": {"b": 7}}),
        ({"a": {"b": True}, "_id": 0}, {"a": {"b": 7}}),
        ({"a": {"d": {"x": 1}}, "n": 1}, {"_id": 1, "a": {"d": {"x": 1}}, "n": 5}),
        ({"a": {"b": 0}}, STORED | {"a": {"c": 8, "d": {"x": 1, "y": 2}}}),
        (
            {"a": {"d": {"y": False}}, "list": {"b": 0}},
            STORED | {"a": {"b": 7, "c": 8, "d": {"x": 1}}, "list": [{"c": 2}, {}]},
        ),
        ({"a": {"b": "$n"}}, {"_id": 1, "a": {"b": 5}}),
        ({"a": {"b": {"$add": ["$n", 1]}, "c": 1}}, {"_id": 1, "a": {"b": 6, "c": 8}}),
        ({"list": {"b": 1}}, {"_id": 1, "list": [{"b": 1}, {"b": 3}]}),
        ({"list": {"z": "$n"}}, {"_id": 1, "list": [{"z": 5}, {"z": 5}]}),
        ({"missing": {"b": 1}}, {"_id": 1}),
        ({"total": {"$add": ["$n", "$a.b"]}}, {"_id": 1, "total": 12}),
    ],
)
def test_project_reads_nested_documents_as_paths(
    plans: Any, specification: Document, expected: Document
) -> None:
    assert list(plans.aggregate([{"$project": specification}])) == [expected]


@pytest.mark.parametrize(
    ("specification", "code"),
    [({"a": {"b": 1}, "n": 0}, 31254), ({"a": {"b": 0, "c": 1}}, 31253), ({"a": {}}, 51270)],
)
def test_project_refuses_a_mixture_and_an_empty_document(
    plans: Any, specification: Document, code: int
) -> None:
    with pytest.raises(OperationFailure) as refused:
        list(plans.aggregate([{"$project": specification}]))

    assert refused.value.code == code


def test_joined_row_keeps_its_other_columns(database: Database[Document]) -> None:
    """The shape of a joined query of the application, where the defects were met."""
    database.platforms.insert_one({"_id": 3, "name": "Prime", "slug": "prime"})
    database.plans.insert_one({"_id": 1, "platform_id": 3})
    rows = database.plans.aggregate(
        [
            {
                "$lookup": {
                    "from": "platforms",
                    "localField": "platform_id",
                    "foreignField": "_id",
                    "as": "platform",
                }
            },
            {"$unwind": "$platform"},
            {"$addFields": {"platform": {"upper": {"$toUpper": "$platform.name"}}}},
            {"$project": {"platform": {"_id": 1, "slug": 1, "upper": 1}}},
        ]
    )

    assert list(rows) == [{"_id": 1, "platform": {"_id": 3, "slug": "prime", "upper": "PRIME"}}]


@pytest.mark.deep
@pytest.mark.parametrize(
    ("correction", "stage", "wrong"),
    [
        ("nested-add-fields", {"$addFields": {"a": {"b": 9}}}, STORED | {"a": {"b": 9}}),
        ("nested-project", {"$project": {"a": {"b": 1}}}, {"_id": 1, "a": {"b": 1}}),
    ],
)
def test_without_the_correction_the_defect_shows(
    correction: str,
    stage: Document,
    wrong: Document,
    start_server: Callable[..., EmbeddedServer],
    connect: Callable[..., MongoClient[Document]],
) -> None:
    plans = connect(start_server(without=correction)).pipelines.plans
    plans.insert_one(STORED)

    assert list(plans.aggregate([stage])) == [wrong]
