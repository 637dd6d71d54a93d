"""What this package, the TypeScript library, the server and the core must agree on, read from tables."""
