"""Settings: one module, everything from the environment; README lists every variable.

No secret has a default outside DEBUG, so a production start without one fails with a sentence
that names the variable.
"""

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

# A setting like those below; no __all__, which would hide them from whoever imports all.
from ottsonly.admin_look import UNFOLD  # noqa: F401

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
if (BASE_DIR / ".env").is_file():
    env.read_env(BASE_DIR / ".env")

for _old, _new in (("MONGODB_URL", "MONGODB_URI"), ("DATABASE_NAME", "MONGODB_NAME")):
    if _old in os.environ:
        raise ImproperlyConfigured(
            f"{_old} is a variable of the old system and is not read here: "
            f"set {_new} instead and remove {_old}."
        )

DEBUG = env.bool("DEBUG", default=False)


def _secret(name: str) -> str:
    """Return a secret from the environment; outside DEBUG there is no default."""
    value = env.str(name, default="")
    if value:
        return value
    if DEBUG:
        return {
            "SECRET_KEY": "development-only-secret-key-of-no-value-0000000000000000000000",
            "HASH_KEY": "development-only-hash-key-of-no-value",
            "CREDENTIAL_KEYS": "ZGV2ZWxvcG1lbnQtb25seS1rZXktb2Ytbm8tdmFsdWU=",
        }[name]
    raise ImproperlyConfigured(f"{name} is not set: it is required unless DEBUG=true.")


def _chats(name: str) -> dict[str, list[str]]:
    """Return the kinds of each chat of "chat:kind,kind;chat:*"."""
    found = {}
    for part in filter(None, (part.strip() for part in env.str(name, default="").split(";"))):
        chat, mark, kinds = part.partition(":")
        if not mark or not chat.strip() or not kinds.strip():
            raise ImproperlyConfigured(
                f'{name} is written like "-1001:new_order,refund;-1002:*", not like "{part}".'
            )
        found[chat.strip()] = [kind.strip() for kind in kinds.split(",") if kind.strip()]
    return found


def _hours(name: str) -> tuple[str, str] | None:
    """Return start and end of "HH:MM-HH:MM", or None when it is not set."""
    text = env.str(name, default="").strip()
    if not text:
        return None
    found = re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)", text)
    if not found:
        raise ImproperlyConfigured(f'{name} is written like "22:00-07:00", not like "{text}".')
    return text[:5], text[6:]


SECRET_KEY = _secret("SECRET_KEY")
# Key of every keyed hash (one-time codes, backup codes, doubles of stored accounts).
HASH_KEY = _secret("HASH_KEY")
# Fernet keys for stored credentials, newest first, comma separated; apart from SECRET_KEY so that
# one can be changed without the other.
CREDENTIAL_KEYS = [key.strip() for key in _secret("CREDENTIAL_KEYS").split(",") if key.strip()]

ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost"] if DEBUG else [])
SITE_URL = env.str("SITE_URL", default="http://127.0.0.1:8000").rstrip("/")
SITE_URL_IS_SET = bool(env.str("SITE_URL", default=""))
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
# How many proxies of ours stand before the web server: that many X-Forwarded-For entries from the
# right are believed, none by default.
TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", default=0)

INSTALLED_APPS = [
    "ottsonly.apps.OttsonlyConfig",
    # The basic one: Unfold's own would put a site of its own in the place of ours, and that one
    # does not ask for the second factor.
    "unfold.apps.BasicAppConfig",
    "ottsonly.apps.ConsoleConfig",
    "ottsonly.apps.AuthConfig",
    "ottsonly.apps.ContentTypesConfig",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "csp",
    "accounts.apps.AccountsConfig",
    "help_pages.apps.HelpPagesConfig",
    "catalog.apps.CatalogConfig",
    "wallet.apps.WalletConfig",
    "subscriptions.apps.SubscriptionsConfig",
    "orders.apps.OrdersConfig",
    "invoices.apps.InvoicesConfig",
    "notifications.apps.NotificationsConfig",
    "telegram_alerts.apps.TelegramAlertsConfig",
    "console.apps.ConsoleRoomConfig",
]
MIGRATION_MODULES = {
    "admin": "ottsonly.contrib_migrations.admin",
    "auth": "ottsonly.contrib_migrations.auth",
    "contenttypes": "ottsonly.contrib_migrations.contenttypes",
}
MIDDLEWARE = [
    "ottsonly.logs.RequestIdMiddleware",
    "ottsonly.health.ProbeMiddleware",
    "ottsonly.metrics.MetricsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.middleware.SecondFactorMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "ottsonly.error_pages.MethodMiddleware",
    "ottsonly.error_pages.BusyMiddleware",
]
ROOT_URLCONF = "ottsonly.urls"
WSGI_APPLICATION = "ottsonly.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "notifications.context_processors.header",
            ],
        },
    }
]

