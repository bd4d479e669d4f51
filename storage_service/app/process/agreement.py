"""What processes of one service agree on: names of variables, exit codes, times. Imports nothing."""

SOCKETS_VARIABLE = "STORAGE_SOCKETS"  # a worker's inherited descriptors, comma separated
THOROUGH_VARIABLE = "STORAGE_CHECK_CATALOG"  # set: the whole catalog is checked before anything is served
LAUNCH_VARIABLE = "STORAGE_LAUNCH"  # what the launcher hands to the supervisor, as JSON

REFUSED = 3  # exit code: another start would be refused again
DRAIN_SECONDS = 25  # for a worker's requests in flight
JOBS_SECONDS = 5  # for the jobs process to settle what is left
