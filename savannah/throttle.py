"""Rate limits. PostgreSQL counts the requests, so that a limit holds across all processes and hosts."""

from ipaddress import IPv6Address, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest

from savannah.sql import execute, fetch_value, load_queries

QUERIES = load_queries(__file__)


def take(key: str, *, per_minute: int) -> int:
    """Count one more request of `key` and return 0; or the seconds to wait if it had `per_minute` within a minute."""
    seconds: int = fetch_value(QUERIES.take, key=key, per_minute=per_minute)
    return seconds


def forget_old() -> int:
    """Delete the keys whose requests no longer count; return how many."""
    return execute(QUERIES.forget_throttles)


def client_address(request: HttpRequest) -> str:
    """Return the client's address: as reported by the TRUSTED_PROXIES in front of us, or the connection's peer."""
    hops = [hop.strip() for hop in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
    trusted = settings.TRUSTED_PROXIES
    address: str = hops[-trusted] if 0 < trusted <= len(hops) and hops[-trusted] else request.META["REMOTE_ADDR"]
    return address


def client_network(request: HttpRequest) -> str:
    """Return what rate limits treat as one client: an IPv4 address, or the first address of an IPv6 /64.

    An internet provider's customer has at least a /64, and could use another of its addresses for each attempt.
    """
    try:
        address = ip_address(client_address(request))
    except ValueError:  # a proxy that does not give an address
        return str(request.META["REMOTE_ADDR"])
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or ip_network((address.packed, 64), strict=False).network_address)
    return str(address)
