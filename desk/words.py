"""The desk's words for the states of an SMS."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Word:
    """A state in a word, its colour (`tone`, a CSS class), and a sentence that explains it."""

    word: str
    tone: str
    sentence: str
    is_open: bool = False


STATES = {
    "queued": Word("Queued", "odd", "It goes out as soon as the gateway takes it.", is_open=True),
    "sending": Word("Sending", "odd", "The gateway is being asked.", is_open=True),
    "accepted": Word("Sent", "sent", "The gateway has taken it; the phone has not confirmed it yet.", is_open=True),
    "delivered": Word("Delivered", "good", "It is on the phone."),
    "undelivered": Word("Not delivered", "bad", "The network could not deliver it."),
    "rejected": Word("Refused", "bad", "The gateway refused it."),
    "unknown": Word("Not sure", "odd", "The gateway did not answer: it may or may not have been sent.", is_open=True),
    "cancelled": Word("Cancelled", "plain", "It was called off before it was sent."),
    "expired": Word("Too late", "bad", "It waited too long and was given up."),
}
# The results of an attempt, by the state that it gave to the SMS.
ANSWERS = {"accepted": "taken", "queued": "not taken", "rejected": "refused", "unknown": "no clear answer"}
# What only people can fix, by a part of the gateway's reason.
REMEDIES = {
    "InsufficientBalance": "Top up the gateway's account",
    "InvalidSenderId": "The sender name is not registered",
    "HTTP 401": "The API key is not right",
    "HTTP 403": "The API key is not right",
}
NONE = Word("No SMS", "plain", "There is no SMS for this order.")


def word_for(state: str | None) -> Word:
    """Return the words for a state; None means that the order has no SMS."""
    return STATES.get(state or "", NONE)


def remedy_for(reason: str) -> str:
    """Return what to do; if that is not known, the gateway's own words."""
    return next((remedy for sign, remedy in REMEDIES.items() if sign in reason), reason)
