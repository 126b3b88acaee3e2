"""How many segments a text has, and how PostgreSQL saves some: checked against the stand-in's own count."""

import pytest
from django.db import connection

from sandbox.segments import segments

pytestmark = pytest.mark.django_db


def sql(function: str, text: str):
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s)", [text])
        return cursor.fetchone()[0]


@pytest.mark.parametrize(
    ("text", "encoding", "count"),
    [
        ("", "GSM-7", 1),
        ("Hello @£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./:;<=>?¡ÄÖÑÜ§¿äöñüà", "GSM-7", 1),
        ("^{}\\[~]|€\f", "GSM-7", 1),
        ("a" * 160, "GSM-7", 1),
        ("a" * 161, "GSM-7", 2),
        ("€" * 80, "GSM-7", 1),
        ("€" * 81, "GSM-7", 2),
        ("a" * 152 + "€" * 5, "GSM-7", 2),
        ("€" * 153, "GSM-7", 3),
        ("a" * 307, "GSM-7", 3),
        ("`", "UCS-2", 1),
        ("\u2019" * 70, "UCS-2", 1),
        ("\u2019" * 71, "UCS-2", 2),
        ("\u2019" * 135, "UCS-2", 3),
        ("\U0001f600" * 35, "UCS-2", 1),
        ("\U0001f600" * 36, "UCS-2", 2),
        ("\U0001f600" * 67, "UCS-2", 3),
        ("ç", "UCS-2", 1),
    ],
)
def test_it_counts_segments_as_the_gateway_does(text, encoding, count):
    assert sql("sms_encoding", text) == encoding
    assert sql("sms_segments", text) == count == segments(text)


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("Amina\u2019s \u201cbest\u201d tea \u2013 1\u00a0kg\u2026", 'Amina\'s "best" tea - 1 kg...'),
        ("cafe\u0301", "café"),
        ("zero\u200bwidth", "zerowidth"),
        ("plain", "plain"),
        ("\u2019\U0001f600 stays", "\u2019\U0001f600 stays"),
    ],
)
def test_it_writes_in_gsm_7_what_has_an_equal_there(text, sent):
    assert sql("sms_transliterate", text) == sent
