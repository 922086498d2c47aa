"""Moving bytes: a plan of what to fetch, and the engine that fetches it."""
