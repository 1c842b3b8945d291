"""JSON in and out: the shape of each request and answer."""
