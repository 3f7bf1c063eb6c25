/** What a service needs to have videos generated: one function, and one error. */
import { setTimeout } from "node:timers/promises";
import {
  ApplicationFailure,
  Client,
  Connection,
  ServiceError,
  WorkflowExecutionAlreadyStartedError,
  WorkflowFailedError,
} from "@temporalio/client";
import { loadClientConnectConfig } from "@temporalio/envconfig";
import type { Failure } from "./contract/failure.js";
import type { FailureDetails } from "./contract/failure-details.js";
import type { GenerateVideoInput } from "./contract/input.js";
import type { VideoResult } from "./contract/result.js";

type GenerateVideo = (input: GenerateVideoInput) => Promise<VideoResult>;

/** The run has failed: branch on `failure.type`. */
export class VideoFailed extends Error {
  constructor(readonly failure: Failure) {
    super(failure.message);
    this.name = "VideoFailed";
  }
}

/** A client for the server that TEMPORAL_ADDRESS names, or the profile of the temporal CLI. */
export async function connect(): Promise<Client> {
  const { connectionOptions, namespace } = loadClientConnectConfig();
  return new Client({ connection: await Connection.connect(connectionOptions), namespace: namespace ?? "default" });
}

/**
 * The result of the order's one render: started, joined or found, whichever it takes, so it may be called again at any
 * time, by any process. Throws VideoFailed when the run fails.
 */
export async function generate(client: Client, order: string, input: GenerateVideoInput): Promise<VideoResult> {
  try {
    await client.workflow.start<GenerateVideo>("GenerateVideo", {
      workflowId: order,
      taskQueue: "manxue",
      args: [input],
      workflowIdConflictPolicy: "USE_EXISTING",
      workflowIdReusePolicy: "ALLOW_DUPLICATE_FAILED_ONLY",
    });
  } catch (error) {
    // Otherwise it is completed, and has its result.
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
  }
  for (;;) {
    try {
      return await client.workflow.getHandle<GenerateVideo>(order).result();
    } catch (error) {
      if (error instanceof WorkflowFailedError && error.cause instanceof ApplicationFailure) {
        const { type, message, details } = error.cause;
        throw new VideoFailed({ ...(details?.[0] as FailureDetails), type: type ?? "", message });
      }
      if (!(error instanceof ServiceError)) throw error;
      await setTimeout(1000); // the server or the network is away for a while
    }
  }
}
