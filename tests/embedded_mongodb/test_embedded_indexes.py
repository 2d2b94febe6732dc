"""An index serves the conditions of $and and the first $match of $unionWith, as on MongoDB."""

from typing import Any

import pytest

Document = dict[str, Any]
DOCUMENTS = [{"_id": number, "state": number % 3, "at": number} for number in range(30)]


def filled(client: Any) -> Any:
    items = client.planning.items
    items.drop()
    items.insert_many(DOCUMENTS)
    items.create_index([("state", 1), ("at", 1)])
    items.create_index([("at", -1)])
    return items


def winning_stage(cursor: Any) -> str:
    plan = cursor.explain()["queryPlanner"]["winningPlan"]
    while "inputStage" in plan:
        plan = plan["inputStage"]
    return plan["stage"]


@pytest.mark.parametrize(
    "conditions",
    [
        [{"at": {"$gte": 10}}, {"at": {"$lt": 20}}],
        [{"state": 1}, {"at": {"$gte": 10}}],
        [{"at": {"$gte": 10}}, {"$or": [{"state": 0}, {"at": 12}]}],
        [{"$and": [{"state": 2}, {"at": {"$lt": 9}}]}, {"at": {"$ne": 5}}],
        [{"state": 1}, {"state": {"$gte": 2}}],
        [{"at": {"$gte": 10}}, {"at": {"$gte": 20}}],
    ],
)
def test_conditions_joined_by_and_use_an_index_and_find_the_same(server, connect, conditions):
    items = filled(connect(server))
    by_index = list(items.find({"$and": conditions}).sort("_id", 1))
    items.drop_indexes()
    assert by_index == list(items.find({"$and": conditions}).sort("_id", 1))
    assert winning_stage(items.find({"$and": conditions})) == "COLLSCAN"
    assert winning_stage(filled(connect(server)).find({"$and": conditions})) == "IXSCAN"


@pytest.mark.deep
def test_without_the_correction_two_conditions_read_the_whole_collection(start_server, connect):
    items = filled(connect(start_server(without="and-of-conditions")))
    query = {"$and": [{"state": 1}, {"at": {"$gte": 10}}]}
    assert winning_stage(items.find(query)) == "COLLSCAN"


def test_conditional_updates_change_what_matches_the_whole_filter(server, connect):
    items = filled(connect(server))
    result = items.update_many(
        {"$and": [{"state": 1}, {"at": {"$gte": 10}}, {"_id": {"$in": [1, 13, 14, 16]}}]},
        {"$set": {"state": 9}},
    )
    assert result.modified_count == 2
    assert [item["_id"] for item in items.find({"state": 9})] == [13, 16]


@pytest.mark.parametrize("without", [None, "union-with"])
def test_union_with_gives_the_same_with_and_without_the_correction(start_server, connect, without):
    server = start_server(without=without) if without else start_server()
    items = filled(connect(server))
    pipeline: list[Document] = [
        {"$match": {"at": {"$lt": 2}}},
        {
            "$unionWith": {
                "coll": "items",
                "pipeline": [
                    {"$match": {"state": 1, "at": {"$gte": 25}}},
                    {"$unionWith": {"coll": "items", "pipeline": [{"$match": {"_id": 3}}]}},
                ],
            }
        },
        {"$unionWith": {"coll": "items", "pipeline": [{"$group": {"_id": "all"}}]}},
    ]
    found = [item["_id"] for item in items.aggregate(pipeline)]
    assert sorted(found[:2]) == [0, 1]
    assert sorted(found[2:-1]) == [3, 25, 28]
    assert found[-1] == "all"


def missed(items: Any, index: list[tuple[str, int]]) -> list[tuple[Document, int, int]]:
    """Fill `items` and return the ranges that an index answers otherwise than a scan does."""
    items.create_index(index)
    items.insert_many(
        {"owner": owner, "at": at, "number": number}
        for owner in (1, 2)
        for at in (1, 2, 3)
        for number in (1, 2)
    )
    wrong = []
    for bound in ({"$gte": 2}, {"$gt": 2}, {"$lte": 2}, {"$lt": 2}, {"$gte": 2, "$lte": 2}):
        query = {"owner": 1, "at": bound}
        found = len(list(items.find(query)))
        scanned = len(list(items.find({"$nor": [{"$nor": [query]}]})))
        if found != scanned:
            wrong.append((bound, found, scanned))
    return wrong


@pytest.mark.parametrize("at", [1, -1])
@pytest.mark.parametrize("last", [None, 1, -1])
def test_a_bound_holds_its_own_value_also_before_more_fields(server, connect, at, last):
    items = connect(server).bounds[f"items{at}{last}"]
    index = [("owner", 1), ("at", at)] + ([("number", last)] if last else [])
    assert missed(items, index) == []


@pytest.mark.deep
def test_without_the_correction_documents_at_the_bound_are_left_out(start_server, connect):
    items = connect(start_server(without="bounds-before-more-fields")).bounds.items
    wrong = missed(items, [("owner", 1), ("at", -1), ("number", -1)])
    assert wrong == [({"$gte": 2}, 2, 4), ({"$gte": 2, "$lte": 2}, 0, 2)]
