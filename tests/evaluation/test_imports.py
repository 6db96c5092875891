import subprocess
import sys


def test_numbers_need_neither_figures_nor_pages():
    code = """
import importlib, pkgutil, sys
import arms.evaluation
for module in pkgutil.iter_modules(arms.evaluation.__path__):
    importlib.import_module(f"arms.evaluation.{module.name}")
print([name for name in sys.modules if name == "matplotlib" or name.startswith("arms.reports")])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
