"""The machinery of the simulated market: HTTP, orders, tokens, bills. It knows no vendor by name."""
