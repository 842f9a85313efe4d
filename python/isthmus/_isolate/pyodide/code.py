"""Running Python and JavaScript source, and calls that forgive extra arguments (spec/ffi.md §6).

This file has no `from __future__ import`: `compile` would hand it on to the user's code.
"""

from collections.abc import Callable, Container
from functools import wraps
from types import CodeType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar

if TYPE_CHECKING:
    import ast

__all__ = [
    "CodeRunner",
    "eval_code",
    "eval_code_async",
    "find_imports",
    "relaxed_call",
    "relaxed_wrap",
    "run_js",
    "should_quiet",
]

ReturnMode = Literal["last_expr", "last_expr_or_assign", "none"]
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

_TOP_LEVEL_AWAIT = 0x2000
"""`ast.PyCF_ALLOW_TOP_LEVEL_AWAIT`, without importing ast."""
_COROUTINE = 0x80
"""`inspect.CO_COROUTINE`."""
_VARARGS = 0x04
"""`inspect.CO_VARARGS`."""
_VARKEYWORDS = 0x08
"""`inspect.CO_VARKEYWORDS`."""


def _future_flags(code: CodeType) -> int:
    """What `from __future__ import` in the source asked of the compiler."""
    import __future__

    mask = 0
    for name in __future__.all_feature_names:
        mask |= getattr(__future__, name).compiler_flag
    return code.co_flags & mask & ~_COROUTINE


class CodeRunner:
    """Source parsed, then compiled, then run, with the value of its last expression for a result.

    `ast` may be changed before `compile()`. SyntaxError as from `compile`.
    """

    ast: "ast.Module | ast.Interactive"
    """The parsed source."""
    code: CodeType
    """The compiled statements, without the last expression if its value is asked for; AttributeError before `compile()`."""

    def __init__(
        self,
        source: str,
        *,
        return_mode: ReturnMode = "last_expr",
        mode: str = "exec",
        quiet_trailing_semicolon: bool = True,
        filename: str = "<exec>",
        flags: int = 0,
        dont_inherit: bool = False,
        optimize: int = -1,
        dedent: bool = True,
    ) -> None:
        import ast

        if not isinstance(source, str):
            raise TypeError(f"expected str object, not {type(source).__name__!r}")
        if dedent:
            from textwrap import dedent as without_indent

            source = without_indent(source)
        self._source = source
        self._mode = mode
        self._filename = filename
        self._flags = flags
        self._optimize = optimize
        self._compiled = False
        self._value_code: CodeType | None = None
        self._return_mode = return_mode
        if mode not in ("exec", "single") or (quiet_trailing_semicolon and should_quiet(source)):
            self._return_mode = "none"
        self.ast = compile(source, filename, mode, flags | ast.PyCF_ONLY_AST, dont_inherit=True, optimize=optimize)

    def _split(self) -> "tuple[ast.Module | ast.Interactive, ast.expr | None]":
        """The statements to run, and the expression whose value is the result."""
        import ast

        tree = self.ast
        if self._return_mode not in ("last_expr", "last_expr_or_assign") or not tree.body:
            return tree, None
        last = tree.body[-1]
        if isinstance(last, ast.Expr):
            rest = tree.body[:-1]
            if isinstance(tree, ast.Interactive):
                return ast.Interactive(rest), last.value
            return ast.Module(rest, tree.type_ignores), last.value
        target: ast.expr | None = None
        if self._return_mode == "last_expr_or_assign":
            if isinstance(last, ast.Assign):
                target = last.targets[0]
            elif isinstance(last, (ast.AugAssign, ast.AnnAssign)):
                target = last.target
        if not isinstance(target, ast.Name):
            return tree, None
        return tree, ast.copy_location(ast.Name(target.id, ast.Load()), target)

    def compile(self) -> "CodeRunner":
        """Compiles; returns self. RuntimeError the second time."""
        if self._compiled:
            raise RuntimeError("Already compiled")
        import ast

        self._compiled = True
        statements, value = self._split()
        options: dict[str, Any] = {"dont_inherit": True, "optimize": self._optimize}
        self.code = compile(statements, self._filename, self._mode, self._flags, **options)
        if value is not None:
            flags = self._flags | _future_flags(self.code)
            self._value_code = compile(ast.Expression(value), self._filename, "eval", flags, **options)
        return self

    def _prepare(self, globals: dict[str, Any] | None) -> dict[str, Any]:
        if not self._compiled:
            raise RuntimeError("Not yet compiled")
        if not (self._filename.startswith("<") and self._filename.endswith(">")):
            import linecache

            lines = [f"{line}\n" for line in self._source.splitlines()]
            linecache.cache[self._filename] = (len(self._source), None, lines, self._filename)
        return {} if globals is None else globals

    def run(self, globals: dict[str, Any] | None = None, locals: Any = None) -> Any:
        """Runs in `globals` (by default a new dict) and `locals` (by default `globals`). RuntimeError if not compiled."""
        globals = self._prepare(globals)
        locals = globals if locals is None else locals
        for code in (self.code, self._value_code):
            if code is not None and code.co_flags & _COROUTINE:
                raise RuntimeError("Used eval_code with TOP_LEVEL_AWAIT. Use run_async for this instead.")
        value = eval(self.code, globals, locals)
        return value if self._value_code is None else eval(self._value_code, globals, locals)

    async def run_async(self, globals: dict[str, Any] | None = None, locals: Any = None) -> Any:
        """The same as `run`, and awaits what the source awaits at its top level."""
        globals = self._prepare(globals)
        locals = globals if locals is None else locals
        value = eval(self.code, globals, locals)
        if self.code.co_flags & _COROUTINE:
            value = await value
        if self._value_code is not None:
            value = eval(self._value_code, globals, locals)
            if self._value_code.co_flags & _COROUTINE:
                value = await value
        return value