DATABASES = {
    "default": {
        "ENGINE": "django_mongodb_backend",
        "HOST": env.str("MONGODB_URI", default="mongodb://127.0.0.1:27017/?directConnection=true")
        if DEBUG
        else env.str("MONGODB_URI"),
        "NAME": env.str("MONGODB_NAME", default="ottsonly"),
        "OPTIONS": {
            "serverSelectionTimeoutMS": 5000,
            "w": "majority",
            "readConcernLevel": "majority",
            "uuidRepresentation": "standard",
        },
    }
}
DATABASE_ROUTERS = ["django_mongodb_backend.routers.MongoRouter"]
DEFAULT_AUTO_FIELD = "django_mongodb_backend.fields.ObjectIdAutoField"

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.backends.PhoneBackend"]
LOGIN_URL = "accounts:login"
LOGIN_REDIRECT_URL = "catalog:plans"
SESSION_ENGINE = "accounts.sessions"
SESSION_COOKIE_AGE = env.int("SESSION_COOKIE_AGE", default=30 * 86400)
# After so long the staff is asked for the second factor again; the log-in itself goes on.
CONSOLE_SESSION_SECONDS = env.int("CONSOLE_SESSION_SECONDS", default=12 * 3600)
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
MESSAGE_STORAGE = "django.contrib.messages.storage.fallback.FallbackStorage"
PHONE_REGION = env.str("PHONE_REGION", default="IN")
OTP_RESEND_SECONDS = env.int("OTP_RESEND_SECONDS", default=30)
OTP_LIFETIME_SECONDS = env.int("OTP_LIFETIME_SECONDS", default=600)
OTP_MAX_ATTEMPTS = env.int("OTP_MAX_ATTEMPTS", default=5)
OTP_PER_PHONE_PER_HOUR = env.int("OTP_PER_PHONE_PER_HOUR", default=6)
OTP_PER_IP_PER_HOUR = env.int("OTP_PER_IP_PER_HOUR", default=30)
# Codes abroad cost many times more and are what premium-rate fraud asks for: all together.
OTP_ABROAD_PER_HOUR = env.int("OTP_ABROAD_PER_HOUR", default=60)
DEMO_LOGIN_CODE = env.str("DEMO_LOGIN_CODE", default="")
SMS_BACKEND = env.str(
    "SMS_BACKEND", default="accounts.sms.ConsoleSms" if DEBUG else "accounts.sms.Msg91Sms"
)
SMS_TIMEOUT_SECONDS = env.float("SMS_TIMEOUT_SECONDS", default=5.0)
MSG91_BASE_URL = env.str("MSG91_BASE_URL", default="https://control.msg91.com")
MSG91_AUTH_KEY = env.str("MSG91_AUTH_KEY", default="")
MSG91_TEMPLATE_ID = env.str("MSG91_TEMPLATE_ID", default="")
MSG91_SENDER = env.str("MSG91_SENDER", default="")
MSG91_DLT_TEMPLATE_ID = env.str("MSG91_DLT_TEMPLATE_ID", default="")
MSG91_PHONE_CHANGED_TEMPLATE_ID = env.str("MSG91_PHONE_CHANGED_TEMPLATE_ID", default="")

TOPUP_MIN_PAISE = env.int("TOPUP_MIN_PAISE", default=100_00)
TOPUP_MAX_PAISE = env.int("TOPUP_MAX_PAISE", default=20_000_00)
TOPUP_QUICK_PAISE = env.list("TOPUP_QUICK_PAISE", cast=int, default=[200_00, 500_00, 1000_00])
RAZORPAY_KEY_ID = env.str("RAZORPAY_KEY_ID", default="")
RAZORPAY_KEY_SECRET = env.str("RAZORPAY_KEY_SECRET", default="")
RAZORPAY_WEBHOOK_SECRET = env.str("RAZORPAY_WEBHOOK_SECRET", default="")
RAZORPAY_BASE_URL = env.str("RAZORPAY_BASE_URL", default="https://api.razorpay.com")
RAZORPAY_CHECKOUT_JS_URL = env.str(
    "RAZORPAY_CHECKOUT_JS_URL", default="https://checkout.razorpay.com/v1/checkout.js"
)
RAZORPAY_CONNECT_TIMEOUT = env.float("RAZORPAY_CONNECT_TIMEOUT", default=3.0)
RAZORPAY_READ_TIMEOUT = env.float("RAZORPAY_READ_TIMEOUT", default=8.0)
# Fewer calls at once than a web process has threads: the others go on serving pages.
RAZORPAY_MAX_CALLS = env.int("RAZORPAY_MAX_CALLS", default=4)
RAZORPAY_CIRCUIT_FAILURES = env.int("RAZORPAY_CIRCUIT_FAILURES", default=5)
RAZORPAY_CIRCUIT_SECONDS = env.float("RAZORPAY_CIRCUIT_SECONDS", default=15.0)
TOPUPS_PER_HOUR = env.int("TOPUPS_PER_HOUR", default=20)
TOPUPS_PER_DAY = env.int("TOPUPS_PER_DAY", default=60)
TOPUPS_OPEN_MAX = env.int("TOPUPS_OPEN_MAX", default=5)
PURCHASES_PER_HOUR = env.int("PURCHASES_PER_HOUR", default=30)
PROBLEMS_PER_DAY = env.int("PROBLEMS_PER_DAY", default=10)
# Of one person: files with all data, printed papers, and looks at login details.
EXPORTS_PER_HOUR = env.int("EXPORTS_PER_HOUR", default=10)
PDFS_PER_HOUR = env.int("PDFS_PER_HOUR", default=120)
REVEALS_PER_HOUR = env.int("REVEALS_PER_HOUR", default=60)
QUOTE_LIFETIME_SECONDS = env.int("QUOTE_LIFETIME_SECONDS", default=1800)

