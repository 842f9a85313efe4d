"""Signatures for JavaScript objects: what `JsProxy.bind_sig` and `bind_class` take (spec/ffi.md §6 "jsbind").

A signature is a class, whose annotations and methods describe the attributes of the object, or a function, whose
parameters and result describe a call. Native code (crates/bridge/src/jsbind) converts; here is found out, once for each
attribute and each function, by which converter: `shape_of`, `attribute_of` and `func_to_sig` are called from there.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from inspect import Parameter, getattr_static, isclass, iscoroutinefunction, isfunction
from types import FunctionType, GenericAlias, MethodType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from isthmus._native.ffi import (
    Js2PyConverter,
    JsFuncSignature,
    Py2JsConverter,
    Shape,
    create_bind_converter,
    create_promise_converter,
    js2py_as_py_json,
    js2py_deep,
    js2py_default,
    js2py_default_call_result,
    py2js_as_js_json,
    py2js_deep,
    py2js_default,
)

__all__ = [
    "BindClass",
    "Deep",
    "Default",
    "Js2PyConverter",
    "Js2PyConverterMeta",
    "JsFuncSignature",
    "Json",
    "Py2JsConverter",
    "Py2JsConverterMeta",
    "bind_class_sig",
    "create_promise_converter",
    "default_signature",
    "func_to_sig",
    "func_to_sig_inner",
    "js2py_as_py_json",
    "js2py_bind",
    "js2py_deep",
    "js2py_default",
    "js2py_default_call_result",
    "no_default",
    "py2js_as_js_json",
    "py2js_deep",
    "py2js_default",
]


class BindClass:
    """Base of classes that describe JavaScript objects: where an annotation names one, it is bound to the object."""


class Deep:
    """In `Annotated[T, Deep]`: converts all of it, as `to_js` (dicts to objects) and `to_py` do."""

    js2py = js2py_deep
    py2js = py2js_deep


class Json:
    """In `Annotated[T, Json]`: objects and arrays of one language behave as dicts and lists of the other, unconverted."""

    js2py = js2py_as_py_json
    py2js = py2js_as_js_json


class Default:
    """In `Annotated[T, Default]`: the implicit conversion."""


class Py2JsConverterMeta(type):
    """A class of this metaclass is a converter to JavaScript: its static method `pre_convert` comes before the
    conversion of `converter` (by default the implicit one), and before the `pre_convert` of that."""

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> Any:
        converter = namespace.get("converter", py2js_default).copy()
        first = namespace["pre_convert"]
        then = getattr(converter, "pre_convert", None)
        converter.pre_convert = first if then is None else lambda value: then(first(value))
        return converter


class Js2PyConverterMeta(type):
    """A class of this metaclass is a converter to Python: its static method `post_convert` comes after the conversion
    of `converter` (by default the implicit one), and after the `post_convert` of that."""

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> Any:
        converter = namespace.get("converter", js2py_default).copy()
        last = namespace["post_convert"]
        before = getattr(converter, "post_convert", None)
        converter.post_convert = last if before is None else lambda value: last(before(value))
        return converter


def js2py_bind(signature: Any) -> Js2PyConverter:
    """A converter that binds a signature to the proxy."""
    return create_bind_converter(shape_of(signature))


def bind_class_sig(cls: type) -> GenericAlias:
    """The signature of a constructor: `type[cls]`."""
    return GenericAlias(type, (cls,))


# ---- annotations


def _variants(annotation: Any) -> tuple[Any, ...]:
    """What may say how to convert, in an annotation: the metadata of `Annotated` and its type, the type of an optional."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return (*annotation.__metadata__, *_variants(annotation.__origin__))
    if origin is Union or origin is UnionType:
        types = [one for one in get_args(annotation) if one is not type(None)]
        return _variants(types[0]) if len(types) == 1 < len(get_args(annotation)) else ()
    return (annotation,)


def _promised(annotation: Any) -> Any:
    """The T of `Future[T]` and `Awaitable[T]`, None of anything else."""
    if isinstance(annotation, GenericAlias) and annotation.__name__ in ("Future", "Awaitable"):
        return annotation.__args__[0]
    return None


def js2py_annotation(annotation: Any) -> Js2PyConverter | None:
    """The converter to Python that an annotation asks for; None for the implicit conversion."""
    for variant in _variants(annotation):
        if (promised := _promised(variant)) is not None:
            return create_promise_converter(js2py_annotation(promised))
        if isinstance(variant, GenericAlias):
            continue
        if isinstance(variant, Js2PyConverter):
            return variant
        if (converter := getattr(variant, "js2py", None)) is not None:
            return converter
        if isclass(variant) and issubclass(variant, BindClass):
            return None if variant is BindClass else js2py_bind(variant)
    return None


def py2js_annotation(annotation: Any) -> Py2JsConverter | None:
    """The converter to JavaScript that an annotation asks for; None for the implicit conversion."""
    for variant in _variants(annotation):
        if isinstance(variant, GenericAlias):
            continue
        if isinstance(variant, Py2JsConverter):
            return variant
        if (converter := getattr(variant, "py2js", None)) is not None:
            return converter
    return None


# ---- shapes


