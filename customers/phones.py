"""Phone numbers: accepted in international format, stored as E.164."""

import phonenumbers

PHONE_RULE = "must be a valid phone number in international format, such as +254712345678."


def to_e164(text: str) -> str | None:
    """Return `text` as E.164 (+254712345678), or None if it is not a valid number in international format.

    As phonenumbers knows ITU-T E.164: national formats, extensions and unassigned ranges are refused.
    """
    try:
        number = phonenumbers.parse(text, region=None)
    except phonenumbers.NumberParseException:
        return None
    if number.extension or not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
