package io.longshore.conformance;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import io.longshore.client.Client;
import io.longshore.client.Value;
import io.longshore.client.Watch;
import io.longshore.client.WatchOptions;
import io.longshore.v1.JobSelector;
import io.longshore.v1.JobServiceGrpc;
import io.longshore.v1.WatchJobsRequest;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/** The ops of watches: step by step, in a loop of the language, on a thread. */
final class Watches {
  private static final List<String> DURABLE = List.of("event", "snapshot", "resynced");

  private final Function<Fields, Client> client;
  private final Map<String, Watch> open = new HashMap<>();
  private final Map<String, Recorder> recorders = new HashMap<>();

  Watches(Function<Fields, Client> client) {
    this.client = client;
  }

  void addTo(Map<String, Function<Fields, JsonObject>> ops) {
    ops.put("watch_open", this::open);
    ops.put("watch_next", this::next);
    ops.put("watch_cursor", this::cursor);
    ops.put("watch_close", this::close);
    ops.put("watch_take", this::take);
    ops.put("watch_record", this::record);
    ops.put("watch_recorded", this::recorded);
    ops.put("drain", this::drain);
  }

  private Watch begin(Fields fields) {
    return begin(fields, fields.watching());
  }

  private Watch begin(Fields fields, WatchOptions how) {
    Client daemon = client.apply(fields);
    if (!fields.has("job_id")) {
      return daemon.watch(how);
    }
    if (!fields.flag("stop_when_finished", true)) {
      var one = JobSelector.newBuilder().addJobIds(fields.text("job_id")).build();
      return daemon.watch(how.select(one));
    }
    return daemon.job(fields.text("job_id")).watch(how);
  }

  private JsonObject open(Fields fields) {
    open.put(fields.text("watch"), begin(fields));
    return new JsonObject();
  }

  private JsonObject next(Fields fields) {
    Watch watch = open.get(fields.text("watch"));
    List<String> only = fields.has("only") ? fields.texts("only") : DURABLE;
    long count = fields.number("count", 1);
    JsonArray values = new JsonArray();
    while (values.size() < count && watch.hasNext()) {
      Value value = watch.next();
      if (only.contains(Words.type(value))) {
        values.add(Words.shown(value));
      }
    }
    return Driver.object("values", values, "ended", new JsonPrimitive(values.size() < count));
  }

  private JsonObject cursor(Fields fields) {
    Watch watch = open.get(fields.text("watch"));
    return Driver.object(
        "cursor", watch.cursor().<JsonElement>map(Words::message).orElse(JsonNull.INSTANCE));
  }

  private JsonObject close(Fields fields) {
    String name = fields.text("watch");
    if (open.containsKey(name)) {
      open.remove(name).close();
    } else {
      recorders.remove(name).close();
    }
    return new JsonObject();
  }

  private JsonObject take(Fields fields) {
    long count = fields.number("count", 1);
    JsonArray values = new JsonArray();
    try (Watch watch = begin(fields)) {
      while (watch.hasNext()) {
        Value value = watch.next();
        if (!(value instanceof Value.Progress)) {
          values.add(Words.shown(value));
        }
        if (values.size() == count) {
          break;
        }
      }
    }
    return Driver.object("values", values);
  }

  private JsonObject record(Fields fields) {
    recorders.put(fields.text("watch"), Recorder.start(begin(fields)));
    return new JsonObject();
  }

  private JsonObject recorded(Fields fields) {
    return recorders.get(fields.text("watch")).until(fields.number("until_revision", 0));
  }

  /** Reads so many events and keeps nothing. */
  private JsonObject drain(Fields fields) {
    long count = fields.number("count", 1);
    long seen = fields.flag("raw") ? drainRaw(fields, count) : drainWatch(fields, count);
    return Driver.object("events", new JsonPrimitive(seen));
  }

  private long drainWatch(Fields fields, long count) {
    long seen = 0;
    try (Watch watch = begin(fields, fields.watching().omitProgress())) {
      while (seen < count && watch.hasNext()) {
        seen += watch.next() instanceof Value.Event ? 1 : 0;
      }
    }
    return seen;
  }

  private long drainRaw(Fields fields, long count) {
    var request =
        WatchJobsRequest.newBuilder().setSelector(fields.selector()).setOmitProgress(true);
    if (fields.has("cursor")) {
      fields.message("cursor", request.getResumeAfterBuilder());
    }
    var stub = JobServiceGrpc.newBlockingStub(client.apply(fields).channel());
    long[] seen = {0};
    // The generated iterator is left by cancelling the context that it was made in.
    var context = io.grpc.Context.current().withCancellation();
    context.run(
        () -> {
          var frames = stub.watchJobs(request.build());
          while (seen[0] < count && frames.hasNext()) {
            seen[0] += frames.next().getEvents().getEventsCount();
          }
        });
    context.cancel(null);
    return seen[0];
  }
}
