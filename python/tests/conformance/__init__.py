"""The conformance suite of couplings to engines: docs/engine-contract.md, rule by rule."""
