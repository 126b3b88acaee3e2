"""Peer (b): plain DRF, as its tutorial and django-oauth-toolkit's teach it: one project in one module."""
