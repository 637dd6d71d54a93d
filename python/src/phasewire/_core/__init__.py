"""The compiled core in this process."""
