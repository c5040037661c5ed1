package io.longshore.conformance;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;

/** A driver of the conformance suite: one JSON object a line in, one a line out. */
public final class Main {
  private Main() {}

  public static void main(String[] arguments) throws IOException {
    var answers =
        new PrintStream(new FileOutputStream(FileDescriptor.out), false, StandardCharsets.UTF_8);
    // What a library prints by mistake must not break the protocol.
    System.setOut(System.err);
    var asked = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    var driver = new Driver();
    for (String line = asked.readLine(); line != null; line = asked.readLine()) {
      JsonObject fields = JsonParser.parseString(line).getAsJsonObject();
      JsonObject answer = driver.outcome(new Fields(fields));
      answer.add("id", fields.get("id"));
      answers.print(answer + "\n");
      answers.flush();
    }
    // Recorders that were left open hold nothing up.
    System.exit(0);
  }
}
