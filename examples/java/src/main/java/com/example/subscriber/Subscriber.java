package com.example.subscriber;

import com.google.protobuf.InvalidProtocolBufferException;
import com.hookbridge.github.v1.PullRequestEvent;
import com.hookbridge.stripe.v1.Invoice;
import com.hookbridge.stripe.v1.InvoiceEvent;
import com.hookbridge.v1.AcknowledgeRequest;
import com.hookbridge.v1.Delivery;
import com.hookbridge.v1.Event;
import com.hookbridge.v1.EventServiceGrpc;
import com.hookbridge.v1.EventServiceGrpc.EventServiceBlockingV2Stub;
import com.hookbridge.v1.Filter;
import com.hookbridge.v1.SubscribeRequest;
import com.hookbridge.v1.SubscribeResponse;
import com.hookbridge.v1.Violation;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusException;
import io.grpc.stub.BlockingClientCall;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Collectors;

/**
 * Prints invoices of Stripe and pull requests of GitHub as they happen, each at least once, whatever happens to the bridge, the
 * network or this process. {@link #handle} is where a service puts its own work.
 */
public final class Subscriber {
  // One call acknowledges a batch: the bridge syncs its disk once for all of it. Waiting longer gains nothing, and repeats more
  // events after a crash.
  private static final int BATCH_SIZE = 500;
  private static final Duration BATCH_TIME = Duration.ofMillis(20);
  private static final Duration CALL_TIME = Duration.ofSeconds(5);

  // Backoff doubles between these, with jitter, so that the clients of a restarted bridge don't all come back at once.
  private static final Duration FIRST_PAUSE = Duration.ofMillis(100);
  private static final Duration LAST_PAUSE = Duration.ofSeconds(10);

  // These say that the request is wrong, not that the bridge is gone: trying again would hide it. NOT_FOUND is a subscription that was
  // deleted: the next try would make a new one.
  private static final Set<Status.Code> PERMANENT = EnumSet.of(
      Status.Code.INVALID_ARGUMENT, Status.Code.NOT_FOUND, Status.Code.FAILED_PRECONDITION, Status.Code.PERMISSION_DENIED,
      Status.Code.UNAUTHENTICATED);

  private final ManagedChannel channel;
  private final EventServiceBlockingV2Stub events;
  private final String subscription;
  private final CountDownLatch stop = new CountDownLatch(1);
  private volatile BlockingClientCall<?, SubscribeResponse> stream;
  private Duration pause = FIRST_PAUSE;
  // What is deleted while this process has no stream is not made anew.
  private boolean stood;

  private Subscriber(ManagedChannel channel, String subscription) {
    this.channel = channel;
    this.events = EventServiceGrpc.newBlockingV2Stub(channel);
    this.subscription = subscription;
  }

  public static void main(String[] args) throws Exception {
    String server = System.getenv().getOrDefault("HOOKBRIDGE_SERVER", "127.0.0.1:9090");
    // Processes that use the same name share its events; the bridge keeps on disk where it stands.
    String subscription = System.getenv().getOrDefault("HOOKBRIDGE_SUBSCRIPTION", "example-java");
    // Pings find a connection whose other end vanished; without them the next stream would be opened on it, too.
    // A bridge elsewhere has TlsChannelCredentials.
    ManagedChannel channel =
        Grpc.newChannelBuilder(server, InsecureChannelCredentials.create()).keepAliveTime(20, TimeUnit.SECONDS).build();
    Subscriber subscriber = new Subscriber(channel, subscription);

    // On a signal the JVM runs its hooks and ends with 128 + the signal's number, whatever main does meanwhile. The hook lets
    // main finish, and makes it an orderly end.
    CountDownLatch finished = new CountDownLatch(1);
    Runtime.getRuntime().addShutdownHook(new Thread(() -> {
      if (finished.getCount() == 0) {
        return;
      }
      subscriber.stop();
      try {
        Runtime.getRuntime().halt(finished.await(2 * CALL_TIME.toSeconds(), TimeUnit.SECONDS) ? 0 : 1);
      } catch (InterruptedException e) {
        Runtime.getRuntime().halt(1);
      }
    }));
    int code = 0;
    try {
      subscriber.run();
    } catch (Exception e) {
      System.err.println(e);
      code = 1;
    }
    channel.shutdownNow();
    System.out.flush();
    finished.countDown();
    System.exit(code);
  }

