"""HTTP requests and range requests, with a pool of connections."""
