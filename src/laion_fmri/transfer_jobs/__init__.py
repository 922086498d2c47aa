"""Downloads that survive a restart: their records, their lock, and the process that runs one."""
