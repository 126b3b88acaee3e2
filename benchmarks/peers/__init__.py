"""What the service is measured against; each peer is written as well as its framework allows."""
