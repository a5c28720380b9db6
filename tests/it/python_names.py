"""Prints each public name of the Python module with its parameters, from the sources alone: `python_names.py PYTHON_DIR`."""

import ast
import pathlib
import sys

package = pathlib.Path(sys.argv[1]) / "capture_hook"
modules = {path.stem: ast.parse(path.read_text()) for path in sorted(package.glob("*.py*")) if path.is_file()}


def public_names(module):
    """The strings of a module's `__all__`."""
    for node in module.body:
        if isinstance(node, ast.Assign) and any(getattr(target, "id", "") == "__all__" for target in node.targets):
            return ast.literal_eval(node.value)
    return []


def describe(node, owner):
    """Lines for a function or class: its parameters, and its public methods and attributes."""
    name = f"{owner}.{node.name}" if owner else node.name
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        decorators = {getattr(one, "id", getattr(one, "attr", "")) for one in node.decorator_list}
        if decorators & {"property", "cached_property"}:
            yield name
        elif "overload" not in decorators:
            yield f"{name}({ast.unparse(without_types(node.args))})"
        return
    yield f"class {name}({', '.join(ast.unparse(base) for base in node.bases)})"
    for inner in node.body:
        special = ("__init__", "__enter__", "__exit__", "__new__", "__len__", "__iter__", "__getitem__", "__arrow_c_stream__")
        if isinstance(inner, (ast.FunctionDef, ast.ClassDef)) and (inner.name[0] != "_" or inner.name in special):
            yield from describe(inner, name)
        elif isinstance(inner, ast.AnnAssign) and not inner.target.id.startswith("_"):
            yield f"{name}.{inner.target.id}"


def without_types(arguments):
    """Parameters without annotations: names, order, kinds and defaults are what callers rely on."""
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    for argument in filter(None, every):
        argument.annotation = None
    return arguments


defined = {}
for stem, module in modules.items():
    for node in module.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            # The stub of the compiled module comes first: what a Python file wraps is described there.
            defined.setdefault(node.name, node)

lines = []
for module, prefix in (("__init__", "capture_hook"), ("dask", "capture_hook.dask"), ("errors", "capture_hook.errors")):
    for name in public_names(modules[module]):
        node = defined.get(name)
        lines.extend([f"{prefix}.{name}"] if node is None else describe(node, prefix))
print("\n".join(sorted(lines)))
