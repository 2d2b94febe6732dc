"""Finding people by what they tell: exact, and answered by an index."""

from typing import Any

from accounts.errors import InvalidPhone
from accounts.models import User, object_id
from accounts.phones import parse_phone

MOST_FOUND = 50


def find_users(text: str) -> list[User]:
    """Return the people whose phone (any notation), e-mail or id is `text`, newest first.

    A phone is unique; an e-mail need not be.
    """
    text = text.strip()
    key = object_id(text)
    if key is not None:
        return list(User.objects.filter(pk=str(key)))
    if "@" in text:
        # Kept as it was typed, so both notations are looked up, each by equality.
        typed = {text, text.lower()}
        found = User.objects.filter(email__in=sorted(typed)).order_by("-created_at")
        return list(found[:MOST_FOUND])
    try:
        phone = parse_phone(text)
    except InvalidPhone:
        return []
    return list(User.objects.filter(phone=phone))


def find_user_ids(text: str) -> list[Any]:
    """Return the ids of `find_users(text)`, for lists of their documents."""
    return [user.pk for user in find_users(text)]