def eval_code(
    source: str,
    globals: dict[str, Any] | None = None,
    locals: Any = None,
    *,
    return_mode: ReturnMode = "last_expr",
    quiet_trailing_semicolon: bool = True,
    filename: str = "<exec>",
    flags: int = 0,
    dont_inherit: bool = False,
    optimize: int = -1,
    dedent: bool = True,
) -> Any:
    """Runs source and returns the value of its last expression, None if a semicolon follows it."""
    runner = CodeRunner(
        source,
        return_mode=return_mode,
        quiet_trailing_semicolon=quiet_trailing_semicolon,
        filename=filename,
        flags=flags,
        dont_inherit=dont_inherit,
        optimize=optimize,
        dedent=dedent,
    )
    return runner.compile().run(globals, locals)


async def eval_code_async(
    source: str,
    globals: dict[str, Any] | None = None,
    locals: Any = None,
    *,
    return_mode: ReturnMode = "last_expr",
    quiet_trailing_semicolon: bool = True,
    filename: str = "<exec>",
    flags: int = 0,
    dont_inherit: bool = False,
    optimize: int = -1,
    dedent: bool = True,
) -> Any:
    """The same as `eval_code` for source with `await` at its top level."""
    runner = CodeRunner(
        source,
        return_mode=return_mode,
        quiet_trailing_semicolon=quiet_trailing_semicolon,
        filename=filename,
        flags=flags | _TOP_LEVEL_AWAIT,
        dont_inherit=dont_inherit,
        optimize=optimize,
        dedent=dedent,
    )
    return await runner.compile().run_async(globals, locals)


def find_imports(source: str) -> list[str]:
    """The modules that source imports, with all their parents, sorted; none if it is no valid Python."""
    import ast
    from textwrap import dedent

    if not isinstance(source, str):
        raise TypeError(f"expected str object, not {type(source).__name__!r}")
    try:
        tree = ast.parse(dedent(source))
    except SyntaxError:
        return []
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names = [node.module]
        else:
            continue
        for name in names:
            parts = name.split(".")
            found.update(".".join(parts[:count]) for count in range(1, len(parts) + 1))
    return sorted(found)