  /**
   * Does the work for one event. It has to bear being called twice for one: (source, id) is the key to remember. When it throws,
   * the event is not acknowledged and the process ends; a service decides what else to do.
   */
  private static void handle(Event event) throws InvalidProtocolBufferException {
    String what;
    if (event.getData().is(InvoiceEvent.class)) {
      Invoice invoice = event.getData().unpack(InvoiceEvent.class).getData().getObject();
      what = invoice.getId() + " " + invoice.getAmountDue() + " " + invoice.getCurrency();
    } else if (event.getData().is(PullRequestEvent.class)) {
      PullRequestEvent pull = event.getData().unpack(PullRequestEvent.class);
      what = pull.getRepository().getFullName() + "#" + pull.getNumber() + " " + pull.getPullRequest().getTitle();
    } else {
      // The provider changed something, or the event is too large for a message. The bridge keeps the body: GetEventContent.
      what = "not typed: "
          + event.getDecoding().getViolationsList().stream().map(Violation::getField).collect(Collectors.joining(" "));
    }
    System.out.println(event.getId() + " " + event.getType() + " " + what);
  }

  private void stop() {
    stop.countDown();
    BlockingClientCall<?, SubscribeResponse> current = stream;
    if (current != null) {
      current.cancel("stopping", null);
    }
  }

  private boolean stopping() {
    return stop.getCount() == 0;
  }

  private void run() throws InterruptedException, StatusException, InvalidProtocolBufferException {
    while (!stopping()) {
      try {
        follow();
      } catch (StatusException e) {
        if (stopping()) {
          return;
        }
        if (PERMANENT.contains(e.getStatus().getCode())) {
          throw e;
        }
        System.err.println("disconnected: " + e.getMessage());
      }
      long millis = pause.toMillis();
      stop.await(ThreadLocalRandom.current().nextLong(millis / 2, millis), TimeUnit.MILLISECONDS);
      channel.resetConnectBackoff(); // the channel has a backoff of its own, up to two minutes
      pause = pause.multipliedBy(2).compareTo(LAST_PAUSE) < 0 ? pause.multipliedBy(2) : LAST_PAUSE;
    }
  }

  /** Reads one stream to its end. */
  private void follow() throws InterruptedException, StatusException, InvalidProtocolBufferException {
    Filter filter = Filter.newBuilder()
        .addSources("stripe").addSources("github").addTypes("invoice.*").addTypes("pull_request.*").build();
    stream = events.subscribe(SubscribeRequest.newBuilder()
        .setSubscription(subscription).setFilter(filter).setMustExist(stood).setClientName("java example").build());
    // An idle stream has heartbeats. When three are missing, the bridge or something on the way hangs.
    Duration patience = Duration.ofSeconds(45);
    // What was handled; no more than the window, beyond which the bridge sends nothing.
    List<String> handled = new ArrayList<>();
    long oldest = 0;
    try {
      while (!stopping()) {
        if (handled.size() >= BATCH_SIZE || (!handled.isEmpty() && System.nanoTime() - oldest >= BATCH_TIME.toNanos())) {
          acknowledge(handled);
        }
        SubscribeResponse response;
        try {
          response = stream.read((handled.isEmpty() ? patience : BATCH_TIME).toNanos(), TimeUnit.NANOSECONDS);
        } catch (TimeoutException e) {
          if (handled.isEmpty()) {
            throw Status.UNAVAILABLE.withDescription("no heartbeat").asException();
          }
          continue;
        }
        if (response == null) {
          return;
        }
        switch (response.getMessageCase()) {
          case CONFIRMED -> {
            System.err.println("subscribed as " + subscription + " at sequence " + response.getConfirmed().getPosition());
            patience = Duration.ofSeconds(3 * response.getConfirmed().getHeartbeatInterval().getSeconds());
            pause = FIRST_PAUSE;
            stood = true;
          }
          case DELIVERY -> {
            Delivery delivery = response.getDelivery();
            handle(delivery.getEvent());
            if (handled.isEmpty()) {
              oldest = System.nanoTime();
            }
            handled.add(delivery.getAckId());
          }
          case GAP -> System.err.println("retention removed sequences " + response.getGap().getFromSequence() + " to "
              + response.getGap().getToSequence() + " unread");
          default -> { } // a heartbeat, or a kind that is newer than this client
        }
      }
    } finally {
      stream.cancel("done", null);
      if (!handled.isEmpty()) {
        acknowledge(handled); // what was handled need not come again
      }
    }
  }

  /** Acknowledges and empties the batch. */
  private void acknowledge(List<String> handled) throws InterruptedException, StatusException {
    AcknowledgeRequest request = AcknowledgeRequest.newBuilder().setSubscription(subscription).addAllAckIds(handled).build();
    handled.clear();
    int late = events.withDeadlineAfter(CALL_TIME).acknowledge(request).getFailuresCount();
    if (late > 0) {
      System.err.println(late + " acknowledgements came too late; their events come again");
    }
  }
}
