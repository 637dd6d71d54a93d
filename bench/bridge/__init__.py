"""Round trips to a phase server and to bare echoes, for `npm run bench -- --only bridge`."""
