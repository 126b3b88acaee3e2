"""Django's requests, but with their text always read as UTF-8.

Django decodes queries and forms by whatever codec the Content-Type names. Some of them fail (rot13), and those with
escapes can produce characters that no answer can contain.
"""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import BadRequest
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.http.multipartparser import MultiPartParserError
from django.utils.http import parse_header_parameters

# What parsing a header's parameters (RFC 2231) raises: for an unknown charset, and for inconsistent parts of a value.
UNREADABLE = (ValueError, TypeError)
_FORMS = {"application/x-www-form-urlencoded", "multipart/form-data"}


class Request(WSGIRequest):
    """A request that stays readable whatever its Content-Type is."""

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        # Django's method would make the charset the request's encoding.
        try:
            self.content_type, self.content_params = parse_header_parameters(meta.get("CONTENT_TYPE", ""))
        except UNREADABLE:
            # Other code parses the header itself.
            meta["CONTENT_TYPE"] = meta["CONTENT_TYPE"].partition(";")[0].strip().lower()
            self.content_type, self.content_params = meta["CONTENT_TYPE"], {}

    def _load_post_and_files(self) -> None:
        charset = (self.content_params or {}).get("charset", "utf-8")
        if self.content_type in _FORMS and charset.lower() not in {"utf-8", "utf8"}:
            raise BadRequest("A form has to be in UTF-8.")
        super()._load_post_and_files()

    def parse_file_upload(self, META: Mapping[str, Any], post_data: Any) -> Any:  # noqa: N803 - Django's name
        """Return fields and files; raise MultiPartParserError for a body that cannot be read."""
        try:
            return super().parse_file_upload(META, post_data)
        except UNREADABLE as error:
            raise MultiPartParserError(str(error)) from None


class Handler(WSGIHandler):
    """Django's application with such requests."""

    request_class = Request
