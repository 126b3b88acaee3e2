"""How often somebody may ask. PostgreSQL counts, so that all processes and hosts count together."""

from ipaddress import IPv6Address, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest

from savannah.sql import execute, fetch_value, load_queries

QUERIES = load_queries(__file__)


def take(key: str, *, per_minute: int) -> int:
    """Count one more for `key`; return 0, or the seconds to wait when it had `per_minute` within a minute."""
    seconds: int = fetch_value(QUERIES.take, key=key, per_minute=per_minute)
    return seconds


def forget_old() -> int:
    """Delete what no longer counts; return how many keys that were."""
    return execute(QUERIES.forget_throttles)


def client_address(request: HttpRequest) -> str:
    """Return the address of who asks: what the TRUSTED_PROXIES in front of us say, or else whose connection it is."""
    hops = [hop.strip() for hop in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
    trusted = settings.TRUSTED_PROXIES
    address: str = hops[-trusted] if 0 < trusted <= len(hops) and hops[-trusted] else request.META["REMOTE_ADDR"]
    return address


def client_network(request: HttpRequest) -> str:
    """Return what counts as one who asks: an IPv4 address, or the first one of a /64 of IPv6.

    A provider's customer has at least a /64, and could take another address of it for each attempt.
    """
    try:
        address = ip_address(client_address(request))
    except ValueError:  # a proxy that does not give an address
        return str(request.META["REMOTE_ADDR"])
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or ip_network((address.packed, 64), strict=False).network_address)
    return str(address)
