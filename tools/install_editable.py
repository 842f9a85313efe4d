"""Makes `isthmus` importable and callable in the environment that runs this, from the checkout.

What `pip install -e .` would do, without its isolated build: the extension module is built by cargo
beside the Python sources, so nothing has to be installed again after a change.
"""

import sys
import sysconfig
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    site_packages = Path(sysconfig.get_path("purelib"))
    (site_packages / "isthmus.pth").write_text(f"{ROOT / 'python'}\n")
    for name, target in project["scripts"].items():
        module, function = target.split(":")
        script = Path(sysconfig.get_path("scripts"), name)
        script.write_text(f"#!{sys.executable}\nfrom {module} import {function}\n\n{function}()\n")
        script.chmod(0o755)


if __name__ == "__main__":
    main()
