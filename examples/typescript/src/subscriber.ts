// Prints invoices of Stripe and pull requests of GitHub as they happen, each at least once, whatever happens to the bridge,
// the network or this process. `handle` is where a service puts its own work.
import { setTimeout as sleep } from "node:timers/promises";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { PullRequestEventSchema } from "../gen/hookbridge/github/v1/pull_request_pb.js";
import { InvoiceEventSchema } from "../gen/hookbridge/stripe/v1/invoice_pb.js";
import type { Event } from "../gen/hookbridge/v1/event_pb.js";
import { EventService } from "../gen/hookbridge/v1/event_service_pb.js";

// Processes that use the same name share its events; the bridge keeps on disk where it stands.
const subscription = process.env["HOOKBRIDGE_SUBSCRIPTION"] ?? "example-typescript";
const filter = { sources: ["stripe", "github"], types: ["invoice.*", "pull_request.*"] };

// One call acknowledges a batch: the bridge syncs its disk once for all of it. Waiting longer gains nothing, and repeats more
// events after a crash.
const batchSize = 500;
const batchMillis = 20;
const callMillis = 5_000;

// Backoff doubles between these, with jitter, so that the clients of a restarted bridge don't all come back at once.
const firstPauseMillis = 100;
const lastPauseMillis = 10_000;

// These say that the request is wrong, not that the bridge is gone: trying again would hide it. NotFound is a subscription that was
// deleted: the next try would make a new one.
const permanent = [Code.InvalidArgument, Code.NotFound, Code.FailedPrecondition, Code.PermissionDenied, Code.Unauthenticated];

// handle does the work for one event. It has to bear being called twice for one: (source, id) is the key to remember.
// When it throws, the event is not acknowledged and the process ends; a service decides what else to do.
function handle(event: Event): void {
  const invoice = event.data && anyUnpack(event.data, InvoiceEventSchema)?.data?.object;
  const pull = event.data && anyUnpack(event.data, PullRequestEventSchema);
  if (invoice) {
    console.log(`${event.id} ${event.type} ${invoice.id} ${invoice.amountDue} ${invoice.currency}`);
  } else if (pull) {
    console.log(`${event.id} ${event.type} ${pull.repository?.fullName}#${pull.number} ${pull.pullRequest?.title}`);
  } else {
    // The provider changed something, or the event is too large for a message. The bridge keeps the body: GetEventContent.
    console.log(`${event.id} ${event.type} not typed: ${event.decoding?.violations.map((v) => v.field).join(" ")}`);
  }
}

// Acknowledgements collects what was handled. It holds no more than the window: the bridge sends nothing beyond it.
class Acknowledgements {
  private ids: string[] = [];
  private timer: NodeJS.Timeout | undefined;
  private sending: Promise<void> = Promise.resolve();

  constructor(private readonly events: Client<typeof EventService>, private readonly failed: (reason: unknown) => void) {}

  add(id: string): void {
    this.ids.push(id);
    if (this.ids.length >= batchSize) void this.flush();
    else this.timer ??= setTimeout(() => void this.flush(), batchMillis);
  }

  // flush sends what there is, after what is being sent. It never rejects: what isn't acknowledged comes again.
  flush(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    const ackIds = this.ids.splice(0);
    if (ackIds.length > 0) {
      this.sending = this.sending.then(async () => {
        const { failures } = await this.events.acknowledge({ subscription, ackIds }, { timeoutMs: callMillis });
        if (failures.length > 0) console.error(`${failures.length} acknowledgements came too late; their events come again`);
      }).catch(this.failed);
    }
    return this.sending;
  }
}

// follow reads one stream to its end. It throws unless the bridge or `stop` ended it in order.
async function follow(events: Client<typeof EventService>, stop: AbortSignal, mustExist: boolean, confirmed: () => void): Promise<void> {
  const stream = new AbortController();
  const acks = new Acknowledgements(events, (reason) => stream.abort(reason));
  // An idle stream has heartbeats. When three are missing, the bridge or something on the way hangs.
  const silence = () => stream.abort(new ConnectError("no heartbeat", Code.Unavailable));
  let watchdog = setTimeout(silence, 45_000);
  try {
    const request = { subscription, filter, mustExist, clientName: "typescript example" };
    for await (const { message } of events.subscribe(request, { signal: AbortSignal.any([stop, stream.signal]) })) {
      watchdog.refresh();
      if (message.case === "confirmed") {
        console.error(`subscribed as ${subscription} at sequence ${message.value.position}`);
        clearTimeout(watchdog);
        watchdog = setTimeout(silence, 3_000 * Number(message.value.heartbeatInterval?.seconds ?? 15n));
        confirmed();
      } else if (message.case === "delivery" && message.value.event) {
        handle(message.value.event);
        acks.add(message.value.ackId);
      } else if (message.case === "gap") {
        console.error(`retention removed sequences ${message.value.fromSequence} to ${message.value.toSequence} unread`);
      }
    }
  } finally {
    clearTimeout(watchdog);
    await acks.flush(); // what was handled need not come again
  }
}

async function main(): Promise<void> {
  const stop = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => stop.abort());

  // Pings find a connection whose other end vanished; without them the next stream would be opened on it, too.
  // A bridge elsewhere has an https:// address.
  const baseUrl = process.env["HOOKBRIDGE_SERVER"] ?? "http://127.0.0.1:9090";
  const events = createClient(EventService, createGrpcTransport({ baseUrl, pingIntervalMs: 20_000 }));

  // What was deleted while this process had no stream is not made anew.
  let stood = false;
  for (let pause = firstPauseMillis; !stop.signal.aborted; pause = Math.min(2 * pause, lastPauseMillis)) {
    try {
      await follow(events, stop.signal, stood, () => {
        pause = firstPauseMillis;
        stood = true;
      });
    } catch (reason) {
      // What is no answer of the bridge, such as an error of `handle`, is not for us to repeat.
      if (stop.signal.aborted) break;
      if (!(reason instanceof ConnectError) || permanent.includes(reason.code)) throw reason;
      console.error(`disconnected: ${reason.message}`);
    }
    await sleep(pause * (0.5 + Math.random() / 2), undefined, { signal: stop.signal }).catch(() => {});
  }
}

main().then(() => process.exit(0), (reason) => {
  console.error(String(reason));
  process.exit(1);
});
