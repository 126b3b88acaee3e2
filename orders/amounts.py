"""The amount of an order."""

from decimal import Decimal
from typing import Any, cast

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

_MOST, _CENT = Decimal("99999999.99"), Decimal("0.01")


@extend_schema_field(
    {
        "oneOf": [
            {"type": "number", "exclusiveMinimum": 0, "maximum": 99999999.99},
            {"type": "string", "pattern": r"^\d{1,8}(\.\d{1,2})?$"},
        ],
        "description": "More than 0, at most two decimals.",
        "examples": [1299.99],
    }
)
class Amount(serializers.Field[Decimal, Any, Any, Any]):
    """A JSON number, or the same written as a string; more than 0, two decimals, fits DECIMAL(10, 2)."""

    default_error_messages = {
        "invalid": "must be a number.",
        "null": "must not be null.",
        "too_little": "must be more than 0.",
        "too_much": "must be at most 99999999.99.",
        "too_fine": "must have at most two decimals.",
    }

    def to_internal_value(self, data: Any) -> Decimal:
        """Return the amount with two decimals; fail for anything else, including true and false."""
        if isinstance(data, bool) or not isinstance(data, (Decimal, str)):
            self.fail("invalid")
        amount = self._parsed(data)
        if amount <= 0:
            self.fail("too_little")
        if amount > _MOST:
            self.fail("too_much")
        if cast("int", amount.as_tuple().exponent) < -2:
            self.fail("too_fine")
        return amount.quantize(_CENT)

    def _parsed(self, data: Decimal | str) -> Decimal:
        try:
            number = Decimal(data)
        except ArithmeticError:
            self.fail("invalid")
        if not number.is_finite():
            self.fail("invalid")
        return number
