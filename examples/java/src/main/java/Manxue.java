import io.temporal.api.enums.v1.WorkflowIdConflictPolicy;
import io.temporal.api.enums.v1.WorkflowIdReusePolicy;
import io.temporal.client.WorkflowClient;
import io.temporal.client.WorkflowClientOptions;
import io.temporal.client.WorkflowExecutionAlreadyStarted;
import io.temporal.client.WorkflowFailedException;
import io.temporal.client.WorkflowOptions;
import io.temporal.client.WorkflowStub;
import io.temporal.client.WorkflowUpdateException;
import io.temporal.failure.ApplicationFailure;
import io.temporal.serviceclient.WorkflowServiceStubs;
import io.temporal.serviceclient.WorkflowServiceStubsOptions;
import java.util.List;
import java.util.Map;

/**
 * Has videos generated, and looks after their runs: generate ORDER PROMPT [SECONDS] | progress ORDER | poll-now ORDER |
 * resolve ORDER ACTION [TASK_ID].
 */
public final class Manxue {

  /**
   * The result of the order's one render: started, joined or found, whichever it takes. May be called again at any time,
   * by any process. Throws WorkflowFailedException when the run fails.
   */
  static Map<?, ?> generate(WorkflowClient client, String order, Map<String, ?> input) {
    WorkflowOptions options =
        WorkflowOptions.newBuilder()
            .setWorkflowId(order)
            .setTaskQueue("manxue")
            .setWorkflowIdConflictPolicy(WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING)
            .setWorkflowIdReusePolicy(WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY)
            .build();
    try {
      client.newUntypedWorkflowStub("GenerateVideo", options).start(input);
    } catch (WorkflowExecutionAlreadyStarted completed) {
      // It has its result.
    }
    return client.newUntypedWorkflowStub(order).getResult(Map.class);
  }

  public static void main(String[] args) {
    WorkflowServiceStubs service =
        WorkflowServiceStubs.newServiceStubs(
            WorkflowServiceStubsOptions.newBuilder().setTarget(setting("TEMPORAL_ADDRESS", "127.0.0.1:7233")).build());
    WorkflowClient client =
        WorkflowClient.newInstance(
            service,
            WorkflowClientOptions.newBuilder().setNamespace(setting("TEMPORAL_NAMESPACE", "default")).build());
    int code = 0;
    try {
      command(client, args);
    } catch (WorkflowFailedException failed) {
      code = 1;
      if (!(failed.getCause() instanceof ApplicationFailure failure)) {
        throw failed; // canceled, terminated
      }
      System.err.println(failure.getType() + ": " + failure.getOriginalMessage());
      Map<?, ?> details = failure.getDetails().get(0, Map.class);
      for (Object each : (List<?>) details.get("problems")) {
        Map<?, ?> problem = (Map<?, ?>) each;
        System.err.printf("  %s (%s): %s%n", problem.get("field"), problem.get("rule"), problem.get("hint"));
      }
    } catch (WorkflowUpdateException refused) {
      code = 1;
      System.err.println(refused.getCause().getMessage());
    } finally {
      service.shutdown();
    }
    System.exit(code);
  }

  private static void command(WorkflowClient client, String[] args) {
    String order = args[1];
    WorkflowStub run = client.newUntypedWorkflowStub(order);
    switch (args[0]) {
      case "generate" -> {
        int seconds = args.length > 3 ? Integer.parseInt(args[3]) : 4;
        Map<String, ?> input =
            Map.of(
                "request", Map.of("model", "sd2_manxue_720p", "prompt", args[2], "duration", seconds),
                // Suits the quick emulator of `manxue local`; leave it out with the real provider.
                "poll", Map.of("first", "PT1S", "interval", "PT1S"));
        Map<?, ?> video = (Map<?, ?>) generate(client, order, input).get("video");
        System.out.println(video.get("uri"));
      }
      case "progress" -> System.out.println(run.query("progress", Map.class));
      case "poll-now" -> System.out.println(run.update("poll_now", Map.class));
      case "resolve" -> {
        Map<String, String> resolution =
            args.length > 3 ? Map.of("action", args[2], "task_id", args[3]) : Map.of("action", args[2]);
        run.update("resolve_submission", Void.class, resolution);
      }
      default -> throw new IllegalArgumentException(args[0]);
    }
  }

  private static String setting(String name, String otherwise) {
    String value = System.getenv(name);
    return value == null || value.isEmpty() ? otherwise : value;
  }

  private Manxue() {}
}
