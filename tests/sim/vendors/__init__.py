"""The vendors of the market: every module here with a VENDOR is one. Adding a file adds a vendor."""
from __future__ import annotations

import importlib
import pkgutil


def load() -> dict:
    """name -> Vendor, in the order of the files."""
    found = {}
    for info in pkgutil.iter_modules(__path__):
        vendor = getattr(importlib.import_module(__name__ + "." + info.name), "VENDOR", None)
        if vendor is not None:
            found[vendor.name] = vendor
    return found
