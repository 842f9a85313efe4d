from workers import WorkerEntrypoint

raise RuntimeError("not today")


class Default(WorkerEntrypoint):
    pass
