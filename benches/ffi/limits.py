"""What the project allows itself per operation (issue 3, "Speed"), loop overhead included, on the reference machine.

That machine is the one of `peers.json`; there an iteration of an empty `for` loop takes `REFERENCE_LOOP` ns. A machine (or
a phase of a shared one) where it takes longer or shorter is slower or faster as a whole, so a figure is also shown times
`REFERENCE_LOOP / pure_loop_empty`.
"""

REFERENCE_LOOP = 14.0

# The most CPU time, in ns per operation.
LIMITS = {
    "get_prop_int": 35,
    "get_prop_str": 65,
    "get_prop_obj": 150,
    "get_js_module_attr": 120,
    "call_fn_0": 55,
    "call_fn_2": 80,
    "call_method_2": 130,
    "js_calls_py_0arg_1e5_per_call": 90,
    "js_calls_py_1arg_1e5_per_call": 90,
    "create_proxy_destroy": 300,
    "to_js_list_1e5_int": 3_000_000,
    "to_js_dict_1e4": 1_000_000,
    "to_js_small_dict_fromEntries": 900,
    "to_js_nested_1000rows_fromEntries": 1_200_000,
    "to_py_nested_1000rows": 1_200_000,
    "await_resolved_promise": 3_000,
    "run_sync_resolved_promise": 8_000,
    "run_sync_done_future": 600,
    "exc_js_to_py": 4_000,
    "exc_py_to_js_to_py": 4_000,
    "exc_py_caught_in_js_1e3_per_call": 4_000,
    "str_py_to_js_100kB_ascii": 15_000,
    "str_js_to_py_100kB_ascii": 15_000,
    "bytes_to_js_1MiB_no_copy": 2_000,
}

# How many times faster than the recorded Pyodide: the geometric mean over all FFI cases, and each of them.
LEAST_MEAN = 7.0
LEAST_RATIO = 0.9
