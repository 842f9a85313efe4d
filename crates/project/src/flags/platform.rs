//! The flags that change the JavaScript side of the platform: name, opposite, date of default.
//!
//! Isthmus knows them all, so that a configuration written for upstream loads and a misspelt one is
//! noticed; what they change is said by their names and by upstream's
//! [list](https://developers.cloudflare.com/workers/configuration/compatibility-flags/). The facts are
//! those of workerd 1.20261117.

use super::{Flag, flag};

/// Sorted by the date from which a flag is the default, those without one last.
pub(super) const PLATFORM_FLAGS: &[Flag] = &[
    flag("r2_public_beta_bindings")
        .disabled_by("r2_internal_beta_bindings")
        .since("2000-01-01"),
    flag("formdata_parser_supports_files")
        .disabled_by("formdata_parser_converts_files_to_strings")
        .since("2021-11-03"),
    flag("durable_object_fetch_requires_full_url")
        .disabled_by("durable_object_fetch_allows_relative_url")
        .since("2021-11-10"),
    flag("fetch_refuses_unknown_protocols")
        .disabled_by("fetch_treats_unknown_protocols_as_http")
        .since("2021-11-10"),
    flag("streams_byob_reader_detaches_buffer")
        .disabled_by("streams_byob_reader_does_not_detach_buffer")
        .since("2021-11-10"),
    flag("workers_api_getters_setters_on_prototype")
        .disabled_by("workers_api_getters_setters_on_instance")
        .since("2022-01-31"),
    flag("no_cots_on_external_fetch")
        .disabled_by("cots_on_external_fetch")
        .since("2022-03-08"),
    flag("global_navigator")
        .disabled_by("no_global_navigator")
        .since("2022-03-21"),
    flag("minimal_subrequests")
        .disabled_by("no_minimal_subrequests")
        .since("2022-04-05"),
    flag("dont_substitute_null_on_type_error")
        .disabled_by("substitute_null_on_type_error")
        .since("2022-06-01"),
    flag("r2_list_honor_include").since("2022-08-04"),
    flag("capture_async_api_throws")
        .disabled_by("do_not_capture_async_api_throws")
        .since("2022-10-31"),
    flag("export_commonjs_default")
        .disabled_by("export_commonjs_namespace")
        .since("2022-10-31"),
    flag("url_standard")
        .disabled_by("url_original")
        .since("2022-10-31"),
    flag("streams_enable_constructors")
        .disabled_by("streams_disable_constructors")
        .since("2022-11-30"),
    flag("transformstream_enable_standard_constructor")
        .disabled_by("transformstream_disable_standard_constructor")
        .since("2022-11-30"),
    flag("dynamic_dispatch_tunnel_exceptions")
        .disabled_by("dynamic_dispatch_treat_exceptions_as_500")
        .since("2023-03-01"),
    flag("http_headers_getsetcookie")
        .disabled_by("no_http_headers_getsetcookie")
        .since("2023-03-01"),
    flag("response_redirect_url_standard")
        .disabled_by("response_redirect_url_original")
        .since("2023-03-14"),
    flag("urlsearchparams_delete_has_value_arg")
        .disabled_by("no_urlsearchparams_delete_has_value_arg")
        .since("2023-07-01"),
    flag("no_cf_botmanagement_default")
        .disabled_by("cf_botmanagement_default")
        .since("2023-08-01"),
    flag("strict_compression_checks")
        .disabled_by("no_strict_compression_checks")
        .since("2023-08-01"),
    flag("strict_crypto_checks")
        .disabled_by("no_strict_crypto_checks")
        .since("2023-08-01"),
    flag("web_socket_compression")
        .disabled_by("no_web_socket_compression")
        .since("2023-08-15"),
    flag("vectorize_query_metadata_optional")
        .disabled_by("vectorize_query_original")
        .since("2023-11-08"),
    flag("crypto_preserve_public_exponent")
        .disabled_by("no_crypto_preserve_public_exponent")
        .since("2023-12-01"),
    flag("no_global_importscripts")
        .disabled_by("global_importscripts")
        .since("2024-03-04"),
    flag("queues_json_messages")
        .disabled_by("no_queues_json_messages")
        .since("2024-03-18"),
    flag("fetcher_no_get_put_delete")
        .disabled_by("fetcher_has_get_put_delete")
        .since("2024-03-26"),
    flag("unwrap_custom_thenables")
        .disabled_by("no_unwrap_custom_thenables")
        .since("2024-04-01"),
    flag("rpc").disabled_by("no_rpc").since("2024-04-03"),
    flag("brotli_content_encoding")
        .disabled_by("no_brotli_content_encoding")
        .since("2024-04-29"),
    flag("internal_stream_byob_return_view")
        .disabled_by("internal_stream_byob_return_undefined")
        .since("2024-05-13"),
    flag("blob_standard_mime_type")
        .disabled_by("blob_legacy_mime_type")
        .since("2024-06-03"),
    flag("fetch_standard_url")
        .disabled_by("fetch_legacy_url")
        .since("2024-06-03"),
    flag("allow_custom_ports")
        .disabled_by("ignore_custom_ports")
        .since("2024-09-02"),
    flag("internal_writable_stream_abort_clears_queue")
        .disabled_by("internal_writable_stream_abort_does_not_clear_queue")
        .since("2024-09-02"),
    flag("nodejs_zlib")
        .disabled_by("no_nodejs_zlib")
        .implied(&["nodejs_compat", "nodejs_compat_v2"], "2024-09-23"),
    flag("set_tostring_tag")
        .disabled_by("do_not_set_tostring_tag")
        .since("2024-09-26"),
    flag("handle_cross_request_promise_resolution")
        .disabled_by("no_handle_cross_request_promise_resolution")
        .since("2024-10-14"),
    flag("upper_case_all_http_methods")
        .disabled_by("no_upper_case_all_http_methods")
        .since("2024-10-14"),
    flag("cache_option_enabled")
        .disabled_by("cache_option_disabled")
        .since("2024-11-11"),
    flag("disable_top_level_await_in_require")
        .disabled_by("enable_top_level_await_in_require")
        .since("2024-12-02"),
    flag("fixup-transform-stream-backpressure")
        .disabled_by("original-transform-stream-backpressure")
        .since("2024-12-16"),
    flag("unique_ctx_per_invocation").since("2025-03-10").obsolete(),
    flag("assets_navigation_prefers_asset_serving")
        .disabled_by("assets_navigation_has_no_effect")
        .since("2025-04-01"),
    flag("nodejs_compat_populate_process_env")
        .disabled_by("nodejs_compat_do_not_populate_process_env")
        .implied(&["nodejs_compat"], "2025-04-01"),
    flag("request_cf_overrides_cache_rules")
        .disabled_by("no_request_cf_overrides_cache_rules")
        .since("2025-04-02"),
    flag("cache_api_compat_flags")
        .disabled_by("no_cache_api_compat_flags")
        .since("2025-04-19"),
    flag("urlpattern_standard")
        .disabled_by("urlpattern_original")
        .since("2025-05-01"),
    flag("enable_weak_ref")
        .disabled_by("disable_weak_ref")
        .since("2025-05-05"),
    flag("cache_api_request_cf_overrides_cache_rules")
        .disabled_by("no_cache_api_request_cf_overrides_cache_rules")
        .since("2025-05-19"),
    flag("enable_navigator_language")
        .disabled_by("disable_navigator_language")
        .since("2025-05-19"),
    flag("allow_eval_during_startup")
        .disabled_by("disallow_eval_during_startup")
        .since("2025-06-01"),
    flag("bind_asynclocalstorage_snapshot_to_request")
        .disabled_by("do_not_bind_asynclocalstorage_snapshot_to-request")
        .since("2025-06-16"),
    flag("throw_on_unrecognized_import_assertion")
        .disabled_by("ignore_unrecognized_import_assertion")
        .since("2025-06-16"),
    flag("set_event_target_this")
        .disabled_by("no_set_event_target_this")
        .since("2025-08-01"),
    flag("set_forwardable_email_full_headers")
        .disabled_by("set_forwardable_email_single_headers")
        .since("2025-08-01"),
    flag("cache_no_cache_enabled")
        .disabled_by("cache_no_cache_disabled")
        .implied(&["cache_option_enabled"], "2025-08-07"),
    flag("enable_nodejs_http_modules")
        .disabled_by("disable_nodejs_http_modules")
        .implied(&["nodejs_compat"], "2025-08-15"),
    flag("expose_global_message_channel")
        .disabled_by("no_expose_global_message_channel")
        .since("2025-08-15"),
    flag("enable_nodejs_http2_module")
        .disabled_by("disable_nodejs_http2_module")
        .implied(&["nodejs_compat"], "2025-09-01"),
    flag("enable_nodejs_http_server_modules")
        .disabled_by("disable_nodejs_http_server_modules")
        .implied(&["enable_nodejs_http_modules"], "2025-09-01"),
    flag("remove_nodejs_compat_eol")
        .disabled_by("add_nodejs_compat_eol")
        .implied(&["nodejs_compat"], "2025-09-01"),
    flag("remove_nodejs_compat_eol_v23")
        .disabled_by("add_nodejs_compat_eol_v23")
        .implied(&["remove_nodejs_compat_eol_v24"], "2025-09-01"),
    flag("strip_authorization_on_cross_origin_redirect")
        .disabled_by("retain_authorization_on_cross_origin_redirect")
        .since("2025-09-01"),
    flag("enable_nodejs_fs_module")
        .disabled_by("disable_nodejs_fs_module")
        .implied(&["nodejs_compat"], "2025-09-15"),
    flag("enable_nodejs_os_module")
        .disabled_by("disable_nodejs_os_module")
        .implied(&["nodejs_compat"], "2025-09-15"),
    flag("enable_nodejs_process_v2")
        .disabled_by("disable_nodejs_process_v2")
        .implied(&["nodejs_compat"], "2025-09-15"),
    flag("enable_validate_workflow_entrypoint")
        .disabled_by("disable_validate_workflow_entrypoint")
        .since("2025-09-20"),
    flag("enable_nodejs_console_module")
        .disabled_by("disable_nodejs_console_module")
        .implied(&["nodejs_compat"], "2025-09-21"),
    flag("enable_nodejs_vm_module")
        .disabled_by("disable_nodejs_vm_module")
        .implied(&["nodejs_compat"], "2025-10-01"),
    flag("enable_ctx_exports")
        .disabled_by("disable_ctx_exports")
        .since("2025-11-17"),
    flag("enable_fast_jsg_struct")
        .disabled_by("disable_fast_jsg_struct")
        .since("2025-12-03"),
    flag("enable_nodejs_cluster_module")
        .disabled_by("disable_nodejs_cluster_module")
        .implied(&["nodejs_compat"], "2025-12-04"),
    flag("enable_nodejs_domain_module")
        .disabled_by("disable_nodejs_domain_module")
        .implied(&["nodejs_compat"], "2025-12-04"),
    flag("enable_nodejs_punycode_module")
        .disabled_by("disable_nodejs_punycode_module")
        .implied(&["nodejs_compat"], "2025-12-04"),
    flag("enable_nodejs_trace_events_module")
        .disabled_by("disable_nodejs_trace_events_module")
        .implied(&["nodejs_compat"], "2025-12-04"),
    flag("enable_nodejs_wasi_module")
        .disabled_by("disable_nodejs_wasi_module")
        .implied(&["nodejs_compat"], "2025-12-04"),
    flag("strip_bom_in_read_all_text")
        .disabled_by("do_not_strip_bom_in_read_all_text")
        .since("2026-01-13")
        .implied(&["pedantic_wpt"], "2026-01-13"),
    flag("fetch_iterable_type_support_override_adjustment")
        .disabled_by("no_fetch_iterable_type_support_override_adjustment")
        .implied(&["fetch_iterable_type_support"], "2026-01-15"),
    flag("rpc_params_dup_stubs")
        .disabled_by("rpc_params_transfer_stubs")
        .since("2026-01-20"),
    flag("require_returns_default_export")
        .disabled_by("require_returns_namespace")
        .since("2026-01-22"),
    flag("enable_nodejs_dgram_module")
        .disabled_by("disable_nodejs_dgram_module")
        .implied(&["nodejs_compat"], "2026-01-29"),
    flag("enable_nodejs_inspector_module")
        .disabled_by("disable_nodejs_inspector_module")
        .implied(&["nodejs_compat"], "2026-01-29"),
    flag("enable_nodejs_sqlite_module")
        .disabled_by("disable_nodejs_sqlite_module")
        .implied(&["nodejs_compat"], "2026-01-29"),
    flag("enable_nodejs_stream_wrap_module")
        .disabled_by("disable_nodejs_stream_wrap_module")
        .implied(&["nodejs_compat"], "2026-01-29"),
    flag("enable_nodejs_global_timers")
        .disabled_by("no_nodejs_global_timers")
        .implied(&["nodejs_compat"], "2026-02-10"),
    flag("fetch_iterable_type_support")
        .disabled_by("no_fetch_iterable_type_support")
        .since("2026-02-19"),
    flag("delete_all_deletes_alarm")
        .disabled_by("delete_all_preserves_alarm")
        .since("2026-02-24"),
    flag("text_decoder_replace_surrogates")
        .disabled_by("disable_text_decoder_replace_surrogates")
        .since("2026-02-24")
        .implied(&["pedantic_wpt"], "2026-02-24"),
    flag("text_decoder_cjk_decoder")
        .disabled_by("disable_text_decoder_cjk_decoder")
        .since("2026-03-03"),
    flag("unhandled_rejection_after_microtask_checkpoint")
        .disabled_by("no_unhandled_rejection_after_microtask_checkpoint")
        .since("2026-03-03"),
    flag("websocket_close_reason_byte_limit")
        .disabled_by("no_websocket_close_reason_byte_limit")
        .since("2026-03-03"),
    flag("queue_expose_error_codes")
        .disabled_by("no_queue_expose_error_codes")
        .since("2026-03-12"),
    flag("enable_global_performance_classes")
        .disabled_by("disable_global_performance_classes")
        .implied(&["nodejs_compat"], "2026-03-17"),
    flag("enable_nodejs_child_process_module")
        .disabled_by("disable_nodejs_child_process_module")
        .implied(&["nodejs_compat"], "2026-03-17"),
    flag("enable_nodejs_perf_hooks_module")
        .disabled_by("disable_nodejs_perf_hooks_module")
        .implied(&["nodejs_compat"], "2026-03-17"),
    flag("enable_nodejs_readline_module")
        .disabled_by("disable_nodejs_readline_module")
        .implied(&["nodejs_compat"], "2026-03-17"),
    flag("enable_nodejs_repl_module")
        .disabled_by("disable_nodejs_repl_module")
        .implied(&["nodejs_compat"], "2026-03-17"),
    flag("enable_nodejs_tty_module")
        .disabled_by("disable_nodejs_tty_module")
        .implied(&["nodejs_compat"], "2026-03-17"),
    flag("enable_nodejs_v8_module")
        .disabled_by("disable_nodejs_v8_module")
        .implied(&["nodejs_compat"], "2026-03-17"),
    flag("enable_nodejs_worker_threads_module")
        .disabled_by("disable_nodejs_worker_threads_module")
        .implied(&["nodejs_compat"], "2026-03-17"),
    flag("websocket_standard_binary_type")
        .disabled_by("no_websocket_standard_binary_type")
        .since("2026-03-17"),
    flag("encoder_stream_spec_compliant_backpressure")
        .disabled_by("no_encoder_stream_spec_compliant_backpressure")
        .since("2026-03-24"),
    flag("writable_stream_spec_compliant_writer")
        .disabled_by("no_writable_stream_spec_compliant_writer")
        .since("2026-03-24"),
    flag("containers_pid_namespace")
        .disabled_by("no_containers_pid_namespace")
        .since("2026-04-01"),
    flag("web_socket_auto_reply_to_close")
        .disabled_by("web_socket_manual_reply_to_close")
        .since("2026-04-07"),
    flag("enhanced_error_serialization")
        .disabled_by("legacy_error_serialization")
        .since("2026-04-21"),
    flag("workflows_preserve_non_retryable_error_message")
        .disabled_by("workflows_replace_non_retryable_error_message")
        .since("2026-05-14"),
    flag("diagnostics_channel_has_subscribers_getter")
        .disabled_by("no_diagnostics_channel_has_subscribers_getter")
        .since("2026-05-19"),
    flag("throw_on_not_implemented_tls_options")
        .disabled_by("no_throw_on_not_implemented_tls_options")
        .since("2026-06-16"),
    flag("nodejs_compat")
        .disabled_by("no_nodejs_compat")
        .since("2026-08-04"),
    flag("nodejs_compat_v2")
        .disabled_by("no_nodejs_compat_v2")
        .since("2026-08-04")
        .implied(&["nodejs_compat"], "2024-09-23"),
    flag("workflows_enable_fast_engine_creation")
        .disabled_by("workflows_disable_fast_engine_creation")
        .since("2026-08-11"),
    flag("spec_compliant_dispatch_exceptions")
        .disabled_by("no_spec_compliant_dispatch_exceptions")
        .since("2026-09-15"),
    flag("durable_object_io_tasks_prevent_eviction")
        .disabled_by("durable_object_io_tasks_do_not_prevent_eviction")
        .since("2026-10-01"),
    flag("cache_option_preserves_cache_control")
        .disabled_by("cache_option_overrides_cache_control")
        .since("2026-11-17"),
    flag("enable_request_signal")
        .disabled_by("disable_request_signal")
        .since("2026-11-17"),
    flag("new_module_registry")
        .disabled_by("legacy_module_registry")
        .since("2026-11-17"),
    flag("pipe_to_backward_propagation")
        .disabled_by("no_pipe_to_backward_propagation")
        .since("2026-11-17"),
    flag("nodejs_process_version_24")
        .disabled_by("no_nodejs_process_version_24")
        .since("2026-11-24"),
    flag("temporal").disabled_by("no_temporal").since("2026-12-01"),
    flag("wasm_source_url_support")
        .disabled_by("no_wasm_source_url_support")
        .since("2026-12-01"),
    flag("remove_nodejs_compat_eol_v22")
        .disabled_by("add_nodejs_compat_eol_v22")
        .implied(&["remove_nodejs_compat_eol"], "2027-04-30"),
    flag("remove_nodejs_compat_eol_v24")
        .disabled_by("add_nodejs_compat_eol_v24")
        .implied(&["remove_nodejs_compat_eol"], "2028-04-30"),
    flag("allow_insecure_inefficient_logged_eval").experimental(),
    flag("allow_irrevocable_stub_storage"),
    flag("auto_grpc_convert"),
    flag("cache_reload_enabled")
        .disabled_by("cache_reload_disabled")
        .experimental(),
    flag("connect_handler_starttls").experimental(),
    flag("connect_pass_through").experimental(),
    flag("d1_binding_jsrpc").experimental(),
    flag("disallow_importable_env").disabled_by("allow_importable_env"),
    flag("durable_object_alarms").obsolete(),
    flag("durable_object_get_existing").experimental(),
    flag("durable_object_rename").obsolete(),
    flag("durable_object_snapshots").experimental(),
    flag("enable_abortsignal_rpc").experimental(),
    flag("enable_ctx_version_metadata").experimental(),
    flag("enable_d1_with_sessions_api").obsolete(),
    flag("enable_email_sending_queuing").disabled_by("disable_email_sending_queuing"),
    flag("enable_nodejs_inspector_local_dev").experimental(),
    flag("enable_streams_nodejs_v24_compat").disabled_by("disable_streams_nodejs_v24_compat"),
    flag("enable_version_api").experimental(),
    flag("enable_web_file_system").experimental(),
    flag("env_module_nullable_support").disabled_by("no_env_module_nullable_support"),
    flag("experimental").experimental(),
    flag("expose_draining_reader").experimental(),
    flag("expose_serialization_test_class").experimental(),
    flag("global_fetch_strictly_public").disabled_by("global_fetch_private_origin"),
    flag("html_rewriter_treats_esi_include_as_void_tag"),
    flag("immutable_api_prototypes").disabled_by("mutable_api_prototypes"),
    flag("increase_websocket_message_size").experimental(),
    flag("js_rpc").experimental(),
    flag("kv_direct_binding").experimental(),
    flag("memory_cache_delete").experimental(),
    flag("no_resizable_array_buffer_in_blob").disabled_by("resizable_array_buffer_in_blob"),
    flag("nodejs_als").disabled_by("no_nodejs_als"),
    flag("nonclass_entrypoint_reuses_ctx_across_invocations"),
    flag("offpeak_location_hint").experimental(),
    flag("pedantic_wpt").disabled_by("non_pedantic_wpt"),
    flag("precise_timers")
        .disabled_by("no_precise_timers")
        .experimental(),
    flag("queue_consumer_no_wait_for_wait_until").disabled_by("queue_consumer_wait_for_wait_until"),
    flag("r2_binding_jsrpc").experimental(),
    flag("replica_routing").experimental(),
    flag("request_signal_passthrough").disabled_by("no_request_signal_passthrough"),
    flag("rpc_dispose_cancels_call").experimental(),
    flag("rtti_api").experimental(),
    flag("service_binding_extra_handlers").experimental(),
    flag("spec_compliant_property_attributes")
        .disabled_by("no_spec_compliant_property_attributes")
        .experimental(),
    flag("streaming_tail_worker").obsolete(),
    flag("streams_no_default_auto_allocate_chunk_size")
        .disabled_by("streams_auto_allocate_chunk_size_default")
        .experimental(),
    flag("tail_worker_user_spans").obsolete(),
    flag("tcp_sockets_support").obsolete(),
    flag("typescript_implemented_streams").experimental(),
    flag("typescript_strip_types").experimental(),
    flag("unsafe_module").experimental(),
    flag("unsupported_process_actual_platform").experimental(),
    flag("wasm_esm_integration_builtins"),
    flag("wasm_memory_discard").experimental(),
    flag("webcrypto_modern_algorithms"),
    flag("webgpu").obsolete(),
    flag("workflows_bindings_rpc").experimental(),
    flag("workflows_step_rollback").experimental(),
];