def should_quiet(source: str, /) -> bool:
    """Whether the last token of source, comments apart, is a semicolon."""
    if ";" not in source:
        return False
    import tokenize
    from io import StringIO

    ignored = {tokenize.ENDMARKER, tokenize.NL, tokenize.NEWLINE, tokenize.COMMENT}
    for token in reversed(list(tokenize.generate_tokens(StringIO(source).readline))):
        if token.type not in ignored:
            return token.type == tokenize.OP and token.string == ";"
    return False


def run_js(code: str, /) -> Any:
    """Evaluates JavaScript in the global scope, as an indirect `eval` does."""
    if not isinstance(code, str):
        raise TypeError(f"argument should have type 'string' not type '{type(code).__name__}'")
    from isthmus._native.ffi import run_js as evaluate

    return evaluate(code)


def relaxed_call(func: Callable[..., Result], *args: Any, **kwargs: Any) -> Result:
    """Calls `func` without the arguments that it does not take. TypeError for a missing one.

    A function without a signature is called with all of them.
    """
    accepted = _Accepted.of(func)
    if accepted is None:
        return func(*args, **kwargs)
    if accepted.positional is not None and len(args) > accepted.positional:
        args = args[: accepted.positional]
    if kwargs and accepted.names is not None:
        kwargs = {name: value for name, value in kwargs.items() if name in accepted.names}
    if kwargs or accepted.required_names or len(args) < accepted.required:
        from inspect import signature

        signature(func).bind(*args, **kwargs)  # raises the TypeError that names what is missing
    return func(*args, **kwargs)


def relaxed_wrap(func: Callable[Arguments, Result]) -> Callable[..., Result]:
    """A function that calls `func` as `relaxed_call` does. TypeError if `func` has no signature."""
    if _Accepted.of(func) is None:
        raise TypeError("Cannot wrap function")

    @wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Result:
        return relaxed_call(func, *args, **kwargs)

    return wrapper


class _Accepted:
    """Which arguments a function takes. Not cached by function: that would keep handlers and closures alive."""

    __slots__ = ("names", "positional", "required", "required_names")

    positional: int | None
    """How many positional arguments at most; None without limit."""
    required: int
    """How many positional arguments at least."""
    names: Container[str] | None
    """The keyword arguments; None for any."""
    required_names: bool
    """Whether there are keyword arguments without a default."""

    @staticmethod
    def of(func: Any) -> "_Accepted | None":
        """None if there is no telling."""
        function, bound = (func.__func__, 1) if type(func) is MethodType else (func, 0)
        while type(function) is FunctionType:
            attributes = function.__dict__
            if attributes and "__signature__" in attributes:
                break
            if not attributes or "__wrapped__" not in attributes:
                return _Accepted._of_function(function, bound)
            function = attributes["__wrapped__"]
        return _Accepted._of_signature(func)

    @staticmethod
    def _of_function(function: FunctionType, bound: int) -> "_Accepted":
        accepted = _Accepted()
        code, defaults = function.__code__, function.__defaults__
        count, keywords, flags = code.co_argcount, code.co_kwonlyargcount, code.co_flags
        accepted.positional = None if flags & _VARARGS else max(count - bound, 0)
        accepted.required = max(count - len(defaults or ()) - bound, 0)
        accepted.names = (
            None if flags & _VARKEYWORDS else code.co_varnames[max(code.co_posonlyargcount, bound) : count + keywords]
        )
        accepted.required_names = keywords > len(function.__kwdefaults__ or ())
        return accepted

    @staticmethod
    def _of_signature(func: Any) -> "_Accepted | None":
        from inspect import Parameter, signature

        try:
            parameters = signature(func).parameters.values()
        except (TypeError, ValueError):
            return None
        accepted = _Accepted()
        kinds = [parameter.kind for parameter in parameters]
        positional = [one for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
        keywords = [one for one in parameters if one.kind is one.KEYWORD_ONLY]
        accepted.positional = None if Parameter.VAR_POSITIONAL in kinds else len(positional)
        accepted.required = sum(one.default is one.empty for one in positional)
        accepted.required_names = any(one.default is one.empty for one in keywords)
        accepted.names = (
            None
            if Parameter.VAR_KEYWORD in kinds
            else {one.name for one in (*positional, *keywords) if one.kind is not one.POSITIONAL_ONLY}
        )
        return accepted
