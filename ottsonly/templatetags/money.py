"""Template filters for money."""

from django import template

from ottsonly.money import format_rupees

register = template.Library()


@register.filter
def rupees(paise: int | None) -> str:
    """Show integer paise as rupees; nothing for None."""
    return "" if paise is None else format_rupees(paise)


@register.filter
def signed_rupees(paise: int) -> str:
    """Show integer paise as rupees with its sign: "+₹500", "−₹199"."""
    return format_rupees(paise) if paise < 0 else f"+{format_rupees(paise)}"
