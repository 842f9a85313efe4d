"""Parts of Pyodide's Python side that other parts of it import by this name."""
