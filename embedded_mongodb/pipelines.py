"""Corrections of aggregation stages.

This file runs inside and adapts SecantusDB, which is GPL-2.0; nothing else of this project
imports it; it talks to the application only over the wire.
"""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from secantus import aggregate, projection
from secantus.expressions import MISSING, evaluate_or_missing

Document = dict[str, Any]


def correct_nested_add_fields() -> None:
    """`$addFields: {a: {b: x}}` (and `$set`) puts b into the document a and keeps its rest.

    MongoDB reads a nested document of the specification as a path: `{a: {b: x}}` is
    `{"a.b": x}`. This server evaluated it as an expression and replaced the whole of a, so that
    a joined row lost all its other columns. MongoDB also walks through arrays, writing into
    each element; this server left arrays as they were.
    """

    def add_fields_one(doc: Document, spec: Mapping[str, Any], variables: Document) -> Document:
        result = copy.deepcopy(doc)
        for path, expression in nested_paths(spec):
            put(result, path, evaluate_or_missing(expression, doc, variables))
        return result

    aggregate._add_fields_one = add_fields_one


def correct_nested_project() -> None:
    """`$project: {a: {b: 1}}` includes the stored "a.b".

    MongoDB reads a nested document of the specification as a path, for 0, 1, true, false and
    expressions alike. This server took it for an expression and wrote the literal 1. Its own
    `find` has the rule right, so the specification is split by that code.
    """
    project_one = aggregate._project_one

    def corrected(doc: Document, spec: Mapping[str, Any], variables: Document) -> Any:
        if not any(isinstance(value, Mapping) for value in spec.values()):
            return project_one(doc, spec, variables)
        leaves = projection._flatten_projection_spec(spec)
        if leaves == spec:  # Only operators such as {$add: ...}, nothing nested.
            return project_one(doc, spec, variables)
        return project_leaves(doc, leaves, variables)

    aggregate._project_one = corrected


def project_leaves(doc: Document, leaves: Mapping[str, Any], variables: Document) -> Any:
    """Project `doc` by a specification that was split into dotted leaves."""
    flags: dict[str, int] = {}
    expressions: dict[str, Any] = {}
    for path, value in leaves.items():
        if projection._is_flag_value(value):
            flags[path] = 1 if projection._flag_truthy(value) else 0
        else:
            expressions[path] = value
    others = {path: flag for path, flag in flags.items() if path != "_id"}
    if not expressions and others and not any(others.values()):
        return projection.apply_projection(doc, flags)
    # The path of an expression is included too: it keeps the documents and arrays on the way to
    # it, as MongoDB does, and its own old value is then overwritten.
    included = {**others, **dict.fromkeys(expressions, 1)}
    projection._detect_inclusion(included)  # Raises MongoDB's own error for a mixture.
    if any(path.split(".")[0] == "_id" for path in included):
        result = projection.apply_projection(doc, included)
    else:
        result = projection.apply_projection(doc, {**included, "_id": flags.get("_id", 1)})
    for path, expression in expressions.items():
        put(result, path, evaluate_or_missing(expression, doc, variables))
    return result


def nested_paths(spec: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Give the dotted paths of a specification with the expression of each.

    A document whose first key starts with `$` is an expression; an empty one is a value.
    """
    for key, value in spec.items():
        path = prefix + key
        if isinstance(value, Mapping) and value and not next(iter(value)).startswith("$"):
            yield from nested_paths(value, path + ".")
        else:
            yield path, value


def put(container: Document, path: str, value: Any) -> None:
    """Set (or, for MISSING, remove) the field, as MongoDB's computed fields do.

    On the way a missing or scalar value becomes a document, and an array is walked through.
    """
    head, _, rest = path.partition(".")
    if rest:
        container[head] = put_below(container.get(head), rest, value)
    elif value is MISSING:
        container.pop(head, None)
    else:
        container[head] = value


def put_below(current: Any, path: str, value: Any) -> Any:
    """What stands at a field after `path` below it was set."""
    if isinstance(current, list):
        return [put_below(element, path, copy.deepcopy(value)) for element in current]
    document = current if isinstance(current, dict) else {}
    put(document, path, value)
    return document
