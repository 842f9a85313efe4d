where = "vendored"
