package io.longshore.conformance;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import com.google.protobuf.Message;
import io.grpc.StatusRuntimeException;
import io.longshore.client.Client;
import io.longshore.client.Errors;
import io.longshore.client.JobHandle;
import io.longshore.client.Units;
import io.longshore.v1.CompletionMode;
import io.longshore.v1.CreateImageRequest;
import io.longshore.v1.CreateJobGroupRequest;
import io.longshore.v1.CreateJobRequest;
import io.longshore.v1.GetCapabilitiesRequest;
import io.longshore.v1.GetJobRequest;
import io.longshore.v1.Job;
import io.longshore.v1.JobInfo;
import io.longshore.v1.JobOptions;
import io.longshore.v1.JobServiceGrpc;
import io.longshore.v1.ListJobsRequest;
import io.longshore.v1.MapImageRequest;
import io.longshore.v1.PauseJobRequest;
import io.longshore.v1.SystemServiceGrpc;
import java.math.BigDecimal;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/** Clients by name, and an op for each thing that is done with them. */
final class Driver {
  private final Map<String, Client> clients = new HashMap<>();
  private final Watches watches = new Watches(this::client);
  private final Map<String, Function<Fields, JsonObject>> ops = new HashMap<>();

  Driver() {
    ops.put("hello", fields -> object("language", text("java"), "version", text(Client.VERSION)));
    ops.put("connect", this::connect);
    ops.put("close", this::close);
    ops.put("create", this::create);
    ops.put("create_group", this::createGroup);
    ops.put("plan", this::plan);
    ops.put("list", this::list);
    ops.put("image", this::image);
    ops.put("map", this::map);
    ops.put("create_image", this::createImage);
    ops.put("capabilities", fields -> Words.message(client(fields).capabilities()));
    ops.put("raw", this::raw);
    ops.put("parse", Driver::parse);
    ops.put("format", Driver::format);
    verb("get", (job, fields) -> job.get());
    verb("pause", (job, fields) -> job.pause(fields.text("comment", "")));
    verb("resume", (job, fields) -> job.resume());
    verb("cancel", Driver::cancel);
    verb("complete", (job, fields) -> job.complete(mode(fields)));
    verb("finalize", (job, fields) -> job.finalizeJob());
    verb("dismiss", Driver::dismiss);
    verb("set_speed", Driver::setSpeed);
    verb("update", Driver::update);
    verb("wait", (job, fields) -> job.await(fields.waiting()));
    watches.addTo(ops);
  }

  /** The answer to an op, an error of any kind included. */
  JsonObject outcome(Fields fields) {
    try {
      String name = fields.text("op");
      if (!ops.containsKey(name)) {
        throw new Words.DriverError("no op " + name);
      }
      return object("ok", ops.get(name).apply(fields));
    } catch (RuntimeException error) {
      return object("error", Words.error(error));
    }
  }

  static JsonPrimitive text(String text) {
    return new JsonPrimitive(text);
  }

  static JsonObject object(Object... pairs) {
    JsonObject object = new JsonObject();
    for (int i = 0; i < pairs.length; i += 2) {
      object.add((String) pairs[i], (JsonElement) pairs[i + 1]);
    }
    return object;
  }

  private Client client(Fields fields) {
    Client client = clients.get(fields.text("client"));
    if (client == null) {
      throw new Words.DriverError("no client " + fields.text("client"));
    }
    return client;
  }

  private JsonObject connect(Fields fields) {
    Client client = new Client(fields.text("address"), fields.credentials());
    clients.put(fields.text("client"), client);
    return new JsonObject();
  }

  private JsonObject close(Fields fields) {
    client(fields).close();
    clients.remove(fields.text("client"));
    return new JsonObject();
  }

  // Jobs

  private JsonObject create(Fields fields) {
    var request = fields.message("request", CreateJobRequest.newBuilder()).build();
    JobHandle job = client(fields).create(request);
    return object(
        "job_id", text(job.jobId()),
        "is_new", new JsonPrimitive(job.isNew()),
        "job", Words.message(job.created().orElseThrow()));
  }

  private JsonObject createGroup(Fields fields) {
    var request = fields.message("request", CreateJobGroupRequest.newBuilder()).build();
    List<JobHandle> jobs = client(fields).createGroup(request);
    JsonArray made = Words.messages(jobs.stream().map(job -> job.created().orElseThrow()));
    return object("jobs", made, "is_new", new JsonPrimitive(jobs.stream().allMatch(JobHandle::isNew)));
  }

  private JsonObject plan(Fields fields) {
    var info = fields.message("info", JobInfo.newBuilder());
    var request = CreateJobRequest.newBuilder().setInfo(info).build();
    return object("plan", Words.message(client(fields).plan(request)));
  }

  private interface Verb {
    Job on(JobHandle job, Fields fields);
  }

