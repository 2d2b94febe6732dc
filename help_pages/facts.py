"""What the texts may name in braces, from the settings; what is not set is an empty text."""

from django.conf import settings

from ottsonly.money import format_rupees

DAY = 86400


def shop_facts() -> dict[str, str]:
    """Return the facts by their names in the texts."""
    return {
        "shop": settings.SHOP_NAME,
        "seller": settings.SELLER_NAME,
        "address": settings.SELLER_ADDRESS,
        "gstin": settings.SELLER_GSTIN,
        "email": settings.SUPPORT_EMAIL,
        "whatsapp": settings.SUPPORT_WHATSAPP_URL,
        "telegram": settings.SUPPORT_TELEGRAM_URL,
        "topup_min": format_rupees(settings.TOPUP_MIN_PAISE),
        "topup_max": format_rupees(settings.TOPUP_MAX_PAISE),
        "code_minutes": str(settings.OTP_LIFETIME_SECONDS // 60),
        "code_tries": str(settings.OTP_MAX_ATTEMPTS),
        "session_days": str(settings.SESSION_COOKIE_AGE // DAY),
    }
