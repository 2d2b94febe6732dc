"""People and what proves who they are."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, ClassVar

from bson import ObjectId
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_mongodb_backend.fields import ObjectIdField
from django_otp.models import Device

from accounts.gst_states import STATES
from accounts.managers import UserManager
from accounts.permissions import ADMIN_PERMISSIONS, SUPPORT_PERMISSIONS
from accounts.phones import display_phone, mask_phone
from ottsonly.encryption import EncryptedManager, EncryptedTextField, keyed_hash

# What stands before a random text where the phone of a deleted account was.
GONE = "gone-"


class User(AbstractBaseUser):
    """A customer or a member of the staff, known by the phone; there are no passwords."""

    class Role(models.TextChoices):
        USER = "user", _("Customer")
        SUPPORT = "support", _("Support")
        ADMIN = "admin", _("Admin")

    # Django's way to leave a field of a base model out; the stubs know only the field.
    password = None  # type: ignore[assignment]
    phone = models.CharField(_("phone"), max_length=20, unique=True)
    name = models.CharField(_("name"), max_length=80, blank=True, default="")
    email = models.EmailField(_("e-mail"), blank=True, default="")
    # Place of supply of the next purchase; asked only while the shop has a GSTIN.
    state_code = models.CharField(
        _("State"), max_length=2, blank=True, default="", choices=list(STATES.items())
    )
    role = models.CharField(_("role"), max_length=10, choices=Role.choices, default=Role.USER)
    is_active = models.BooleanField(_("active"), default=True)
    # Part of every session's hash: counting it up ends all of them.
    session_epoch = models.IntegerField(default=0, editable=False)
    created_at = models.DateTimeField(_("since"), default=timezone.now, editable=False)

    USERNAME_FIELD = "phone"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects = UserManager()

    class Meta:
        db_table = "users"
        verbose_name = _("user")
        verbose_name_plural = _("users")
        indexes = [
            # With the key, along which broadcasts look through the customers.
            models.Index(fields=["role", "is_active", "id"], name="users_by_role_and_id"),
            models.Index(fields=["-created_at"], name="users_recent"),
            models.Index(fields=["email"], name="users_email"),
        ]

    def __str__(self) -> str:
        return self.display_name

    def natural_key(self) -> tuple[str]:
        return (self.phone,)

    @property
    def is_staff(self) -> bool:
        """Whether the person works here; the console asks for the second factor besides."""
        return self.is_active and self.role in (self.Role.SUPPORT, self.Role.ADMIN)

    @property
    def is_admin(self) -> bool:
        return self.is_active and self.role == self.Role.ADMIN

    @property
    def is_customer(self) -> bool:
        return self.is_active and self.role == self.Role.USER

    @property
    def is_deleted(self) -> bool:
        """Whether the person asked to be forgotten; only the books still refer to the account."""
        return self.phone.startswith(GONE)

    @property
    def display_name(self) -> str:
        return self.name or self.phone_display

    @property
    def phone_display(self) -> str:
        return display_phone(self.phone)

    @property
    def masked_phone(self) -> str:
        return mask_phone(self.phone)

    def get_full_name(self) -> str:
        return self.display_name

    def get_short_name(self) -> str:
        return self.display_name

    def has_usable_password(self) -> bool:
        return False

    def check_password(self, raw_password: str | None) -> bool:
        return False

    def set_password(self, raw_password: str | None) -> None:
        raise TypeError("users have no password: they log in by a code sent to the phone")

    def get_session_auth_hash(self) -> str:
        """Return what every session of this user must carry to be believed."""
        return keyed_hash("session", f"{self.pk}:{self.session_epoch}")

    def get_session_auth_fallback_hash(self) -> Iterator[str]:
        return iter(())

    def get_all_permissions(self, obj: Any = None) -> frozenset[str]:
        if self.is_admin:
            return ADMIN_PERMISSIONS
        return SUPPORT_PERMISSIONS if self.is_staff else frozenset()

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        return perm in self.get_all_permissions()

    def has_perms(self, perm_list: Iterable[str], obj: Any = None) -> bool:
        return all(self.has_perm(perm) for perm in perm_list)

    def has_module_perms(self, app_label: str) -> bool:
        return any(perm.startswith(f"{app_label}.") for perm in self.get_all_permissions())


class OneTimeCode(models.Model):
    """The one code of a phone that may be used now; a new one takes its place."""

    # As accounts.codes.CodeSlot writes it: purpose, whose, phone.
    key = models.CharField(primary_key=True, max_length=80)
    phone = models.CharField(max_length=20)
    code_hash = models.CharField(max_length=64, blank=True, default="")
    expires_at = models.DateTimeField(db_index=True)
    attempts = models.IntegerField(default=0)
    sent_at = models.DateTimeField()

    class Meta:
        db_table = "one_time_codes"

    def __str__(self) -> str:
        return f"code for {mask_phone(self.phone)}"


class LoginSession(AbstractBaseSession):
    """A session with what its owner wants to know of it."""

    user_id = ObjectIdField(null=True, blank=True, db_index=True)
    ip = models.CharField(max_length=45, blank=True, default="")
    device = models.CharField(max_length=80, blank=True, default="")
    created_at = models.DateTimeField(default=timezone.now)
    last_seen_at = models.DateTimeField(default=timezone.now)
    # Set on the list of open sessions, for the one that looks at it; not stored.
    is_current = False

    class Meta:
        db_table = "sessions"

    def __str__(self) -> str:
        return self.device or "session"

    @classmethod
    def get_session_store_class(cls) -> Any:
        from accounts.sessions import SessionStore

        return SessionStore


class TotpDevice(Device):
    """The authenticator app of a member of the staff (RFC 6238, 30 seconds, six digits)."""

    key = EncryptedTextField()
    # The last time step that was accepted: a token counts once.
    last_t = models.BigIntegerField(default=-1)
    created_at = models.DateTimeField(default=timezone.now)

    # Not the manager of django-otp, which would write an encrypted key in plain text.
    objects = EncryptedManager()  # type: ignore[assignment, misc]

    class Meta:
        db_table = "totp_devices"
        indexes = [models.Index(fields=["user", "confirmed"], name="totp_by_user")]


class BackupCode(models.Model):
    """One backup code; using it deletes it."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    device = models.ForeignKey(TotpDevice, on_delete=models.CASCADE, related_name="+")
    code_hash = models.CharField(max_length=64, unique=True)

    class Meta:
        db_table = "backup_codes"

    def __str__(self) -> str:
        return "backup code"


class EnrolmentLink(models.Model):
    """A link that lets one member of the staff set up an authenticator, once."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    token_hash = models.CharField(max_length=64, unique=True)
    # The secret that the page shows; drawn once so that a second look shows the same QR code.
    key = EncryptedTextField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    objects = EncryptedManager()

    class Meta:
        db_table = "enrolment_links"

    def __str__(self) -> str:
        return "enrolment link"

    def is_open(self, now: datetime) -> bool:
        return self.used_at is None and self.expires_at > now


class RoleGuard(models.Model):
    """One document that every change of roles writes, so that two of them cannot miss each other.

    Counting the remaining admins only reads; under snapshot isolation two transactions that demote
    one admin each would both still see the other.
    """

    key = models.CharField(primary_key=True, max_length=20)
    changes = models.BigIntegerField(default=0)

    class Meta:
        db_table = "role_guard"

    def __str__(self) -> str:
        return self.key


def object_id(text: Any) -> ObjectId | None:
    """Return `text` as an ObjectId, or None when it is none."""
    return ObjectId(text) if ObjectId.is_valid(text) else None
