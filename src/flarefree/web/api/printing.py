"""`python -m flarefree.web.api.printing`: the OpenAPI document as JSON, of no installation in particular."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory


def main() -> None:
    """Print it."""
    from flarefree.web.config import WebConfig

    with TemporaryDirectory() as folder:
        os.environ.update(WebConfig(data=Path(folder)).to_environment())
        os.environ["DJANGO_SETTINGS_MODULE"] = "flarefree.web.settings"
        import django

        django.setup()
        from flarefree.web.api.application import openapi_document

        json.dump(openapi_document(), sys.stdout, indent=1)


if __name__ == "__main__":
    main()
