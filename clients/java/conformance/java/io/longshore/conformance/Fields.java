package io.longshore.conformance;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.protobuf.Message;
import io.longshore.client.Credentials;
import io.longshore.client.Requests;
import io.longshore.client.WaitOptions;
import io.longshore.client.WatchOptions;
import io.longshore.v1.Cursor;
import io.longshore.v1.ImageRef;
import io.longshore.v1.JobSelector;
import io.longshore.v1.JobState;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/** The fields of an op. What is null is not given. */
record Fields(JsonObject json) {
  boolean has(String name) {
    return json.has(name) && !json.get(name).isJsonNull();
  }

  String text(String name) {
    return has(name) ? json.get(name).getAsString() : null;
  }

  String text(String name, String otherwise) {
    return has(name) ? text(name) : otherwise;
  }

  boolean flag(String name, boolean otherwise) {
    return has(name) ? json.get(name).getAsBoolean() : otherwise;
  }

  boolean flag(String name) {
    return flag(name, false);
  }

  long number(String name, long otherwise) {
    return has(name) ? Long.parseLong(text(name)) : otherwise;
  }

  Duration seconds(String name) {
    return has(name) ? Duration.ofNanos((long) (json.get(name).getAsDouble() * 1e9)) : null;
  }

  List<String> texts(String name) {
    if (!has(name)) {
      return null;
    }
    JsonArray array = json.getAsJsonArray(name);
    return StreamSupport.stream(array.spliterator(), false).map(JsonElement::getAsString).toList();
  }

  <B extends Message.Builder> B message(String name, B into) {
    if (has(name)) {
      Words.parse(json.get(name).toString(), into);
    }
    return into;
  }

  /** Null if none are given: then they are those of the environment. */
  Credentials credentials() {
    var names = List.of("tls_ca", "tls_cert", "tls_key", "tls_name", "token", "token_file");
    if (names.stream().noneMatch(this::has)) {
      return null;
    }
    return new Credentials(
        text("tls_ca"),
        text("tls_cert"),
        text("tls_key"),
        text("tls_name"),
        text("token"),
        text("token_file"));
  }

  JobState[] states() {
    List<String> names = texts("states");
    Stream<String> given = names == null ? Stream.of() : names.stream();
    return given.map(JobState::valueOf).toArray(JobState[]::new);
  }

  WaitOptions waiting() {
    WaitOptions how = WaitOptions.forStates(states());
    if (has("timeout")) {
      how = how.within(seconds("timeout"));
    }
    return flag("raise_on_failure", true) ? how : how.orFailure();
  }

  JobSelector selector() {
    return message("select", JobSelector.newBuilder()).build();
  }

  ImageRef image() {
    return Requests.qcow2(text("uri")).toBuilder().setFormat(text("format", "qcow2")).build();
  }

  WatchOptions watching() {
    WatchOptions how = WatchOptions.all().select(selector());
    if (has("cursor")) {
      how = how.after(message("cursor", Cursor.newBuilder()).build());
    }
    if (flag("from_now")) {
      how = how.fromNow();
    }
    if (flag("strict")) {
      how = how.strict();
    }
    if (flag("omit_progress")) {
      how = how.omitProgress();
    }
    if (flag("stop_when_finished")) {
      how = how.stopWhenFinished();
    }
    if (has("progress_interval")) {
      how = how.progressInterval(seconds("progress_interval"));
    }
    if (has("heartbeat_interval")) {
      how = how.heartbeatInterval(seconds("heartbeat_interval"));
    }
    return has("patience") ? how.patience(seconds("patience")) : how;
  }
}
