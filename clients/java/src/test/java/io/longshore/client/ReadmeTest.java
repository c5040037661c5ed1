package io.longshore.client;

import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

class ReadmeTest {
  @Test
  void theReadmeShowsWhatIsCompiled() throws IOException {
    String code = Files.readString(Path.of("examples/java/io/longshore/examples/Readme.java"));
    var fences = Pattern.compile("```java\n(.*?)```", Pattern.DOTALL);
    List<String> blocks =
        fences
            .matcher(Files.readString(Path.of("README.md")))
            .results()
            .map(found -> found.group(1))
            .toList();
    assertNotEquals(List.of(), blocks);
    for (String block : blocks) {
      assertTrue(code.contains(block.indent(2)), block);
    }
  }
}