# Who sells. Without a GSTIN papers are receipts; with one, orders get tax invoices.
SELLER_NAME = env.str("SELLER_NAME", default="")
SELLER_ADDRESS = env.str("SELLER_ADDRESS", default="")
SELLER_GSTIN = env.str("SELLER_GSTIN", default="").strip().upper()
SELLER_STATE_CODE = SELLER_GSTIN[:2]
SAC_CODE = env.str("SAC_CODE", default="998433")
GST_RATE_PERCENT = env.str("GST_RATE_PERCENT", default="18")

TELEGRAM_BOT_TOKEN = env.str("TELEGRAM_BOT_TOKEN", default="")
TELEGRAM_CHAT_ID = env.str("TELEGRAM_CHAT_ID", default="")
# Further chats and what each wants, such as "-1001:new_order,refund;-1002:*".
TELEGRAM_CHATS = _chats("TELEGRAM_CHATS")
# "22:00-07:00" by TIME_ZONE: what is harmless then waits and comes as one message afterwards.
TELEGRAM_QUIET_HOURS = _hours("TELEGRAM_QUIET_HOURS")
# How the Telegram library is asked for what it will do by itself one day: pauses as timedelta.
os.environ.setdefault("PTB_TIMEDELTA", "true")
TELEGRAM_BASE_URL = env.str("TELEGRAM_BASE_URL", default="https://api.telegram.org/bot")

# What `manage.py worker` runs: see ottsonly.jobs.Job. Money first: Telegram may be slow.
PERIODIC_JOBS: list[dict[str, Any]] = [
    {"name": "apply-webhooks", "run": "wallet.webhooks.apply_received", "every": 2},
    {"name": "deliver-orders", "run": "orders.services.deliver_waiting_orders", "every": 2},
    {"name": "import-accounts", "run": "subscriptions.imports.continue_imports", "every": 2},
    {"name": "move-holders", "run": "subscriptions.pool.finish_retirements", "every": 20},
    {"name": "send-broadcasts", "run": "notifications.broadcasts.send_broadcasts", "every": 2},
    {"name": "ask-topups", "run": "wallet.reconciliation.reconcile_pending", "every": 30},
    {"name": "expire-topups", "run": "wallet.reconciliation.expire_old", "every": 300},
    {
        "name": "refunds-to-source",
        "run": "wallet.source_refunds.send_due_source_refunds",
        "every": 20,
    },
    {"name": "reconcile", "run": "wallet.reconciliation.reconcile_recent", "every": 900},
    {"name": "expire-subscriptions", "run": "subscriptions.lifecycle.expire_due", "every": 5},
    {"name": "renew", "run": "orders.auto_renewal.renew_due", "every": 600},
    {"name": "remind", "run": "subscriptions.lifecycle.remind_due", "every": 300},
    {"name": "send-reminders", "run": "subscriptions.messages.send_due_messages", "every": 15},
    {"name": "issue-invoices", "run": "invoices.services.issue_due_documents", "every": 2},
    {
        "name": "send-alerts",
        "run": "telegram_alerts.delivery.deliver_due",
        "every": 1,
        "shared": True,
    },
    {"name": "tell-watchers", "run": "catalog.watches.tell_watchers", "every": 60},
    {"name": "clean-up", "run": "ottsonly.cleanup.delete_perished", "every": 3600},
    {"name": "collect-alerts", "run": "telegram_alerts.digest.collect_held", "every": 60},
    {"name": "sum-days", "run": "console.figures.close_days", "every": 1800},
    {"name": "daily-summary", "run": "telegram_alerts.digest.send_daily_summary", "at": "09:00"},
]

