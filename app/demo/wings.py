"""`python -m app.demo.wings FILE MODULE …`: a process that waits in the wings.

What its module needs is imported while the engines still start; it goes on as `python -m MODULE …`
once the file with its environment is there. Started again, it finds the file and goes on at once.
"""

import importlib
import json
import os
import runpy
import sys
import time
from pathlib import Path

NEEDED = {"app": ("uvicorn", "app.commands", "app.main"), "workers": ("workers.main",)}
LOOK_EVERY_S = 0.02


def main() -> None:
    """Wait for the file named first, then run the module named second with what is left."""
    file, module, *arguments = sys.argv[1:]
    for name in NEEDED[module]:
        importlib.import_module(name)
    while not Path(file).exists():
        time.sleep(LOOK_EVERY_S)
    os.environ.update(json.loads(Path(file).read_text()))
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
