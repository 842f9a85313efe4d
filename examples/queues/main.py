"""Orders that are taken at once and shipped later; those that can't be shipped are not lost either."""

from workers import Response, WorkerEntrypoint

STOCK = {"tea", "cocoa"}


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        if request.method == "POST":
            orders = [{"item": item} for item in (await request.text()).split()]
            # It resolves when the orders are on disk: from here on they are shipped, whatever ends the server.
            await self.env.ORDERS.sendBatch([{"body": order} for order in orders])
            return Response(f"{len(orders)} orders taken\n", status=202)
        items = [key["name"] for key in (await self.env.SHIPPED.list())["keys"]]
        return Response("".join([f"{item}: {await self.env.SHIPPED.get(item)}\n" for item in items]))

    async def queue(self, batch, env, ctx):
        if batch.queue == "lost-orders":
            # Nothing is said of these messages: as the handler returns, they are done with.
            for message in batch.messages:
                await self.env.SHIPPED.put(message.body["item"], "not in stock")
            return
        for message in batch.messages:
            item = message.body["item"]
            if item in STOCK:
                # A message may come twice, so what is done with it must not count twice: this only says "shipped" again.
                await self.env.SHIPPED.put(item, "shipped")
                message.ack()
            else:
                # Perhaps it is there in a second, or in two.
                message.retry(delaySeconds=message.attempts - 1)
