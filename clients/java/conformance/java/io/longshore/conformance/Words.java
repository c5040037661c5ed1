package io.longshore.conformance;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.gson.JsonPrimitive;
import com.google.protobuf.Any;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Empty;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.protobuf.MessageOrBuilder;
import com.google.protobuf.TypeRegistry;
import com.google.protobuf.util.JsonFormat;
import com.google.rpc.ErrorDetailsProto;
import io.longshore.client.LongshoreException;
import io.longshore.client.ServiceException;
import io.longshore.client.Value;
import io.longshore.v1.JobState;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;

/** What the driver says: messages, values of a watch and errors as JSON. */
final class Words {
  /** The runner asks for what this driver does not know. */
  static final class DriverError extends RuntimeException {
    DriverError(String message) {
      super(message);
    }
  }

  private static final TypeRegistry TYPES =
      TypeRegistry.newBuilder()
          .add(ErrorDetailsProto.getDescriptor().getMessageTypes())
          .add(Empty.getDescriptor())
          .build();
  private static final JsonFormat.Printer PRINTER =
      JsonFormat.printer().omittingInsignificantWhitespace().usingTypeRegistry(TYPES);

  private Words() {}

  static JsonObject message(MessageOrBuilder found) {
    Message message =
        found instanceof Message.Builder builder ? builder.build() : (Message) found;
    try {
      return JsonParser.parseString(PRINTER.print(known(message))).getAsJsonObject();
    } catch (InvalidProtocolBufferException broken) {
      throw new UncheckedIOException(broken);
    }
  }

  static JsonArray messages(Stream<? extends Message> found) {
    return array(found.map(Words::message));
  }

  static JsonArray array(Stream<? extends JsonElement> elements) {
    JsonArray array = new JsonArray();
    elements.forEach(array::add);
    return array;
  }

  static void parse(String text, Message.Builder into) {
    try {
      JsonFormat.parser().usingTypeRegistry(TYPES).merge(text, into);
    } catch (InvalidProtocolBufferException wrong) {
      throw new IllegalArgumentException(wrong.getMessage(), wrong);
    }
  }

  /** The same, where a detail of a type newer than this client is an empty message. */
  private static Message known(Message message) throws InvalidProtocolBufferException {
    if (message instanceof Any any) {
      boolean isKnown = TYPES.getDescriptorForTypeUrl(any.getTypeUrl()) != null;
      return isKnown ? any : Any.pack(Empty.getDefaultInstance());
    }
    Message.Builder copy = message.toBuilder();
    for (var field : message.getAllFields().entrySet()) {
      FieldDescriptor name = field.getKey();
      if (name.getJavaType() != FieldDescriptor.JavaType.MESSAGE || name.isMapField()) {
        continue;
      }
      if (!name.isRepeated()) {
        copy.setField(name, known((Message) field.getValue()));
        continue;
      }
      for (int i = 0; i < message.getRepeatedFieldCount(name); i++) {
        copy.setRepeatedField(name, i, known((Message) message.getRepeatedField(name, i)));
      }
    }
    return copy.build();
  }

  /** The name; the number of a state newer than this client. */
  static JsonPrimitive state(JobState state, int number) {
    return state == JobState.UNRECOGNIZED
        ? new JsonPrimitive(number)
        : new JsonPrimitive(state.name());
  }

  static String type(Value value) {
    return value.getClass().getSimpleName().toLowerCase(Locale.ROOT);
  }

  static JsonObject shown(Value value) {
    JsonObject shown = new JsonObject();
    shown.addProperty("type", type(value));
    if (value instanceof Value.Event event) {
      shown.addProperty("kind", event.kind());
      shown.addProperty("revision", Long.toString(event.revision()));
      shown.add("job", message(event.job()));
      var before = event.event();
      shown.add("previousState", state(before.getPreviousState(), before.getPreviousStateValue()));
      shown.add("cursor", message(event.cursor()));
    } else if (value instanceof Value.Progress progress) {
      shown.addProperty("job_id", progress.jobId());
      shown.add("progress", message(progress.progress()));
    } else if (value instanceof Value.Snapshot snapshot) {
      shown.add("jobs", messages(snapshot.jobs().stream()));
      shown.add("cursor", message(snapshot.cursor()));
    } else if (value instanceof Value.Resynced resynced) {
      shown.add("jobs", messages(resynced.jobs().stream()));
      shown.add("cursor", message(resynced.cursor()));
    }
    return shown;
  }

  /** An error by its canonical class. */
  static JsonObject error(RuntimeException error) {
    JsonObject shown = new JsonObject();
    shown.addProperty("class", canonical(error));
    shown.addProperty("message", String.valueOf(error.getMessage()));
    if (error instanceof LongshoreException.JobEnded ended) {
      shown.add("job", message(ended.job()));
    }
    if (error instanceof ServiceException answer) {
      shown.addProperty("code", answer.code().name());
      shown.addProperty("reason", answer.reason());
      shown.addProperty("domain", answer.domain());
      JsonObject metadata = new JsonObject();
      answer.metadata().forEach(metadata::addProperty);
      shown.add("metadata", metadata);
      shown.add("fieldViolations", messages(answer.fieldViolations().stream()));
      JsonElement none = JsonNull.INSTANCE;
      shown.add(
          "retryDelay",
          answer
              .retryDelay()
              .<JsonElement>map(delay -> new JsonPrimitive(delay.toNanos() / 1e9))
              .orElse(none));
      shown.addProperty("requestId", answer.requestId());
    }
    return shown;
  }

  private static final List<Class<?>> BAD_ARGUMENTS =
      List.of(IllegalArgumentException.class, UncheckedIOException.class);

  private static String canonical(RuntimeException error) {
    if (error instanceof LongshoreException) {
      String name = error.getClass().getSimpleName();
      return name.equals("ServiceException") ? "ServiceError" : name;
    }
    boolean isBad = BAD_ARGUMENTS.stream().anyMatch(type -> type.isInstance(error));
    return isBad ? "BadArgument" : "DriverError";
  }
}
