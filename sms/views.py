"""The gateway's callbacks: delivery reports and opt-outs. It does not sign them, so the address contains a secret."""

import hmac
import logging

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from savannah.errors import error_body
from savannah.text import storable
from sms.outbox import record_opt_out, record_report

logger = logging.getLogger(__name__)


@csrf_exempt
@require_POST
def delivery_report(request: HttpRequest, secret: str) -> HttpResponse:
    """`POST /api/sms/delivery-reports/{secret}/`: a delivery report. One with an unknown id is answered with 200, too.

    Source: Africa's Talking's "SMS delivery reports": a form of id, status, phoneNumber, networkCode, failureReason.
    """
    if not _is_the_gateway(secret):
        return _not_found()
    fields = {name: _field(request, name, length) for name, length in REPORT_FIELDS.items()}
    for name in ("id", "status", "phoneNumber"):
        if not fields[name]:
            return _missing(name)
    record_report(
        provider_id=fields["id"],
        status=fields["status"],
        phone_number=fields["phoneNumber"],
        failure_reason=fields["failureReason"],
        network_code=fields["networkCode"],
    )
    return JsonResponse({"status": "recorded"})


@csrf_exempt
@require_POST
def opt_out(request: HttpRequest, secret: str) -> HttpResponse:
    """`POST /api/sms/opt-outs/{secret}/`: a number that wants no more SMS; a form of senderId and phoneNumber."""
    if not _is_the_gateway(secret):
        return _not_found()
    phone_number = _field(request, "phoneNumber", 20)
    if not phone_number:
        return _missing("phoneNumber")
    record_opt_out(phone_number=phone_number, sender_id=_field(request, "senderId", 50))
    return JsonResponse({"status": "recorded"})


# The names of the form's fields, and the lengths of the columns.
REPORT_FIELDS = {"id": 100, "status": 50, "phoneNumber": 20, "failureReason": 200, "networkCode": 20}


def _is_the_gateway(secret: str) -> bool:
    known = hmac.compare_digest(secret.encode("utf-8", "replace"), settings.SMS_CALLBACK_SECRET.encode())
    if not known:
        logger.warning("a callback with a wrong secret was refused")
    return known


def _field(request: HttpRequest, name: str, length: int) -> str:
    return storable(request.POST.get(name, "").strip(), length)


def _not_found() -> HttpResponse:
    return JsonResponse(error_body("Not found"), status=404)


def _missing(name: str) -> HttpResponse:
    return JsonResponse(error_body(f"Missing required field: {name}"), status=400)
