"""Ctrl-C at any moment is KeyboardInterrupt, and leaves nothing behind."""

import ast
from pathlib import Path

import w2s_fast

PACKAGE = Path(w2s_fast.__file__).parent
PLAIN = ("None", "float", "int", "bool")  # what Numba makes a Python object of without running Python


def imported_kernels() -> set[tuple[str, str]]:
    """(module, function) of all kernels that Python code of the package imports."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        if path.parent.name == "kernels":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("w2s_fast.kernels"):
                found |= {(node.module, alias.name) for alias in node.names}
    modules = {name for module, name in found if module == "w2s_fast.kernels"}
    calls = {
        (f"w2s_fast.kernels.{node.value.id}", node.attr)
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules
    }
    return {(module, name) for module, name in found | calls if module != "w2s_fast.kernels"}


def test_kernels_that_python_calls_take_and_return_nothing_that_runs_python() -> None:
    """Numba makes arrays and generators by Python functions, and goes on where a signal's handler raises in them."""
    checked = 0
    for module, name in imported_kernels():
        tree = ast.parse((PACKAGE.parent / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8"))
        for node in tree.body:
            decorators = getattr(node, "decorator_list", [])
            if getattr(node, "name", "") == name and any(ast.unparse(each) == "kernel" for each in decorators):
                assert isinstance(node, ast.FunctionDef)
                assert node.returns is not None
                assert ast.unparse(node.returns) in PLAIN, f"{name} returns {ast.unparse(node.returns)}"
                assert not any(ast.unparse(arg.annotation or node) == "Generator" for arg in node.args.args), name
                checked += 1
    assert checked > 8
