"""What a check of the books reports."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One document that breaks one rule.

    Args:
        rule: the rule in words.
        document: kind and id, never a secret.
        detail: what was found, with the figures.
    """

    rule: str
    document: str
    detail: str

    def __str__(self) -> str:
        return f"{self.document}: {self.rule}: {self.detail}"
