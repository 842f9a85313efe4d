"""What an isolate runs on: the event loop and `run_sync`. Imported by isolates only (design.md, "Event loop")."""