# What nobody needs after its time: see ottsonly.cleanup.
WEBHOOK_KEEP_DAYS = env.int("WEBHOOK_KEEP_DAYS", default=180)
PERISHABLE: list[dict[str, Any]] = [
    {"model": "ottsonly.Counter", "field": "expires_at"},
    {"model": "accounts.OneTimeCode", "field": "expires_at"},
    {"model": "accounts.LoginSession", "field": "expire_date"},
    {
        "model": "wallet.WebhookEvent",
        "field": "received_at",
        "days": WEBHOOK_KEEP_DAYS,
        "state": "applied",
    },
]
# What each room knows of a customer, for the export and the deletion: see accounts.privacy.
PERSONAL_DATA = [
    "catalog.watches",
    "wallet.personal",
    "orders.personal",
    "subscriptions.personal",
    "invoices.personal",
    "notifications.personal",
]
# Ids of the people that a phone (any notation) or an e-mail names, for the search in the trace.
FIND_PEOPLE = "accounts.lookup.find_user_ids"
# Reminders leave the shop by e-mail when there is a server, by SMS when there is a template.
EMAIL_HOST = env.str("EMAIL_HOST", default="")
EMAIL_PORT = env.int("EMAIL_PORT", default=587)
EMAIL_HOST_USER = env.str("EMAIL_HOST_USER", default="")
EMAIL_HOST_PASSWORD = env.str("EMAIL_HOST_PASSWORD", default="")
EMAIL_USE_TLS = env.bool("EMAIL_USE_TLS", default=True)
EMAIL_TIMEOUT = env.int("EMAIL_TIMEOUT", default=10)
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="shop@localhost")
SMS_REMINDER_TEMPLATE_ID = env.str("SMS_REMINDER_TEMPLATE_ID", default="")

SHOP_NAME = "OTTSONLY"
SUPPORT_EMAIL = env.str("SUPPORT_EMAIL", default="")
SUPPORT_WHATSAPP_URL = env.str("SUPPORT_WHATSAPP_URL", default="")
SUPPORT_TELEGRAM_URL = env.str("SUPPORT_TELEGRAM_URL", default="")
CSRF_FAILURE_VIEW = "ottsonly.error_pages.csrf_failure"

LANGUAGE_CODE = "en-in"
FORMAT_MODULE_PATH = "ottsonly.formats"
TIME_ZONE = "Asia/Kolkata"
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = env.str("STATIC_ROOT", default=str(BASE_DIR / "staticfiles"))
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
# In development files come from where they are written; nothing need be collected first.
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = DEBUG

_HTTPS = urlsplit(SITE_URL).scheme == "https" or not DEBUG
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=_HTTPS)
SESSION_COOKIE_SECURE = _HTTPS
CSRF_COOKIE_SECURE = _HTTPS
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=31_536_000 if _HTTPS else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = _HTTPS
SECURE_HSTS_PRELOAD = _HTTPS
SECURE_REFERRER_POLICY = "same-origin"
if TRUSTED_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
X_FRAME_OPTIONS = "DENY"
# Uploads stay in memory: a file of logins must never lie on a disk.
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

# Probes of machines: what each room tells is named by string.
READINESS_CHECKS = {
    "database": "ottsonly.health.check_database",
    "worker": "ottsonly.health.check_worker",
    "outbox": "telegram_alerts.health.check_outbox",
}
METRIC_SOURCES = ["ottsonly.metrics.job_metrics", "telegram_alerts.health.outbox_metrics"]
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
WORKER_SILENCE_SECONDS = env.int("WORKER_SILENCE_SECONDS", default=120)
OUTBOX_SILENCE_SECONDS = env.int("OUTBOX_SILENCE_SECONDS", default=900)
SENTRY_DSN = env.str("SENTRY_DSN", default="")
SENTRY_ENVIRONMENT = env.str("SENTRY_ENVIRONMENT", default="production")

LOG_FORMAT = env.str("LOG_FORMAT", default="plain")
if LOG_FORMAT not in ("plain", "json"):
    raise ImproperlyConfigured(f'LOG_FORMAT is "plain" or "json", not "{LOG_FORMAT}".')
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "plain": {"()": "ottsonly.logs.PlainFormatter"},
        "json": {"()": "ottsonly.logs.JsonFormatter"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
    # The HTTP client of the Telegram library logs addresses, and its address holds the bot token.
    # The font library lists the letters of every PDF, which are those of a customer's name.
    "loggers": {name: {"level": "WARNING"} for name in ("httpx", "httpcore", "fontTools", "fpdf")},
}
