"""Prints invoices of Stripe and pull requests of GitHub as they happen, each at least once, whatever happens to the bridge,
the network or this process. `handle` is where a service puts its own work."""

import asyncio
import os
import pathlib
import random
import signal
import sys
import time

import grpc

# The generated modules import each other from the root of gen/.
sys.path.insert(0, str(pathlib.Path(__file__).parent / "gen"))

from hookbridge.github.v1 import pull_request_pb2  # noqa: E402
from hookbridge.stripe.v1 import invoice_pb2  # noqa: E402
from hookbridge.v1 import event_pb2, event_service_pb2, event_service_pb2_grpc  # noqa: E402

SERVER = os.environ.get("HOOKBRIDGE_SERVER", "127.0.0.1:9090")
# Processes that use the same name share its events; the bridge keeps on disk where it stands.
SUBSCRIPTION = os.environ.get("HOOKBRIDGE_SUBSCRIPTION", "example-python")
FILTER = event_service_pb2.Filter(sources=["stripe", "github"], types=["invoice.*", "pull_request.*"])

# One call acknowledges a batch: the bridge syncs its disk once for all of it. Waiting longer gains nothing, and repeats more
# events after a crash. All times are in seconds.
BATCH_SIZE = 500
BATCH_TIME = 0.02
CALL_TIME = 5

# Backoff doubles between these, with jitter, so that the clients of a restarted bridge don't all come back at once.
FIRST_PAUSE = 0.1
LAST_PAUSE = 10

# These say that the request is wrong, not that the bridge is gone: trying again would hide it. NOT_FOUND is a subscription that was
# deleted: the next try would make a new one.
PERMANENT = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNAUTHENTICATED,
}


def log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


async def handle(event: event_pb2.Event) -> None:
    """Does the work for one event. It has to bear being called twice for one: (source, id) is the key to remember. When it
    raises, the event is not acknowledged and the process ends; a service decides what else to do."""
    invoice, pull = invoice_pb2.InvoiceEvent(), pull_request_pb2.PullRequestEvent()
    if event.data.Unpack(invoice):
        what = f"{invoice.data.object.id} {invoice.data.object.amount_due} {invoice.data.object.currency}"
    elif event.data.Unpack(pull):
        what = f"{pull.repository.full_name}#{pull.number} {pull.pull_request.title}"
    else:
        # The provider changed something, or the event is too large for a message. The bridge keeps the body: GetEventContent.
        what = f"not typed: {' '.join(v.field for v in event.decoding.violations)}"
    print(event.id, event.type, what, flush=True)


class Subscriber:
    def __init__(self, channel: grpc.aio.Channel, stop: asyncio.Event) -> None:
        self.events = event_service_pb2_grpc.EventServiceStub(channel)
        self.stop = stop
        self.pause = FIRST_PAUSE
        # What is deleted while this process has no stream is not made anew.
        self.stood = False

    async def run(self) -> None:
        """Follows one stream after the other until it is to stop. Raises what trying again won't change."""
        while not self.stop.is_set():
            try:
                await self.follow()
            except grpc.aio.AioRpcError as error:
                if error.code() in PERMANENT:
                    raise
                log(f"disconnected: {error.code().name}: {error.details()}")
            except TimeoutError as error:
                log(f"disconnected: {error}")
            try:
                await asyncio.wait_for(self.stop.wait(), self.pause * random.uniform(0.5, 1))
            except TimeoutError:
                self.pause = min(2 * self.pause, LAST_PAUSE)

    async def follow(self) -> None:
        """Reads one stream to its end, or until it is to stop."""
        stream = self.events.Subscribe(
            event_service_pb2.SubscribeRequest(
                subscription=SUBSCRIPTION, filter=FILTER, must_exist=self.stood, client_name="python example"
            )
        )
        # An idle stream has heartbeats. When three are missing, the bridge or something on the way hangs.
        patience = 45
        # What was handled; no more than the window, beyond which the bridge sends nothing.
        handled: list[str] = []
        oldest = 0.0
        stopping = asyncio.ensure_future(self.stop.wait())
        # A read that is cancelled would end the stream, so it is waited for beside the clock and the signal.
        reading = asyncio.ensure_future(stream.read())
        try:
            while True:
                if len(handled) >= BATCH_SIZE or (handled and time.monotonic() - oldest >= BATCH_TIME):
                    await self.acknowledge(handled)
                await asyncio.wait(
                    {reading, stopping}, timeout=BATCH_TIME if handled else patience, return_when=asyncio.FIRST_COMPLETED
                )
                if stopping.done():
                    return
                if not reading.done():
                    if not handled:
                        raise TimeoutError("no heartbeat")
                    continue
                response = reading.result()
                if response is grpc.aio.EOF:
                    return
                reading = asyncio.ensure_future(stream.read())
                kind = response.WhichOneof("message")
                if kind == "confirmed":
                    log(f"subscribed as {SUBSCRIPTION} at sequence {response.confirmed.position}")
                    patience = 3 * response.confirmed.heartbeat_interval.seconds
                    self.pause = FIRST_PAUSE
                    self.stood = True
                elif kind == "delivery":
                    await handle(response.delivery.event)
                    oldest = oldest if handled else time.monotonic()
                    handled.append(response.delivery.ack_id)
                elif kind == "gap":
                    log(f"retention removed sequences {response.gap.from_sequence} to {response.gap.to_sequence} unread")
        finally:
            stopping.cancel()
            stream.cancel()
            # The end of the read is nobody's any more.
            await asyncio.gather(reading, stopping, return_exceptions=True)
            if handled:
                await self.acknowledge(handled)  # what was handled need not come again

    async def acknowledge(self, handled: list[str]) -> None:
        """Acknowledges and empties the batch."""
        request = event_service_pb2.AcknowledgeRequest(subscription=SUBSCRIPTION, ack_ids=handled)
        handled.clear()
        answer = await self.events.Acknowledge(request, timeout=CALL_TIME)
        if answer.failures:
            log(f"{len(answer.failures)} acknowledgements came too late; their events come again")


async def main() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    # Pings find a connection whose other end vanished; without them the next stream would be opened on it, too.
    # A bridge elsewhere has grpc.aio.secure_channel.
    # The channel has a backoff of its own between connections, of up to two minutes.
    options = [
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.initial_reconnect_backoff_ms", int(FIRST_PAUSE * 1000)),
        ("grpc.max_reconnect_backoff_ms", LAST_PAUSE * 1000),
    ]
    async with grpc.aio.insecure_channel(SERVER, options=options) as channel:
        await Subscriber(channel, stop).run()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except grpc.aio.AioRpcError as error:
        sys.exit(f"{error.code().name}: {error.details()}")
