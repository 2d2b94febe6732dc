"""Bringing many accounts into the pool: looked at first, written part by part, safe to repeat.

What was pasted lies nowhere in clear: it is parsed in memory, and stored only encrypted, until its
part is written. A part is one transaction that also says that it is done, so an import that was
killed goes on with what is missing, whoever continues it and however many do.
"""

import json
import logging
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any

from bson import ObjectId
from django.db import IntegrityError
from django.db.models import Sum
from django.utils.translation import gettext as _

from catalog.models import Plan
from ottsonly import clock, jobs
from ottsonly.audit import record_event
from ottsonly.encryption import keyed_hash
from ottsonly.mongo import in_transaction
from ottsonly.states import sources
from subscriptions.errors import ImportRefused
from subscriptions.import_lines import (
    DOUBLE_IN_FILE,
    DOUBLE_IN_POOL,
    OK,
    Account,
    Line,
    read_lines,
)
from subscriptions.models import Credential, CredentialImport, ImportPart

logger = logging.getLogger(__name__)

PART_SIZE = 500
# Another import may store the same login in between: then the part is looked at again.
PART_TRIES = 5
KEPT_UNSTARTED = timedelta(days=1)


def check_import(
    *, plan: Plan, text: str, actor: Any, key: str, separator: str = ""
) -> CredentialImport:
    """Look at every line, store the good ones encrypted, and write nothing into the pool.

    Args:
        text: what was pasted or uploaded; kept nowhere in clear.
        separator: a name of SEPARATORS; empty detects it.
        key: the idempotency key of the form; the same lines under it are checked once. Others are
            another import: who goes back and corrects a line must not get the old ones.

    Raises:
        ImportRefused: there are no lines, too many, or a heading that is not known.
    """
    lines = read_lines(text, separator=separator)
    _find_doubles(plan, lines)
    verdicts = Counter(line.verdict for line in lines)
    counted = {
        "lines": len(lines),
        "good": verdicts[OK],
        "bad": sum(line.account is None for line in lines),
        "doubled_in_file": verdicts[DOUBLE_IN_FILE],
        "doubled_in_pool": verdicts[DOUBLE_IN_POOL],
    }
    content = keyed_hash("import", f"{plan.pk}:{separator}:{text}")
    key = f"{key}:{content[:16]}"
    import_id, now = ObjectId(), clock.now()

    def work() -> CredentialImport:
        source = CredentialImport(
            pk=import_id, plan=plan, actor=actor, key=key, created_at=now, **counted
        )
        source.save(force_insert=True)
        ImportPart.objects.bulk_create(list(_parts(source, lines)))
        record_event(
            actor=actor,
            action="credential_import.check",
            target=source,
            after={"plan": str(plan), **counted},
        )
        return source

    try:
        return in_transaction(work)
    except IntegrityError:
        return CredentialImport.objects.get(key=key)


def _find_doubles(plan: Plan, lines: list[Line]) -> None:
    """Mark the lines whose account stands further up in the file or is stored already."""
    first: dict[str, Line] = {}
    for line in lines:
        if line.account is None:
            continue
        fingerprint = _fingerprint(plan.platform_id, line.account)
        if fingerprint in first:
            line.verdict = DOUBLE_IN_FILE
        else:
            first[fingerprint] = line
    for stored in _stored(plan.platform_id):
        if stored in first:
            first[stored].verdict = DOUBLE_IN_POOL


def _fingerprint(platform_id: Any, account: Account) -> str:
    return Credential.fingerprint_of(platform_id=platform_id, login=account.login)


def _stored(platform_id: Any) -> Iterator[str]:
    """Yield the fingerprints of a platform's accounts, plan by plan along the pool's index."""
    for plan_id in list(Plan.objects.filter(platform_id=platform_id).values_list("pk", flat=True)):
        pool = Credential.objects.filter(plan_id=plan_id).order_by()
        yield from pool.values_list("fingerprint", flat=True).iterator()


def _parts(source: CredentialImport, lines: list[Line]) -> Iterator[ImportPart]:
    for number, start in enumerate(range(0, len(lines), PART_SIZE), start=1):
        part = lines[start : start + PART_SIZE]
        good = [line.account.values() for line in part if line.account and line.verdict == OK]
        yield ImportPart(
            source=source,
            number=number,
            payload=json.dumps(good),
            verdicts=[[line.number, line.verdict] for line in part],
            size=len(good),
        )


