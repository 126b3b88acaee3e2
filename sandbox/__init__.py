"""A stand-in for Africa's Talking's SMS gateway: `python -m sandbox --port 8001`."""
