"""The vendors of the market: every module here with a VENDOR (or VENDORS). Adding a file adds one."""
from __future__ import annotations

import importlib
import pkgutil


def load() -> dict:
    """name -> Vendor, in the order of the files."""
    found = {}
    for info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(__name__ + "." + info.name)
        for vendor in getattr(module, "VENDORS", (getattr(module, "VENDOR", None),)):
            if vendor is not None:
                found[vendor.name] = vendor
    return found
