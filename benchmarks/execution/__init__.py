"""The work on one cell, in this process or in a worker process with limits of time and memory."""
