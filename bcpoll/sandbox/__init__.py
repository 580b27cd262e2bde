"""A store (BigCommerce) and a POS (X-Series) on loopback, for the demo and for the tests.

Owns stand-ins that answer as the two APIs are documented to, and can be switched to every other answer that their
documents leave open. Nothing outside this package imports Flask, and nothing here is part of a real pass.

`world` joins the pieces, `server` puts a world on a socket, `seed` fills one with a small shop and `files` with order
files in BigCommerce's own JSON.
"""