def start_import(*, source: CredentialImport, actor: Any) -> None:
    """Let the good lines be written; the worker does it, or whoever calls write_parts.

    Raises:
        ImportRefused: it was discarded, or has no good line. Started twice is started once.
    """

    def work() -> None:
        if not source.good:
            raise ImportRefused(_("No line of this import is new."))
        started = CredentialImport.objects.filter(
            pk=source.pk,
            state__in=sources(CredentialImport.TRANSITIONS, CredentialImport.State.RUNNING),
        ).update(state=CredentialImport.State.RUNNING, started_at=clock.now())
        if started == 1:
            record_event(
                actor=actor,
                action="credential_import.start",
                target=source,
                after={"accounts": source.good},
            )

    in_transaction(work)
    source.refresh_from_db()
    if source.state == CredentialImport.State.DISCARDED:
        raise ImportRefused(_("This import was discarded. Paste or choose the lines again."))


def discard_import(*, source: CredentialImport, actor: Any) -> None:
    """Forget the lines of an import that was not started.

    Raises:
        ImportRefused: it was started already.
    """

    def work() -> None:
        discarded = CredentialImport.objects.filter(
            pk=source.pk,
            state__in=sources(CredentialImport.TRANSITIONS, CredentialImport.State.DISCARDED),
        ).update(state=CredentialImport.State.DISCARDED, finished_at=clock.now())
        if discarded != 1:
            raise ImportRefused(_("This import was started already."))
        ImportPart.objects.filter(source_id=source.pk).delete()
        record_event(actor=actor, action="credential_import.discard", target=source)

    in_transaction(work)


def write_parts(*, source: CredentialImport) -> bool:
    """Write the missing parts of a started import while there is time; say whether all are there.

    Any number of processes may do it at once, and any of them may be killed.
    """
    waiting = ImportPart.objects.filter(source_id=source.pk, done_at__isnull=True)
    for part_id in list(waiting.order_by("number").values_list("pk", flat=True)):
        if not jobs.may_continue():
            return False
        _write_part(source.pk, part_id)
    return _finish(source.pk)


def _write_part(source_id: ObjectId, part_id: ObjectId) -> None:
    for attempt in range(1, PART_TRIES + 1):
        try:
            # The dry run has left the doubles out, so first none is looked for again.
            in_transaction(partial(_store, source_id, part_id, look=attempt > 1))
            return
        except IntegrityError:
            if attempt == PART_TRIES:
                raise


def _store(source_id: ObjectId, part_id: ObjectId, *, look: bool) -> None:
    source = CredentialImport.objects.select_related("plan").get(pk=source_id)
    part = ImportPart.objects.get(pk=part_id)
    if part.done_at is not None or source.state != CredentialImport.State.RUNNING:
        return
    now = clock.now()
    accounts = [Account(**values) for values in json.loads(part.payload or "[]")]
    known = {_fingerprint(source.plan.platform_id, account): account for account in accounts}
    stored = set(_stored(source.plan.platform_id)) if look else set()
    new = [
        Credential(
            plan_id=source.plan_id,
            fingerprint=fingerprint,
            imported_by_id=source_id,
            created_at=now,
            **account.values(),
        )
        for fingerprint, account in known.items()
        if fingerprint not in stored
    ]
    Credential.objects.bulk_create(new)
    # Saved by the field, which encrypts: an update would not.
    part.payload, part.written, part.done_at = "", len(new), now
    part.save(update_fields=["payload", "written", "done_at"])


def _finish(source_id: ObjectId) -> bool:
    def work() -> bool:
        if ImportPart.objects.filter(source_id=source_id, done_at__isnull=True).exists():
            return False
        finished = CredentialImport.objects.filter(
            pk=source_id,
            state__in=sources(CredentialImport.TRANSITIONS, CredentialImport.State.DONE),
        ).update(state=CredentialImport.State.DONE, finished_at=clock.now())
        if finished == 1:
            source = CredentialImport.objects.select_related("actor").get(pk=source_id)
            record_event(
                actor=source.actor,
                action="credential_import.finish",
                target=source,
                after={"written": written_by(source)},
            )
        return True

    return in_transaction(work)


def written_by(source: CredentialImport) -> int:
    """Return how many accounts of an import are in the pool."""
    found = ImportPart.objects.filter(source_id=source.pk).aggregate(total=Sum("written"))
    return found["total"] or 0


def continue_imports() -> None:
    """Write what is missing of every started import, and forget what nobody started for a day."""
    running = CredentialImport.objects.filter(state=CredentialImport.State.RUNNING)
    problem = None
    for source in running.order_by("created_at"):
        if not jobs.may_continue():
            return
        try:
            write_parts(source=source)
        except Exception as error:
            # The job fails in the end, so that people are told, but those behind it go on.
            logger.exception("import %s could not be continued", source.pk)
            problem = error
    forgotten = CredentialImport.objects.filter(
        state=CredentialImport.State.CHECKED, created_at__lt=clock.now() - KEPT_UNSTARTED
    )
    for source in forgotten.order_by("created_at"):
        try:
            discard_import(source=source, actor=None)
        except ImportRefused:
            # Started at this moment.
            continue
    if problem is not None:
        raise problem
