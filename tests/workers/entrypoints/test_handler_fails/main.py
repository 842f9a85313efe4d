from workers import WorkerEntrypoint


class Default(WorkerEntrypoint):
    async def test(self, controller, env, ctx):
        assert controller is None
        raise AssertionError("three is not four")