  private void verb(String name, Verb verb) {
    ops.put(
        name,
        fields -> {
          JobHandle job = client(fields).job(fields.text("job_id"));
          if (fields.has("expected_revision")) {
            job = job.atRevision(fields.number("expected_revision", 0));
          }
          return object("job", Words.message(verb.on(job, fields)));
        });
  }

  private static Job cancel(JobHandle job, Fields fields) {
    String comment = fields.text("comment", "");
    boolean force = fields.flag("force");
    return fields.flag("wait") ? job.cancelAndAwait(comment, force) : job.cancel(comment, force);
  }

  private static Job dismiss(JobHandle job, Fields fields) {
    return job.dismiss(fields.flag("allow_missing")).orElse(Job.getDefaultInstance());
  }

  private static CompletionMode mode(Fields fields) {
    return CompletionMode.valueOf(fields.text("mode", "COMPLETION_MODE_SWITCH"));
  }

  private static Job setSpeed(JobHandle job, Fields fields) {
    String speed = fields.text("bytes_per_second");
    return speed == null ? job.clearSpeed() : job.setSpeed(Long.parseLong(speed));
  }

  private static Job update(JobHandle job, Fields fields) {
    var options = fields.message("options", JobOptions.newBuilder()).build();
    return job.update(options, fields.texts("paths"));
  }

  private JsonObject list(Fields fields) {
    var request =
        ListJobsRequest.newBuilder()
            .addAllStates(List.of(fields.states()))
            .setPageSize((int) fields.number("page_size", 0));
    if (fields.has("select")) {
      request.setSelector(fields.selector());
    }
    return object("jobs", taken(client(fields).list(request.build()), fields));
  }

  /** As many items as are asked for; the next page is not. */
  private static <M extends Message> JsonArray taken(Iterable<M> items, Fields fields) {
    long most = fields.number("take", Long.MAX_VALUE);
    List<M> found = new ArrayList<>();
    for (var item = items.iterator(); found.size() < most && item.hasNext(); ) {
      found.add(item.next());
    }
    return Words.messages(found.stream());
  }

  // Images and the daemon

  private JsonObject image(Fields fields) {
    return object("image", Words.message(client(fields).image(fields.image())));
  }

  private JsonObject map(Fields fields) {
    var request = MapImageRequest.newBuilder().setImage(fields.image()).build();
    return object("extents", taken(client(fields).map(request), fields));
  }

  private JsonObject createImage(Fields fields) {
    var request = fields.message("request", CreateImageRequest.newBuilder()).build();
    return object("image", Words.message(client(fields).createImage(request)));
  }

  private JsonObject raw(Fields fields) {
    var jobs = JobServiceGrpc.newBlockingStub(client(fields).channel());
    var system = SystemServiceGrpc.newBlockingStub(client(fields).channel());
    try {
      return Words.message(
          switch (fields.text("method")) {
            case "GetJob" ->
                jobs.getJob(fields.message("request", GetJobRequest.newBuilder()).build());
            case "ListJobs" ->
                jobs.listJobs(fields.message("request", ListJobsRequest.newBuilder()).build());
            case "CreateJob" ->
                jobs.createJob(fields.message("request", CreateJobRequest.newBuilder()).build());
            case "PauseJob" ->
                jobs.pauseJob(fields.message("request", PauseJobRequest.newBuilder()).build());
            case "GetCapabilities" ->
                system.getCapabilities(GetCapabilitiesRequest.getDefaultInstance());
            default -> throw new Words.DriverError("raw " + fields.text("method"));
          });
    } catch (StatusRuntimeException error) {
      throw Errors.typed(error);
    }
  }

  // Units

  private static JsonObject parse(Fields fields) {
    String text = fields.text("text");
    return object(
        "value",
        text(
            switch (fields.text("what")) {
              case "size" -> Long.toString(Units.parseSize(text));
              case "rate" -> Long.toString(Units.parseRate(text));
              default -> decimal(Units.parseDuration(text));
            }));
  }

  private static String decimal(Duration duration) {
    BigDecimal nanos = BigDecimal.valueOf(duration.getNano(), 9);
    BigDecimal seconds = BigDecimal.valueOf(duration.getSeconds()).add(nanos);
    return seconds.signum() == 0 ? "0" : seconds.stripTrailingZeros().toPlainString();
  }

  private static JsonObject format(Fields fields) {
    BigDecimal value = new BigDecimal(fields.text("value"));
    long nanos = value.remainder(BigDecimal.ONE).movePointRight(9).longValue();
    return object(
        "text",
        text(
            switch (fields.text("what")) {
              case "size" -> Units.formatSize(value.doubleValue());
              case "rate" -> Units.formatRate(value.doubleValue());
              default -> Units.formatDuration(Duration.ofSeconds(value.longValue(), nanos));
            }));
  }
}