def shape_of(signature: Any) -> Shape:
    """What a signature means; the same for the same class or function."""
    owner, name = signature, "_js_shape"
    if (cls := _constructed(signature)) is not None:
        owner, name = cls, "_js_class_shape"
    if not (isinstance(owner, FunctionType) or isclass(owner)):
        return Shape(signature)
    # In the object's own dict: a class must not find the shape of its base.
    known = vars(owner).get(name)
    if known is None:
        known = Shape(signature)
        try:
            setattr(owner, name, known)
        except (AttributeError, TypeError):
            pass  # a class of C, or one that refuses: found out each time
    return known


def _constructed(signature: Any) -> Any:
    """The `cls` of `type[cls]`, None for any other signature."""
    if isinstance(signature, GenericAlias) and signature.__origin__ is type:
        return signature.__args__[0]
    return None


def attribute_of(shape: Shape, name: str) -> Shape | Js2PyConverter | None:
    """What becomes of an attribute: a shape is bound to it, a converter converts it; None for the implicit conversion."""
    cls = _constructed(shape.signature)
    if cls is not None:
        # The annotations are about instances; the methods of the class are the constructor's.
        member = getattr_static(cls, name, None)
        return _method(member, cls) if isinstance(member, (staticmethod, classmethod)) else None
    signature = shape.signature
    if isinstance(signature, BindClass):
        signature = type(signature)
    hints = shape.hints
    if hints is None:
        hints = shape.hints = get_type_hints(signature, include_extras=True)
    annotation = hints.get(name)
    if annotation is not None:
        return js2py_annotation(annotation)
    member = getattr_static(signature, name, None)
    if member is not None:
        return _method(member, signature)
    fallback = getattr(signature, "__getattr__", None)
    if fallback is None:
        return None
    annotation = get_type_hints(fallback, include_extras=True).get("return")
    if isclass(annotation) and isfunction(getattr(annotation, "__call__", None)):  # noqa: B004 - a class is callable
        return shape_of(annotation)
    return js2py_annotation(annotation)


def _method(member: Any, owner: Any) -> Shape | None:
    """The shape of a method or nested class."""
    if isinstance(member, staticmethod):
        return shape_of(member.__func__)
    if isinstance(member, classmethod):
        return shape_of(MethodType(member.__func__, owner))
    if isclass(member):
        return shape_of(member) if issubclass(member, BindClass) else None
    if isfunction(member):
        # It describes the method, whose first parameter is bound.
        return shape_of(MethodType(member, owner))
    return None


# ---- functions

no_default = Parameter.empty


def func_to_sig(function: Any) -> JsFuncSignature:
    """How to call what has a signature: a function, a class with `__call__`, or `type[cls]` for a constructor."""
    cls = _constructed(function)
    if cls is not None:
        return func_to_sig_inner(MethodType(cls.__init__, cls), cls)
    if isclass(function):
        call = function.__call__
        return func_to_sig_inner(MethodType(call, function), None) if isfunction(call) else default_signature
    return func_to_sig_inner(function, None)


def func_to_sig_inner(function: Callable[..., Any], cls: type | None) -> JsFuncSignature:
    """The converters of a function's parameters and result; with `cls` it constructs one. RuntimeError for parameters that
    may be given both by position and by name, and for more than 64 that are given by name alone."""
    parameters = inspect.signature(function).parameters.values()
    try:
        hints = get_type_hints(function, include_extras=True)
    except TypeError:
        hints = {}  # callable, but of a kind that has no annotations, as functools.partial
    positional: list[Py2JsConverter] = []
    defaults: list[Any] = []
    named: list[Parameter] = []
    rest: Py2JsConverter | None = None
    others: Py2JsConverter | None = None

    def converter(parameter: Parameter) -> Py2JsConverter:
        return py2js_annotation(hints.get(parameter.name)) or py2js_default

    for parameter in parameters:
        if parameter.kind is Parameter.POSITIONAL_OR_KEYWORD:
            raise RuntimeError("Don't currently handle POS_OR_KWD args")
        if parameter.kind is Parameter.POSITIONAL_ONLY:
            positional.append(converter(parameter))
            if parameter.default is not no_default:
                defaults.append(parameter.default)
        elif parameter.kind is Parameter.KEYWORD_ONLY:
            named.append(parameter)
        elif parameter.kind is Parameter.VAR_POSITIONAL:
            rest = converter(parameter)
        else:
            others = converter(parameter)
    if len(named) > 64:
        raise RuntimeError("Cannot handle function with more than 64 kwonly args")
    result = js2py_annotation(hints.get("return") if cls is None else cls)
    if iscoroutinefunction(function):
        result = create_promise_converter(result or js2py_default)
    return JsFuncSignature(
        function,
        cls is not None,
        len(positional) - len(defaults),
        tuple(positional),
        tuple(defaults),
        rest,
        tuple(parameter.name for parameter in named),
        tuple(map(converter, named)),
        tuple(parameter.default for parameter in named),
        others,
        result or js2py_default_call_result,
    )


def _any_arguments(*args, **kwargs): ...  # type: ignore[no-untyped-def] # shown as the signature


default_signature = func_to_sig_inner(_any_arguments, None)
"""How a function is called that has no signature."""
