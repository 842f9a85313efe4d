from workers import WorkerEntrypoint


class Default(WorkerEntrypoint):
    def scheduled(self, controller):
        pass
