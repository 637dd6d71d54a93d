"""Tables of the values that this package, the TypeScript library, the server and the core must agree on."""
