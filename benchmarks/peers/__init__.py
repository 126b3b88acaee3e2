"""What the service is measured against, each written as well as its own kind can be."""
