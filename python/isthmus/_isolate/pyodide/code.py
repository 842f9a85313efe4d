"""Running Python and JavaScript source, and calls that forgive extra arguments (spec/ffi.md §6).

This file has no `from __future__ import`: `compile` would hand it on to the user's code.
"""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar

if TYPE_CHECKING:
    import ast
    from inspect import Signature
    from types import CodeType

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


def _future_flags(code: "CodeType") -> int:
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

    ast: "ast.Module"
    """The parsed source."""
    code: "CodeType"
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
        if mode != "exec" or (quiet_trailing_semicolon and should_quiet(source)):
            self._return_mode = "none"
        self.ast = compile(source, filename, mode, flags | ast.PyCF_ONLY_AST, dont_inherit=True, optimize=optimize)

    def _split(self) -> "tuple[ast.Module, ast.expr | None]":
        """The statements to run, and the expression whose value is the result."""
        import ast

        body = self.ast.body
        if self._return_mode == "none" or not body:
            return self.ast, None
        last = body[-1]
        if isinstance(last, ast.Expr):
            return ast.Module(body[:-1], self.ast.type_ignores), last.value
        target: ast.expr | None = None
        if self._return_mode == "last_expr_or_assign":
            if isinstance(last, ast.Assign):
                target = last.targets[0]
            elif isinstance(last, (ast.AugAssign, ast.AnnAssign)):
                target = last.target
        if not isinstance(target, ast.Name):
            return self.ast, None
        return self.ast, ast.copy_location(ast.Name(target.id, ast.Load()), target)

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
        if self._filename != "<exec>":
            import linecache

            lines = self._source.splitlines(keepends=True)
            linecache.cache[self._filename] = (len(self._source), None, lines, self._filename)
        return {} if globals is None else globals

    def run(self, globals: dict[str, Any] | None = None, locals: Any = None) -> Any:
        """Runs in `globals` (by default a new dict) and `locals` (by default `globals`). RuntimeError if not compiled."""
        globals = self._prepare(globals)
        for code in (self.code, self._value_code):
            if code is not None and code.co_flags & _COROUTINE:
                raise RuntimeError("Used eval_code with TOP_LEVEL_AWAIT. Use run_async for this instead.")
        value = eval(self.code, globals, locals)
        return value if self._value_code is None else eval(self._value_code, globals, locals)

    async def run_async(self, globals: dict[str, Any] | None = None, locals: Any = None) -> Any:
        """The same as `run`, and awaits what the source awaits at its top level."""
        globals = self._prepare(globals)
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
    try:
        signature = _cached_signature(func)
    except TypeError:  # not hashable
        signature = _signature(func)
    return _call(func, signature, args, kwargs)


def relaxed_wrap(func: Callable[Arguments, Result]) -> Callable[..., Result]:
    """A function that calls `func` as `relaxed_call` does."""
    signature = _signature(func)
    if signature is None:
        raise TypeError(f"no signature found for {func!r}")

    @wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Result:
        return _call(func, signature, args, kwargs)

    return wrapper


def _signature(func: Callable[..., Any]) -> "_Relaxed | None":
    from inspect import signature

    try:
        return _Relaxed(signature(func))
    except (TypeError, ValueError):
        return None


_cached_signature = lru_cache(maxsize=512)(_signature)


class _Relaxed:
    """Which arguments a function takes."""

    __slots__ = ("names", "positional", "required", "required_names", "signature")

    def __init__(self, signature: "Signature") -> None:
        self.signature = signature
        self.positional: int | None = 0
        """How many positional arguments at most; None without limit."""
        self.required = 0
        """How many positional arguments at least."""
        self.names: set[str] | None = set()
        """The keyword arguments; None for any."""
        self.required_names = False
        """Whether there are keyword arguments without a default."""
        takes_any_name = False
        for name, parameter in signature.parameters.items():
            kind = parameter.kind
            if kind is parameter.VAR_POSITIONAL:
                self.positional = None
            elif kind is parameter.VAR_KEYWORD:
                takes_any_name = True
            elif kind is parameter.KEYWORD_ONLY:
                self.names.add(name)
                self.required_names |= parameter.default is parameter.empty
            else:
                self.positional += 1
                self.required += parameter.default is parameter.empty
                if kind is parameter.POSITIONAL_OR_KEYWORD:
                    self.names.add(name)
        if takes_any_name:
            self.names = None


def _call(
    func: Callable[..., Result], relaxed: _Relaxed | None, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Result:
    if relaxed is None:
        return func(*args, **kwargs)
    if relaxed.positional is not None and len(args) > relaxed.positional:
        args = args[: relaxed.positional]
    if kwargs and relaxed.names is not None:
        kwargs = {name: value for name, value in kwargs.items() if name in relaxed.names}
    if kwargs or relaxed.required_names or len(args) < relaxed.required:
        relaxed.signature.bind(*args, **kwargs)  # raises the TypeError that names what is missing
    return func(*args, **kwargs)
